// Runs prepared rules over bytes: a state is a set of places, each with its registers and the frame of
// its call. Frames of the same call at the same byte are one, so that ambiguity costs a polynomial, not
// an exponential; states with equal places are one object and remember where bytes lead, so the grammar
// becomes an automaton as it is used. States never change: copying one is copying a reference.
import type { Rules } from '../rules/rules.ts'
import { GrammarFault } from '../work.ts'
import { BLANK, canDiffer, type Registers, wasSeen } from './registers.ts'
import type { TerminalState } from './terminal.ts'

export interface Entry {
  readonly node: number
  readonly registers: Registers
  readonly frame: Frame
  /** The text of the terminal that returns here has to be remembered. */
  readonly distinct: boolean
}

/** Where the calls of one rule at one byte return to. */
export class Frame {
  readonly id: number
  readonly entries: readonly Entry[]
  constructor(id: number, entries: readonly Entry[]) {
    this.id = id
    this.entries = entries
  }
}

export interface Item {
  /** A node of the rules, or -1 inside a terminal. */
  readonly node: number
  readonly terminal: TerminalState | undefined
  readonly registers: Registers
  readonly frame: Frame
}

/** More places than this at one byte: so ambiguous a grammar is not run. */
const MAX_ITEMS = 30_000
/** States and frames kept for reuse; beyond it all are forgotten but those in use. */
const KEEP_STATES = 20_000

/** The frame of the whole text: returning to it is the end. */
export const BASE = new Frame(0, [])

/** The frame of a call of which nobody knows where it returns to. */
export const NOWHERE = new Frame(-1, [])

let frameIds = 1
let stateIds = 1

export class State {
  readonly id = stateIds++
  readonly kernel: readonly Item[]
  /** By class of bytes: the one state to which they all lead, or null; kept by reads.ts. */
  readonly towards: (State | null | undefined)[] = []
  /** The classes of bytes that it reads; kept by reads.ts. */
  reads: number | undefined
  readonly #machine: Machine
  #items: Item[] | undefined
  #accepts = false
  readonly #next: (State | null)[][] = []
  readonly #tokens = new Map<number, State | null>()

  constructor(machine: Machine, kernel: readonly Item[]) {
    this.#machine = machine
    this.kernel = kernel
  }

  #close(): Item[] {
    if (this.#items === undefined) {
      const closed = this.#machine.close(this.kernel)
      this.#items = closed.items
      this.#accepts = closed.accepts
    }
    return this.#items
  }

  /** Every place that reads a byte or a token next. */
  get items(): readonly Item[] {
    return this.#close()
  }

  /** The text may end here. */
  get accepts(): boolean {
    this.#close()
    return this.#accepts
  }

  get rules(): Rules {
    return this.#machine.rules
  }

  /** The state after a byte; null where none is. */
  next(byte: number): State | null {
    this.#next[byte >> 4] ??= []
    const block = this.#next[byte >> 4]
    const known = block[byte & 15]
    if (known !== undefined) return known
    const made = this.#machine.advance(this, byte)
    block[byte & 15] = made
    return made
  }

  /** The state after a token that the grammar names by id. */
  afterToken(token: number): State | null {
    let made = this.#tokens.get(token)
    if (made === undefined) {
      made = this.#machine.advanceToken(this, token)
      this.#tokens.set(token, made)
    }
    return made
  }
}

export class Machine {
  readonly rules: Rules
  readonly #rank: Int32Array
  readonly start: State
  #frames = new Map<string, Frame>()
  #states = new Map<string, State>()
  /** Places made since the start: what work it was, for tests. */
  steps = 0

  constructor(rules: Rules, rank: Int32Array) {
    this.rules = rules
    this.#rank = rank
    const { start } = rules.rules[rules.root]
    this.start = this.state([{ node: start, terminal: undefined, registers: BLANK, frame: BASE }])
  }

  /** The one state with these places. */
  state(kernel: Item[]): State {
    const key =
      kernel.length === 1
        ? keyOf(kernel[0])
        : kernel
            .map(keyOf)
            .sort()
            .filter((k, i, all) => i === 0 || k !== all[i - 1])
            .join(' ')
    let state = this.#states.get(key)
    if (state === undefined) {
      if (this.#states.size >= KEEP_STATES) this.forget()
      state = new State(this, kernel)
      this.#states.set(key, state)
    }
    return state
  }

  /** The same machine before its first byte, with nothing kept. */
  again(): Machine {
    this.forget()
    return new Machine(this.rules, this.#rank)
  }

  /** Drops what is kept for reuse; states in use stay good. */
  forget(): void {
    this.#states = new Map()
    this.#frames = new Map()
    for (const node of this.rules.nodes) {
      for (const { terminal } of node.terminals) terminal.forget()
    }
  }

  #frame(entries: Entry[]): Frame {
    const key = entries
      .map(e => `${e.node}.${e.registers.id}.${e.frame.id}${e.distinct ? 'd' : ''}`)
      .sort()
      .join()
    let frame = this.#frames.get(key)
    if (frame === undefined) {
      frame = new Frame(frameIds++, entries)
      this.#frames.set(key, frame)
    }
    return frame
  }

  advance(state: State, byte: number): State | null {
    const kernel: Item[] = []
    for (const item of state.items) {
      const inside = item.terminal
      if (inside !== undefined) {
        const next = inside.next(byte)
        if (next === null) continue
        let { registers } = item
        if (registers.text !== undefined) {
          const { terminal } = inside
          const char = terminal.completed(inside, byte)
          if (char >= 0) registers = registers.append(char)
          const { seen, text } = registers
          if (next.closed && wasSeen(seen, terminal.kind, text!)) continue
          if (terminal.tight && !canDiffer(terminal, next, text!, seen)) continue
        }
        kernel.push({ node: -1, terminal: next, registers, frame: item.frame })
        continue
      }
      const { bytes, gates } = this.rules.nodes[item.node]
      for (let i = 0; i < bytes.length; i += 3) {
        if (byte < bytes[i] || byte > bytes[i + 1]) continue
        kernel.push({
          node: bytes[i + 2],
          terminal: undefined,
          registers: item.registers,
          frame: item.frame,
        })
      }
      if (gates === undefined) continue
      for (let i = 0; i < gates.length; i += 3) {
        const { registers, frame } = item
        if (byte !== gates[i] || registers.counter > gates[i + 2]) continue
        kernel.push({ node: gates[i + 1], terminal: undefined, registers, frame })
      }
    }
    return kernel.length === 0 ? null : this.state(kernel)
  }

  advanceToken(state: State, token: number): State | null {
    const kernel: Item[] = []
    for (const { node, terminal, registers, frame } of state.items) {
      if (terminal !== undefined) continue
      for (const edge of this.rules.nodes[node].tokens) {
        if (edge.token === token) {
          kernel.push({ node: edge.to, terminal: undefined, registers, frame })
        }
      }
    }
    return kernel.length === 0 ? null : this.state(kernel)
  }

  /**
   * The state after the calls of a frame have returned, for looking ahead: what a terminal has read there
   * is not known.
   */
  returned(frame: Frame): State {
    return this.state(
      frame.entries.map(({ node, registers, frame, distinct }) => ({
        node,
        terminal: undefined,
        registers: distinct ? registers.closing() : registers.lookAhead(),
        frame,
      })),
    )
  }

  /** The state after a terminal of this frame that leaves no text behind has ended; without places where the text ends. */
  ended(frame: Frame): State {
    return this.state(
      frame.entries.map(({ node, registers, frame }) => ({
        node,
        terminal: undefined,
        registers,
        frame,
      })),
    )
  }

  /** Follows returns, silent steps and calls from the places of a kernel. */
  close(kernel: readonly Item[]): { items: Item[]; accepts: boolean } {
    // Within words and strings, and so in most states that a walk over the vocabulary meets.
    if (kernel.length === 1 && this.#isPlain(kernel[0])) {
      this.steps++
      return { items: [...kernel], accepts: false }
    }
    const items: Item[] = []
    const seen = new Set<string>()
    const todo: Item[] = [...kernel]
    /** By rule: where it is called from at this byte. */
    const calls = new Map<number, Entry[]>()
    let accepts = false

    const settle = () => {
      for (let item = todo.pop(); item !== undefined; item = todo.pop()) {
        const key = keyOf(item)
        if (seen.has(key)) continue
        seen.add(key)
        if (seen.size > MAX_ITEMS) {
          throw new GrammarFault('is too ambiguous: it can be read in too many ways at once', '')
        }
        const { frame, registers } = item
        if (item.terminal !== undefined) {
          if (!item.terminal.stuck) items.push(item)
          if (item.terminal.accepts) {
            if (frame === BASE) accepts = true
            this.#returnTerminal(item, todo)
          }
          continue
        }
        const node = this.rules.nodes[item.node]
        if (node.bytes.length > 0 || node.tokens.length > 0 || node.gates !== undefined)
          items.push(item)
        if (node.accept) {
          if (frame === BASE) accepts = true
          for (const e of frame.entries) {
            todo.push({ node: e.node, terminal: undefined, registers: e.registers, frame: e.frame })
          }
        }
        for (const { to, min, max, add, set } of node.steps) {
          const { counter } = registers
          if (counter < min || counter > max) continue
          const counted =
            set === undefined && add === 0 ? registers : registers.counted(set ?? counter + 1)
          todo.push({ node: to, terminal: undefined, registers: counted, frame })
        }
        for (const { rule, to } of node.calls) {
          const list = calls.get(rule)
          const entry = { node: to, registers, frame, distinct: false }
          if (list === undefined) calls.set(rule, this.#returning(entry))
          else list.push(...this.#returning(entry))
        }
        for (const { terminal, to, distinct } of node.terminals) {
          const start = terminal.start
          if (distinct && terminal.tight && !canDiffer(terminal, start, '', registers.seen))
            continue
          todo.push({
            node: -1,
            terminal: start,
            registers: distinct ? registers.begin(terminal) : BLANK,
            frame: this.#frame(this.#returning({ node: to, registers, frame, distinct })),
          })
        }
      }
    }
    settle()
    // Callers rank before what they call, so a rule is entered when all its callers are known.
    while (calls.size > 0) {
      let rule = -1
      for (const id of calls.keys()) if (rule < 0 || this.#rank[id] < this.#rank[rule]) rule = id
      const entries = calls.get(rule)!
      calls.delete(rule)
      const { start } = this.rules.rules[rule]
      todo.push({
        node: start,
        terminal: undefined,
        registers: BLANK,
        frame: this.#frame(unique(entries)),
      })
      settle()
    }
    this.steps += seen.size
    return { items, accepts }
  }

  /** It reads, and leads nowhere else before it does. */
  #isPlain({ terminal, node }: Item): boolean {
    if (terminal !== undefined) return !terminal.accepts && !terminal.stuck
    const { bytes, gates, tokens, steps, calls, terminals, accept } = this.rules.nodes[node]
    if (accept || steps.length > 0 || calls.length > 0 || terminals.length > 0) return false
    return bytes.length > 0 || tokens.length > 0 || gates !== undefined
  }

  /** A call whose return would only return at once goes back to where that one goes: lists stay flat. */
  #returning(entry: Entry): Entry[] {
    const node = this.rules.nodes[entry.node]
    const ends =
      node.accept &&
      !entry.distinct &&
      entry.frame !== BASE &&
      node.bytes.length === 0 &&
      node.gates === undefined &&
      node.steps.length === 0 &&
      node.calls.length === 0 &&
      node.terminals.length === 0 &&
      node.tokens.length === 0
    return ends ? [...entry.frame.entries] : [entry]
  }

  #returnTerminal(item: Item, todo: Item[]): void {
    const { terminal, registers, frame } = item
    for (const entry of frame.entries) {
      let after = entry.registers
      if (entry.distinct) {
        const { kind } = terminal!.terminal
        if (wasSeen(registers.seen, kind, registers.text!)) continue
        // Begun in the token that ends it: its text was not kept.
        after = registers.ahead ? after.closing() : after.with(kind + registers.text!)
      }
      todo.push({ node: entry.node, terminal: undefined, registers: after, frame: entry.frame })
    }
  }
}

function keyOf(item: Item): string {
  const place = item.terminal === undefined ? item.node : item.terminal.id
  const { registers, frame } = item
  return registers.text === undefined
    ? `${place}.${registers.id}.${frame.id}`
    : `${place}.${registers.seen?.id ?? ''}${registers.ahead ? '>' : ''}"${registers.text}.${frame.id}`
}

function unique(entries: Entry[]): Entry[] {
  if (entries.length === 1) return entries
  const seen = new Set<string>()
  return entries.filter(e => {
    const key = `${e.node}.${e.registers.id}.${e.frame.id}.${e.distinct}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

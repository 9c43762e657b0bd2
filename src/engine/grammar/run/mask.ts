// Which tokens may come next: a walk of the vocabulary's trie along the states of the machine. The walk
// inside one call depends on that call alone, not on what surrounds it, so its result is kept and shared;
// only tokens that leave the call are looked at again in each surrounding. Called by filter.ts.

import { type Ends, type RegionTrie, walkClasses } from './class-trie.ts'
import type { Item, Machine, State } from './machine.ts'
import { BASE } from './machine.ts'
import { Patience } from './patience.ts'
import { BEYOND, holds, readsOf, stateAfter } from './reads.ts'
import { canDiffer, wasSeen } from './registers.ts'
import type { Terminal, TerminalState } from './terminal.ts'
import { walkTerminal } from './terminal-walk.ts'
import type { FreeString, Vocabulary } from './vocabulary.ts'
import { insideCall, outside, type Way, waysOf } from './ways.ts'

/** Bytes of kept results, of a grammar. */
const KEEP_BYTES = 24e6
/** Below a node: so few are walked as they are. */
const FEW_NODES = 8

/** Work of a node through the machine, which may make a state there: see Patience. */
const STEP = 16

/** Tokens that stay inside a call, and the trie nodes at which it returns. */
interface Inside {
  /** A bit per token, or the ids where they are few. */
  bits: Uint32Array | undefined
  ids: Int32Array | undefined
  exits: Int32Array
  /** Nodes below which it returns at every character, and whose tokens all stay inside. */
  open: Int32Array
  /** More exits, whose tokens all stay inside: ranges of the nodes of a class trie. */
  nodes: Int32Array
  ranges: Int32Array
}

const NONE = new Int32Array(0)

/** What a walk inside a call finds: see Inside. */
interface Exits {
  readonly nodes: number[]
  readonly open: number[]
}

export class Masks {
  readonly vocabulary: Vocabulary
  readonly machine: Machine
  readonly #words: number
  readonly #patience = new Patience()
  #inside = new Map<string, Inside>()
  #bytes = 0
  /** States along the path of a walk. */
  readonly #path: (State | null)[] = []
  /** Of patterns, by state of the automaton, where it helps; filled in by prepare-masks.ts. */
  readonly tries = new Map<Terminal, RegionTrie[]>()
  /** Trie nodes looked at, for tests. */
  visited = 0

  constructor(machine: Machine, vocabulary: Vocabulary) {
    this.machine = machine
    this.vocabulary = vocabulary
    this.#words = (vocabulary.size + 31) >> 5
  }

  /** Like of(); undefined where it takes longer. What was found about single calls is kept for the next try. */
  within(state: State, ms: number): Uint32Array | undefined {
    return this.#patience.limit(ms, () => this.of(state))
  }

  /** A bit for each token that may follow; end tokens exactly where the text may end. */
  of(state: State): Uint32Array {
    const bits = new Uint32Array(this.#words)
    for (const way of waysOf(state)) this.#way(way, bits)
    for (const { node, terminal } of state.items) {
      if (terminal !== undefined) continue
      for (const { token } of this.machine.rules.nodes[node].tokens) set(bits, token)
    }
    if (state.accepts) for (const id of this.vocabulary.endTokens) set(bits, id)
    return bits
  }

  #way(way: Way, bits: Uint32Array): void {
    const { machine, vocabulary } = this
    const { frame, items } = way
    if (frame === BASE) {
      this.#walk(0, outside(way, machine), bits)
      return
    }
    const { longest, order, first, end, below } = vocabulary
    const inside = this.#insideOf(insideCall(way, longest))
    const barred = this.#barred(items[0])
    const open = barred.length === 0 ? bits : new Uint32Array(this.#words)
    if (inside.bits !== undefined) {
      for (let w = 0; w < open.length; w++) open[w] |= inside.bits[w]
    } else for (const id of inside.ids!) set(open, id)

    // What the call read is not known here, and only matters to a token that holds two such texts.
    const after = machine.returned(frame)
    const reads = readsOf(after)
    for (const node of inside.exits) {
      for (let t = first[node]; t < first[node + 1]; t++) set(open, order[t])
      if ((below[node] & reads) !== 0) this.#walk(node, after, open)
    }
    const { nodes, ranges } = inside
    for (let r = 0; r < ranges.length && reads !== 0; r += 2) {
      for (let n = ranges[r]; n < ranges[r + 1]; n++) {
        if ((below[nodes[n]] & reads) !== 0) this.#walk(nodes[n], after, open)
      }
    }
    for (const root of inside.open) {
      for (let node = root; node < end[root]; ) {
        const some = (below[node] & reads) !== 0
        if (some) this.#walk(node, after, open)
        node = some ? node + 1 : end[node]
      }
    }
    if (barred.length === 0) return
    for (const node of barred) {
      for (let t = first[node]; t < first[end[node]]; t++) {
        open[order[t] >> 5] &= ~(1 << (order[t] & 31))
      }
    }
    for (let w = 0; w < open.length; w++) bits[w] |= open[w]
  }

  /** Trie nodes at which a text that must differ repeats one that was seen, or can do nothing else. */
  #barred(item: Item): number[] {
    const { terminal: start, registers } = item
    if (start === undefined || registers.text === undefined) return []
    const { terminal } = start
    const { kind } = terminal
    const { byte, depth, end } = this.vocabulary
    const barred: number[] = []
    const texts = [registers.text]
    const states: TerminalState[] = [start]
    const startsSeen = (text: string) => {
      for (let at = registers.seen; at !== undefined; at = at.before) {
        if (at.closed || at.text.startsWith(kind + text)) return true
      }
      return false
    }
    if (!startsSeen(registers.text)) return barred
    for (let node = 1; node < byte.length; ) {
      this.visited++
      this.#patience.step(STEP)
      const d = depth[node]
      const from = states[d - 1]
      const next = from.next(byte[node])
      if (next === null) {
        node = end[node]
        continue
      }
      const char = terminal.completed(from, byte[node])
      const text = char < 0 ? texts[d - 1] : texts[d - 1] + String.fromCodePoint(char)
      const repeats = next.closed
        ? wasSeen(registers.seen, kind, text)
        : terminal.tight && !canDiffer(terminal, next, text, registers.seen)
      if (repeats) barred.push(node)
      // Where no seen text begins so, nothing below can repeat one.
      if (repeats || next.closed || !startsSeen(text)) {
        node = end[node]
        continue
      }
      texts[d] = text
      states[d] = next
      node++
    }
    return barred
  }

  #insideOf(local: Item[]): Inside {
    const only = local.length === 1 ? local[0].terminal : undefined
    const state = this.machine.state(local)
    const key = only === undefined ? `s${state.id}` : `t${only.id}`
    const kept = this.#inside.get(key)
    if (kept !== undefined) {
      this.#inside.delete(key)
      this.#inside.set(key, kept)
      return kept
    }
    const free = this.vocabulary.freeString
    let made: Inside
    if (only === undefined) made = this.#insideWalk(state)
    else if (free !== undefined && isFree(only)) made = this.#insideFree(only, free)
    else {
      const bits = new Uint32Array(this.#words)
      made = compact(bits, this.#terminal(only, bits), [])
    }
    this.#bytes += bytesOf(made)
    this.#inside.set(key, made)
    for (const [oldest, value] of this.#inside) {
      if (this.#bytes <= KEEP_BYTES) break
      this.#inside.delete(oldest)
      this.#bytes -= bytesOf(value)
    }
    return made
  }

  /** Marks what stays inside a terminal. */
  #terminal(state: TerminalState, bits: Uint32Array): Ends {
    const { vocabulary } = this
    const trie = state.whole ? this.tries.get(state.terminal)?.[state.q] : undefined
    return trie === undefined
      ? { exits: walkTerminal(vocabulary, state, bits, this.#patience), nodes: NONE, ranges: [] }
      : walkClasses(vocabulary, trie, state, bits, this.#patience)
  }

  #insideFree(state: TerminalState, free: FreeString): Inside {
    const { all, byNeed, upTo } = free
    const fit = state.high < upTo.length ? upTo[state.high] : byNeed.length
    // What is further away is made from the other side: 150,000 tokens take 10 ms in code that is not optimised yet.
    const few = fit < byNeed.length / 2
    const bits = few ? new Uint32Array(this.#words) : all.slice()
    if (few) for (let i = 0; i < fit; i++) set(bits, byNeed[i])
    else for (let i = fit; i < byNeed.length; i++) unset(bits, byNeed[i])
    const exits = free.exits.filter(
      (_, i) => free.exitChars[i] >= state.low && free.exitChars[i] <= state.high,
    )
    return { bits, ids: undefined, exits, open: NONE, nodes: NONE, ranges: NONE }
  }

  #insideWalk(state: State): Inside {
    const bits = new Uint32Array(this.#words)
    const exits: Exits = { nodes: [], open: [] }
    this.#walk(0, state, bits, exits)
    const ends = { exits: [...new Set(exits.nodes)], nodes: NONE, ranges: [] }
    return compact(bits, ends, [...new Set(exits.open)])
  }

  /**
   * Marks the tokens below a trie node that the state can read.
   * @param exits  gets the nodes at which the state accepts; without it tokens that end there count too
   */
  #walk(root: number, from: State, bits: Uint32Array, exits?: Exits): void {
    const { byte, depth, end, first, order, below, broken, height } = this.vocabulary
    const path = this.#path
    const base = depth[root]
    const stop = end[root]
    path[base] = from.items.some(isString) ? this.#strings(root, from, bits, exits) : from
    if (path[base] === null) return
    let node = root + 1
    while (node < stop) {
      this.visited++
      this.#patience.step(STEP)
      const d = depth[node]
      const next = path[d - 1]!.next(byte[node])
      if (next === null) {
        node = end[node]
        continue
      }
      const exit = exits !== undefined && next.accepts
      if (exits === undefined || next.items.length > 0) {
        const whole =
          end[node] > node + 1 &&
          ((below[node] & BEYOND) === 0 || broken[node] === 0) &&
          holds(next, below[node], height[node], exits !== undefined)
        const last = whole ? end[node] : node + 1
        for (let t = first[node]; t < first[last]; t++) set(bits, order[t])
        if (whole) {
          if (exit) exits.open.push(node)
          node = last
          continue
        }
        if (exit) exits.nodes.push(node)
        if (end[node] - node > FEW_NODES && next.items.some(isString)) {
          this.#walk(node, next, bits, exits)
          node = end[node]
          continue
        }
      } else if (exit) exits.nodes.push(node)
      path[d] = next
      node++
    }
  }

  /**
   * Marks the tokens below a trie node that go on or end strings in which the state is: each character of a bounded
   * string makes another state of the machine, and here none (3,500 nodes took 10 ms in a process's first mask).
   * @returns the state without these strings, or null
   */
  #strings(root: number, from: State, bits: Uint32Array, exits?: Exits): State | null {
    const { machine, vocabulary } = this
    const { end, first, order } = vocabulary
    for (const item of from.items) {
      if (!isString(item)) continue
      const { terminal, registers, frame } = item
      const free = registers.text === undefined
      const start = machine.state([item])
      const after = free ? machine.ended(frame) : undefined
      const seen = free ? undefined : registers.seen
      const short = root === 0 && !(seen !== undefined && terminal!.terminal.tight)
      const closing = short
        ? this.#terminal(terminal!, bits).exits
        : walkTerminal(vocabulary, terminal!, bits, this.#patience, root, seen)
      for (const node of closing) {
        const state = after ?? this.#follow(start, root, node)
        if (state === null) continue
        if (exits !== undefined && (state.accepts || frame === BASE)) exits.nodes.push(node)
        if (exits !== undefined && state.items.length === 0) continue
        for (let t = first[node]; t < first[node + 1]; t++) set(bits, order[t])
        if (end[node] > node + 1) this.#walk(node, state, bits, exits)
      }
    }
    const others = from.items.filter(item => !isString(item))
    return others.length === 0 ? null : machine.state(others)
  }

  /** The state at a trie node below another, byte by byte. */
  #follow(from: State, root: number, node: number): State | null {
    const { bytesOf, order, first, depth } = this.vocabulary
    return stateAfter(from, bytesOf(order[first[node]]), depth[root], depth[node])
  }
}

/** Inside a JSON string of which nothing, or nothing that is told, must differ from what was seen. */
function isString({ terminal, registers }: Item): boolean {
  if (terminal === undefined || terminal.terminal.form === 'raw' || terminal.closed) return false
  return registers.text === undefined || registers.ahead || registers.seen === undefined
}

function isFree(state: TerminalState): boolean {
  return state.terminal.free && state.terminal.form === 'json' && state.whole
}

/** A bit per token, or the ids where they are few. */
function compact(bits: Uint32Array, ends: Ends, below: number[]): Inside {
  const rest = {
    exits: Int32Array.from(ends.exits),
    open: Int32Array.from(below),
    nodes: ends.nodes,
    ranges: Int32Array.from(ends.ranges),
  }
  let count = 0
  for (const word of bits) count += popCount(word)
  if (count * 32 >= bits.length) return { bits, ids: undefined, ...rest }
  const ids = new Int32Array(count)
  let at = 0
  for (let w = 0; w < bits.length; w++) {
    for (let word = bits[w]; word !== 0; word &= word - 1) {
      ids[at++] = w * 32 + (31 - Math.clz32(word & -word))
    }
  }
  return { bits: undefined, ids, ...rest }
}

function set(bits: Uint32Array, id: number): void {
  bits[id >> 5] |= 1 << (id & 31)
}

function unset(bits: Uint32Array, id: number): void {
  bits[id >> 5] &= ~(1 << (id & 31))
}

function popCount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555)
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333)
  return (((x + (x >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24
}

function bytesOf({ bits, ids, exits, open, ranges }: Inside): number {
  const byteLength = exits.byteLength + ranges.byteLength
  return 200 + (bits?.byteLength ?? 0) + (ids?.byteLength ?? 0) + byteLength + open.byteLength
}

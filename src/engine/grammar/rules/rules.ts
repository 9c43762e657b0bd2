// The one form that schemas, regular expressions and EBNF are compiled to: rules whose bodies are
// automata over bytes, with calls of other rules, terminals (texts with a character automaton) and
// tokens named by id. Built here piece by piece, prepared by prepare.ts, run by run/machine.ts.
import { type CharSet, has, intersect } from '../automata/charset.ts'
import { utf8Ranges } from '../automata/utf8.ts'
import type { Terminal } from '../run/terminal.ts'
import { type Budget, GrammarFault } from '../work.ts'

/** A step that reads nothing; it may look at the rule's counter and change it. */
export interface Step {
  to: number
  /** Only while min <= counter <= max. */
  min: number
  max: number
  add: 0 | 1
  /** What the counter becomes instead. */
  set?: number
}

export interface RuleNode {
  /** first byte, last byte, target, ... */
  bytes: number[]
  /** byte, target, the counter up to which it can be read, ... */
  gates?: number[]
  steps: Step[]
  calls: { rule: number; to: number }[]
  /** `distinct`: its text must be none that this call of the rule has seen; see run/registers.ts. */
  terminals: { terminal: Terminal; to: number; distinct: boolean }[]
  tokens: { token: number; to: number }[]
  accept: boolean
}

export interface Rule {
  start: number
  end: number
  /** Where it stands in the schema or text, for messages. */
  place: string
  /** It repeats one call, counted; an empty repeat is worth nothing (prepare.ts). */
  counts?: boolean
}

const MAX_NODES = 400_000

export class Rules {
  readonly nodes: RuleNode[] = []
  readonly rules: Rule[] = []
  root = 0
  /** Rules that must have a text although the root could do without, such as a tool beside others. */
  readonly needed: { rule: number; name: string }[] = []
  /** Called with 1 for each node from which its rule can end, when paths that cannot are cut off. */
  readonly whenCut: ((good: Uint8Array) => void)[] = []
  readonly budget: Budget
  /** The characters that the vocabulary can write; undefined for all. */
  readonly writable: CharSet | undefined

  constructor(budget: Budget, writable: CharSet | undefined) {
    this.budget = budget
    this.writable = writable
  }

  /** Whether the vocabulary can write the text. */
  canWrite(text: string): boolean {
    const { writable } = this
    return writable === undefined || Array.from(text).every(c => has(writable, c.codePointAt(0)!))
  }

  node(): number {
    if (this.nodes.length >= MAX_NODES) {
      throw new GrammarFault(
        `needs more than ${MAX_NODES} places in its grammar; make it smaller`,
        this.budget.place,
      )
    }
    this.budget.spend(4)
    return (
      this.nodes.push({
        bytes: [],
        steps: [],
        calls: [],
        terminals: [],
        tokens: [],
        accept: false,
      }) - 1
    )
  }

  /** A rule without a body; what leads from start to end is its language. */
  rule(place: string): number {
    const start = this.node()
    const end = this.node()
    this.nodes[end].accept = true
    return this.rules.push({ start, end, place }) - 1
  }

  byte(from: number, first: number, last = first, to = this.node()): number {
    this.nodes[from].bytes.push(first, last, to)
    return to
  }

  /** A byte that is read only while counter <= last. */
  gate(from: number, byte: number, last: number, to = this.node()): number {
    const node = this.nodes[from]
    node.gates ??= []
    node.gates.push(byte, to, last)
    return to
  }

  /** The UTF-8 of a text; a dead end where the vocabulary cannot write it. */
  text(from: number, text: string): number {
    if (!this.canWrite(text)) return this.node()
    for (const byte of new TextEncoder().encode(text)) from = this.byte(from, byte)
    return from
  }

  /** One character of a set. */
  chars(from: number, set: CharSet, to = this.node()): number {
    // Sequences that begin alike share their nodes.
    const shared = new Map<string, number>()
    const chars = this.writable === undefined ? set : intersect(set, this.writable)
    for (const sequence of utf8Ranges(chars)) {
      let at = from
      let key = ''
      sequence.forEach(([first, last], i) => {
        key += `${first}-${last} `
        if (i === sequence.length - 1) {
          this.byte(at, first, last, to)
          return
        }
        let next = shared.get(key)
        if (next === undefined) {
          next = this.byte(at, first, last)
          shared.set(key, next)
        }
        at = next
      })
    }
    return to
  }

  step(from: number, to = this.node(), min = 0, max = Number.POSITIVE_INFINITY, add: 0 | 1 = 0) {
    this.nodes[from].steps.push({ to, min, max, add })
    return to
  }

  /** A step that sets the counter. */
  setCounter(from: number, value: number, to = this.node()): number {
    this.nodes[from].steps.push({ to, min: 0, max: Number.POSITIVE_INFINITY, add: 0, set: value })
    return to
  }

  call(from: number, rule: number, to = this.node()): number {
    this.nodes[from].calls.push({ rule, to })
    return to
  }

  /** A text of the terminal, which is never empty. */
  terminal(from: number, terminal: Terminal, to = this.node(), distinct = false): number {
    if (!terminal.empty) this.nodes[from].terminals.push({ terminal, to, distinct })
    return to
  }

  token(from: number, token: number, to = this.node()): number {
    this.nodes[from].tokens.push({ token, to })
    return to
  }
}

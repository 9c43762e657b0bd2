// Nondeterministic automata over characters, built piece by piece, and the subset construction. Steps
// without a character may carry a condition (start, end, word boundary), so that anchors hold wherever
// they stand in a pattern. Built by regex.ts and numbers; read by nobody else.
import { type Budget, GrammarFault, type Work } from '../work.ts'
import { type CharSet, charSet, classify, has } from './charset.ts'
import { type Dfa, TableBuilder, tidy } from './dfa.ts'

/** When a step without a character may be taken. */
export type Condition = 'start' | 'end' | 'boundary' | 'inside'

const MAX_NODES = 100_000
const WORD: CharSet = charSet([0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a])

export class Nfa {
  readonly sets: CharSet[] = []
  readonly #setIds = new Map<CharSet, number>()
  /** Per node: set, target, set, target, ... */
  readonly edges: number[][] = []
  readonly steps: { to: number; when: Condition | undefined }[][] = []
  conditional = false
  readonly #budget: Budget

  constructor(budget: Budget) {
    this.#budget = budget
  }

  node(): number {
    if (this.edges.length >= MAX_NODES) {
      throw new GrammarFault(
        `needs more than ${MAX_NODES} places; use smaller counts`,
        this.#budget.place,
        undefined,
        true,
      )
    }
    this.#budget.spend(1)
    this.steps.push([])
    return this.edges.push([]) - 1
  }

  /** An edge for the characters of a set. */
  on(from: number, set: CharSet, to = this.node()): number {
    let id = this.#setIds.get(set)
    if (id === undefined) {
      id = this.sets.push(set) - 1
      this.#setIds.set(set, id)
    }
    this.edges[from].push(id, to)
    return to
  }

  /** A step that reads nothing. */
  step(from: number, to: number, when?: Condition): number {
    this.steps[from].push({ to, when })
    if (when !== undefined) this.conditional = true
    return to
  }

  /** The characters of a text, one after the other. */
  text(from: number, text: string): number {
    for (const char of text) {
      const cp = char.codePointAt(0)!
      from = this.on(from, charSet([cp, cp]))
    }
    return from
  }
}

/** What stood before: nothing, a word character, another. */
const AT_START = 0
const AFTER_WORD = 1
const AFTER_OTHER = 2

/** The deterministic automaton of the texts that lead from `start` to `end`. */
export function* determinise(nfa: Nfa, start: number, end: number, budget: Budget): Work<Dfa> {
  const { classes, members } = classify(nfa.conditional ? [...nfa.sets, WORD] : nfa.sets)
  const width = classes.count
  const isWord = new Uint8Array(width)
  for (let i = 0; i < classes.cuts.length; i++) {
    if (classes.classes[i] >= 0 && has(WORD, classes.cuts[i])) isWord[classes.classes[i]] = 1
  }
  const builder = new TableBuilder(width, budget)
  const ids = new Map<string, number>()
  const kernels: { nodes: readonly number[]; before: number }[] = []
  const marks = new Int32Array(nfa.edges.length)
  let mark = 0

  const closure = (nodes: readonly number[], before: number, after: number): number[] => {
    mark++
    const found: number[] = []
    const todo = [...nodes]
    for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
      if (marks[node] === mark) continue
      marks[node] = mark
      found.push(node)
      for (const { to, when } of nfa.steps[node]) {
        if (when === undefined || holds(when, before, after)) todo.push(to)
      }
    }
    budget.spend(found.length)
    return found
  }
  const idOf = (nodes: number[], before: number): number => {
    if (nodes.length === 0) return -1
    nodes.sort((a, b) => a - b)
    // Their names are kept, and must not fill the memory.
    budget.spend(3 * nodes.length)
    const context = nfa.conditional ? before : AT_START
    const key = `${context}:${nodes.join()}`
    let id = ids.get(key)
    if (id === undefined) {
      id = builder.add(closure(nodes, context, AT_END).includes(end))
      ids.set(key, id)
      kernels.push({ nodes, before: context })
    }
    return id
  }

  idOf([start], AT_START)
  const targets: Set<number>[] = Array.from({ length: width }, () => new Set())
  for (let state = 0; state < kernels.length; state++) {
    const { nodes, before } = kernels[state]
    for (const after of nfa.conditional ? [AFTER_WORD, AFTER_OTHER] : [AFTER_OTHER]) {
      for (const node of closure(nodes, before, after)) {
        const edges = nfa.edges[node]
        for (let e = 0; e < edges.length; e += 2) {
          for (const c of members[edges[e]]) {
            if (nfa.conditional && (isWord[c] === 1) !== (after === AFTER_WORD)) continue
            targets[c].add(edges[e + 1])
          }
          budget.spend(members[edges[e]].length)
        }
        if (budget.due()) yield
      }
    }
    for (let c = 0; c < width; c++) {
      if (targets[c].size === 0) continue
      builder.set(state, c, idOf([...targets[c]], isWord[c] === 1 ? AFTER_WORD : AFTER_OTHER))
      if (budget.due()) yield
      targets[c].clear()
    }
  }
  return yield* tidy(builder.finish(classes), budget)
}

const AT_END = 3

function holds(when: Condition, before: number, after: number): boolean {
  switch (when) {
    case 'start':
      return before === AT_START
    case 'end':
      return after === AT_END
    case 'boundary':
      return (before === AFTER_WORD) !== (after === AFTER_WORD)
    case 'inside':
      return (before === AFTER_WORD) === (after === AFTER_WORD)
    default:
      return when satisfies never
  }
}

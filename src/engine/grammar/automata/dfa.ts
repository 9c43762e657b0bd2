// Deterministic automata over characters: a dense table over character classes, state 0 starts. Every
// state can reach acceptance (see tidy), so a live state is never a dead end. Built by nfa.ts and
// words.ts, combined here, read by run/terminal.ts.
import { type Budget, GrammarFault, type Work } from '../work.ts'
import { ANY, type CharClasses, classify, refine } from './charset.ts'

/** 24 MB while it is built. */
const MAX_ENTRIES = 6e6
/** Beyond this many states an automaton is used as it is. */
const MINIMISE_UP_TO = 2000
const MINIMISE_ROUNDS = 20

export class Dfa {
  readonly classes: CharClasses
  /** [state * classes.count + class] is the next state, -1 for none. */
  readonly table: Int32Array
  readonly accept: Uint8Array

  constructor(classes: CharClasses, table: Int32Array, accept: Uint8Array) {
    this.classes = classes
    this.table = table
    this.accept = accept
  }

  get states(): number {
    return this.accept.length
  }

  /** Accepts nothing. */
  get empty(): boolean {
    return this.accept.length === 0
  }

  /** The state after a character, -1 for none. */
  next(state: number, char: number): number {
    const c = this.classes.of(char)
    return c < 0 ? -1 : this.table[state * this.classes.count + c]
  }

  /** Whether the text is accepted, character by character. */
  matches(text: string): boolean {
    let state = this.empty ? -1 : 0
    for (const char of text) {
      if (state < 0) return false
      state = this.next(state, char.codePointAt(0)!)
    }
    return state >= 0 && this.accept[state] === 1
  }
}

const ALL_CLASSES = classify([ANY]).classes

/** Every text. */
export const ANYTHING = new Dfa(ALL_CLASSES, Int32Array.of(0), Uint8Array.of(1))
/** No text. */
export const NOTHING = new Dfa(ALL_CLASSES, new Int32Array(0), new Uint8Array(0))

/** @throws GrammarFault where the table would not fit */
export function checkSize(states: number, classes: number, budget: Budget): void {
  if (states * classes <= MAX_ENTRIES) return
  throw new GrammarFault(
    `needs an automaton of more than ${states - 1} states over ${classes} classes of characters, which is too large`,
    budget.place,
    undefined,
    true,
  )
}

/** Grows a table state by state; rows are filled by the caller. */
export class TableBuilder {
  readonly width: number
  #table: Int32Array
  #accept: number[] = []
  readonly #budget: Budget

  constructor(width: number, budget: Budget) {
    this.width = width
    this.#budget = budget
    this.#table = new Int32Array(Math.max(1, width) * 16).fill(-1)
  }

  add(accept: boolean): number {
    const id = this.#accept.push(accept ? 1 : 0) - 1
    checkSize(id + 1, this.width, this.#budget)
    if ((id + 1) * this.width > this.#table.length) {
      const grown = new Int32Array(this.#table.length * 2).fill(-1)
      grown.set(this.#table)
      this.#table = grown
    }
    return id
  }

  set(state: number, column: number, next: number): void {
    this.#table[state * this.width + column] = next
  }

  get(state: number, column: number): number {
    return this.#table[state * this.width + column]
  }

  get states(): number {
    return this.#accept.length
  }

  finish(classes: CharClasses): Dfa {
    return new Dfa(
      classes,
      this.#table.slice(0, this.states * this.width),
      Uint8Array.from(this.#accept),
    )
  }
}

/** 'and': in both; 'or': in one or both; 'minus': in a and not in b. */
export type Combination = 'and' | 'or' | 'minus'

/** The automaton of a combination of two. */
export function* combine(a: Dfa, b: Dfa, how: Combination, budget: Budget): Work<Dfa> {
  if (a === b) return how === 'minus' ? NOTHING : a
  if (how === 'and') {
    if (a === ANYTHING || b.empty) return b
    if (b === ANYTHING || a.empty) return a
  } else if (how === 'or') {
    if (a === ANYTHING || b.empty) return a
    if (b === ANYTHING || a.empty) return b
  } else {
    if (b.empty || a.empty) return a
    if (b === ANYTHING) return NOTHING
  }
  const { classes, pairs } = refine(a.classes, b.classes)
  const width = classes.count
  const builder = new TableBuilder(width, budget)
  const ids = new Map<number, number>()
  const todo: [number, number][] = []
  const stride = b.states + 1
  const idOf = (x: number, y: number): number => {
    if (how === 'and' ? x < 0 || y < 0 : how === 'minus' ? x < 0 : x < 0 && y < 0) return -1
    const key = (x + 1) * stride + y + 1
    let id = ids.get(key)
    if (id === undefined) {
      const inA = x >= 0 && a.accept[x] === 1
      const inB = y >= 0 && b.accept[y] === 1
      id = builder.add(how === 'and' ? inA && inB : how === 'or' ? inA || inB : inA && !inB)
      ids.set(key, id)
      todo.push([x, y])
    }
    return id
  }
  idOf(0, 0)
  for (let state = 0; state < todo.length; state++) {
    const [x, y] = todo[state]
    for (let c = 0; c < width; c++) {
      const nx = x < 0 ? -1 : a.table[x * a.classes.count + pairs[c][0]]
      const ny = y < 0 ? -1 : b.table[y * b.classes.count + pairs[c][1]]
      builder.set(state, c, idOf(nx, ny))
    }
    budget.spend(width)
    if (budget.due()) yield
  }
  return yield* tidy(builder.finish(classes), budget)
}

/** Every text but those of the automaton. */
export function complement(a: Dfa, budget: Budget): Work<Dfa> {
  return combine(ANYTHING, a, 'minus', budget)
}

/** Drops states that cannot accept any more, and joins equal ones where that is cheap. */
export function* tidy(dfa: Dfa, budget: Budget): Work<Dfa> {
  const { states, table } = dfa
  const width = dfa.classes.count
  // Backwards from acceptance over a compressed list of predecessors.
  const counts = new Int32Array(states + 1)
  for (let i = 0; i < table.length; i++) if (table[i] >= 0) counts[table[i] + 1]++
  for (let s = 0; s < states; s++) counts[s + 1] += counts[s]
  const from = new Int32Array(counts[states])
  const fill = counts.slice()
  for (let s = 0; s < states; s++) {
    for (let c = 0; c < width; c++) {
      const to = table[s * width + c]
      if (to >= 0) from[fill[to]++] = s
    }
    budget.spend(width)
    if (budget.due()) yield
  }
  const alive = new Uint8Array(states)
  const todo: number[] = []
  for (let s = 0; s < states; s++) {
    if (dfa.accept[s] === 1) {
      alive[s] = 1
      todo.push(s)
    }
  }
  for (let state = todo.pop(); state !== undefined; state = todo.pop()) {
    for (let i = counts[state]; i < counts[state + 1]; i++) {
      if (alive[from[i]] === 1) continue
      alive[from[i]] = 1
      todo.push(from[i])
    }
    budget.spend(1 + counts[state + 1] - counts[state])
    if (budget.due()) yield
  }
  if (states === 0 || alive[0] === 0) return NOTHING
  const parts = yield* partition(dfa, alive, budget)
  return renumber(dfa, alive, parts)
}

/** Groups of live states that accept the same texts (Moore); each alone where that costs too much. */
function* partition(dfa: Dfa, alive: Uint8Array, budget: Budget): Work<Int32Array> {
  const { states, table } = dfa
  const width = dfa.classes.count
  const alone = Int32Array.from({ length: states }, (_, s) => s)
  if (states > MINIMISE_UP_TO) return alone
  let part = Int32Array.from(dfa.accept)
  let count = 0
  for (let round = 0; round < MINIMISE_ROUNDS; round++) {
    const ids = new Map<string, number>()
    const next = new Int32Array(states).fill(-1)
    for (let s = 0; s < states; s++) {
      if (alive[s] === 0) continue
      let key = `${part[s]}`
      for (let c = 0; c < width; c++) {
        const to = table[s * width + c]
        key += to < 0 || alive[to] === 0 ? ',' : `,${part[to]}`
      }
      let id = ids.get(key)
      if (id === undefined) {
        id = ids.size
        ids.set(key, id)
      }
      next[s] = id
      budget.spend(width)
      if (budget.due()) yield
    }
    part = next
    if (ids.size === count) return part
    count = ids.size
  }
  return alone
}

function renumber(dfa: Dfa, alive: Uint8Array, parts: Int32Array): Dfa {
  const { states, table } = dfa
  const width = dfa.classes.count
  const ids = new Map<number, number>()
  const first: number[] = []
  const visit = (state: number): number => {
    if (state < 0 || alive[state] === 0) return -1
    let id = ids.get(parts[state])
    if (id === undefined) {
      id = first.push(state) - 1
      ids.set(parts[state], id)
    }
    return id
  }
  visit(0)
  const rows = new Int32Array(states * width)
  for (let id = 0; id < first.length; id++) {
    for (let c = 0; c < width; c++) rows[id * width + c] = visit(table[first[id] * width + c])
  }
  const accept = Uint8Array.from(first, state => dfa.accept[state])
  return new Dfa(dfa.classes, rows.slice(0, first.length * width), accept)
}

/**
 * How many texts are accepted from each state, at most `cap`; a cycle makes it Infinity.
 */
export function countTexts(dfa: Dfa, cap = 1e12): Float64Array {
  const width = dfa.classes.count
  const sizes = classSizes(dfa.classes)
  const counts = new Float64Array(dfa.states).fill(-1)
  const open = new Uint8Array(dfa.states)
  // Depth first with a stack of our own: automata may be tens of thousands of states deep.
  for (let root = 0; root < dfa.states; root++) {
    if (counts[root] >= 0) continue
    const stack: [number, number][] = [[root, 0]]
    open[root] = 1
    while (stack.length > 0) {
      const top = stack[stack.length - 1]
      const [state, column] = top
      if (column < width) {
        top[1]++
        const to = dfa.table[state * width + column]
        if (to < 0 || counts[to] >= 0) continue
        if (open[to] === 1) counts[to] = Number.POSITIVE_INFINITY
        else {
          open[to] = 1
          stack.push([to, 0])
        }
        continue
      }
      let total = dfa.accept[state]
      for (let c = 0; c < width; c++) {
        const to = dfa.table[state * width + c]
        if (to >= 0) total += sizes[c] * counts[to]
      }
      if (!(counts[state] === Number.POSITIVE_INFINITY)) counts[state] = total > cap ? cap : total
      if (total === Number.POSITIVE_INFINITY) counts[state] = total
      open[state] = 0
      stack.pop()
    }
  }
  return counts
}

/** Characters of each class. */
export function classSizes(classes: CharClasses): Float64Array {
  const sizes = new Float64Array(classes.count)
  for (let i = 0; i < classes.cuts.length; i++) {
    const c = classes.classes[i]
    if (c >= 0) sizes[c] += (classes.cuts[i + 1] ?? 0x110000) - classes.cuts[i]
  }
  return sizes
}

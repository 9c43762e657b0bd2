// Sets of Unicode code points as sorted ranges [first, last, first, last, ...]. Surrogates are no
// characters: no set holds them, as UTF-8 cannot write them. Pure; used by automata and parsers.

export type CharSet = readonly number[]

export const MAX_CHAR = 0x10ffff

/** Every character. */
export const ANY: CharSet = [0, 0xd7ff, 0xe000, MAX_CHAR]
export const NONE: CharSet = []

/** Sorts, merges, and takes surrogates out. @param pairs  first, last, first, last, ... */
export function charSet(pairs: readonly number[]): CharSet {
  const ranges: [number, number][] = []
  for (let i = 0; i < pairs.length; i += 2) {
    const [first, last] = [pairs[i], pairs[i + 1]]
    if (first < 0xd800) ranges.push([first, Math.min(last, 0xd7ff)])
    if (last > 0xdfff) ranges.push([Math.max(first, 0xe000), last])
  }
  ranges.sort((a, b) => a[0] - b[0])
  const merged: number[] = []
  for (const [first, last] of ranges) {
    if (first > last) continue
    const end = merged.length - 1
    if (end > 0 && first <= merged[end] + 1) merged[end] = Math.max(merged[end], last)
    else merged.push(first, last)
  }
  return merged
}

/** The set of the characters of a text. */
export function charsOf(text: string): CharSet {
  return charSet(Array.from(text, char => char.codePointAt(0)!).flatMap(cp => [cp, cp]))
}

export function unite(...sets: readonly CharSet[]): CharSet {
  return charSet(sets.flat())
}

export function invert(set: CharSet): CharSet {
  const gaps: number[] = []
  let next = 0
  for (let i = 0; i < set.length; i += 2) {
    if (set[i] > next) gaps.push(next, set[i] - 1)
    next = set[i + 1] + 1
  }
  if (next <= MAX_CHAR) gaps.push(next, MAX_CHAR)
  return charSet(gaps)
}

export function intersect(a: CharSet, b: CharSet): CharSet {
  const both: number[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const first = Math.max(a[i], b[j])
    const last = Math.min(a[i + 1], b[j + 1])
    if (first <= last) both.push(first, last)
    if (a[i + 1] < b[j + 1]) i += 2
    else j += 2
  }
  return both
}

export function has(set: CharSet, char: number): boolean {
  for (let i = 0; i < set.length; i += 2) {
    if (char < set[i]) return false
    if (char <= set[i + 1]) return true
  }
  return false
}

/** Every character, divided into classes whose members no given set tells apart. */
export class CharClasses {
  /** cuts[i] is the first character of the interval i, which ends before cuts[i + 1]. */
  readonly cuts: Int32Array
  /** The class of the interval i; -1 for surrogates. */
  readonly classes: Int32Array
  readonly count: number
  #ascii: Int32Array | undefined

  constructor(cuts: Int32Array, classes: Int32Array, count: number) {
    this.cuts = cuts
    this.classes = classes
    this.count = count
  }

  /** The class of a character, -1 for a surrogate. */
  of(char: number): number {
    if (char < 128) {
      this.#ascii ??= Int32Array.from({ length: 128 }, (_, c) => this.classes[this.#interval(c)])
      return this.#ascii[char]
    }
    return this.classes[this.#interval(char)]
  }

  /** Index of the interval that holds the character. */
  #interval(char: number): number {
    let low = 0
    let high = this.cuts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.cuts[middle] <= char) low = middle
      else high = middle - 1
    }
    return low
  }

  intervalOf(char: number): number {
    return this.#interval(char)
  }

  /** The classes that meet the range of characters, each once. */
  within(first: number, last: number): number[] {
    const found = new Set<number>()
    for (let i = this.#interval(first); i < this.cuts.length && this.cuts[i] <= last; i++) {
      if (this.classes[i] >= 0) found.add(this.classes[i])
    }
    return [...found]
  }
}

/** The coarsest classes that keep all the sets apart, and the classes of each set. */
export function classify(sets: readonly CharSet[]): { classes: CharClasses; members: number[][] } {
  const bounds = new Set<number>([0, 0xd800, 0xe000])
  for (const set of sets) {
    for (let i = 0; i < set.length; i += 2) {
      bounds.add(set[i])
      if (set[i + 1] < MAX_CHAR) bounds.add(set[i + 1] + 1)
    }
  }
  const cuts = Int32Array.from(bounds).sort()
  const marks: number[][] = Array.from(cuts, () => [])
  const at = new Map<number, number>()
  cuts.forEach((cut, i) => {
    at.set(cut, i)
  })
  sets.forEach((set, s) => {
    for (let r = 0; r < set.length; r += 2) {
      for (let i = at.get(set[r])!; i < cuts.length && cuts[i] <= set[r + 1]; i++) marks[i].push(s)
    }
  })
  const ids = new Map<string, number>()
  const members: number[][] = sets.map(() => [])
  const classes = new Int32Array(cuts.length)
  cuts.forEach((cut, i) => {
    if (cut >= 0xd800 && cut < 0xe000) {
      classes[i] = -1
      return
    }
    const key = marks[i].join()
    let id = ids.get(key)
    if (id === undefined) {
      id = ids.size
      ids.set(key, id)
      for (const s of marks[i]) members[s].push(id)
    }
    classes[i] = id
  })
  return { classes: new CharClasses(cuts, classes, ids.size), members }
}

/** The common refinement of two divisions; pairs[c] = [class in a, class in b]. */
export function refine(
  a: CharClasses,
  b: CharClasses,
): { classes: CharClasses; pairs: [number, number][] } {
  if (a === b) {
    return { classes: a, pairs: Array.from({ length: a.count }, (_, c) => [c, c]) }
  }
  const cuts = Int32Array.from(new Set([...a.cuts, ...b.cuts])).sort()
  const ids = new Map<number, number>()
  const pairs: [number, number][] = []
  const classes = Int32Array.from(cuts, cut => {
    if (cut >= 0xd800 && cut < 0xe000) return -1
    const pair: [number, number] = [a.classes[a.intervalOf(cut)], b.classes[b.intervalOf(cut)]]
    const key = pair[0] * b.count + pair[1]
    let id = ids.get(key)
    if (id === undefined) {
      id = pairs.push(pair) - 1
      ids.set(key, id)
    }
    return id
  })
  return { classes: new CharClasses(cuts, classes, pairs.length), pairs }
}

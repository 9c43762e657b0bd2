// Which characters the states of an automaton tell apart from there on: a pattern that begins with a word tells its
// letters apart there, and behind it perhaps only letters from signs. States with the same answer are a region; the
// vocabulary is put together by classes for each (class-trie.ts). Called by prepare-masks.ts.
import { CharClasses } from '../automata/charset.ts'
import type { Work } from '../work.ts'
import type { Terminal } from './terminal.ts'

/** Of an automaton's table: larger ones are lists of words, in which few tokens fit. */
const MOST_CELLS = 400_000
const MOST_CLASSES = 255
/** Letters of ASCII in one class, or characters beyond: fewer begin so few tokens that these are walked one by one. */
const WIDE = 8
const WIDE_BEYOND = 64

export interface Region {
  readonly states: readonly number[]
  /** What they tell apart, and 1 for each class that some state from there on reads. */
  readonly classes: CharClasses
  readonly live: Uint8Array
  /** By class: one of the automaton's own that stands for it. */
  readonly columns: Int32Array
  /** By class of the automaton: the one here. */
  readonly of: Int32Array
}

/** Whether what one region tells apart is enough for another of the same automaton. */
export function covers(one: Region, other: Region): boolean {
  const to = new Int32Array(one.columns.length).fill(-1)
  return other.of.every((c, own) => {
    const here = one.of[own]
    if (other.live[c] === 1 && one.live[here] === 0) return false
    if (to[here] < 0) to[here] = c
    return to[here] === c
  })
}

/** The regions in which a class is wide enough for tokens to be worth putting together; those first that tell most apart. */
export function* wideRegions({ dfa, form, max }: Terminal): Work<Region[]> {
  const width = dfa.classes.count
  if (dfa.states * width > MOST_CELLS || width > MOST_CLASSES) return []
  const { table } = dfa
  const parts = yield* partsOf(table, dfa.states, width)
  const live = yield* liveOf(table, dfa.states, width)
  const groups = new Map<string, number[]>()
  for (let q = 0; q < dfa.states; q++) {
    const own = parts.subarray(q * width, (q + 1) * width)
    const key = `${own.join()} ${live.subarray(q * width, (q + 1) * width).join('')}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [q])
    else group.push(q)
    if ((q & 255) === 255) yield
  }
  const sizes = sizesOf(dfa.classes)
  // Where a wide class leads to where it leads back from, whole subtrees are taken as they are: terminal-walk.ts.
  const loops = form !== 'raw' && max === Number.POSITIVE_INFINITY
  /** 1 where the state itself reads a wide class. */
  const reads = new Uint8Array(dfa.states)
  for (const states of groups.values()) {
    const isWide = wideClasses(parts.subarray(states[0] * width, (states[0] + 1) * width), sizes)
    for (const q of states) {
      for (let c = 0; c < width; c++) {
        const to = table[q * width + c]
        if (to >= 0 && isWide[c] === 1 && !(loops && table[to * width + c] === to)) reads[q] = 1
      }
    }
    yield
  }
  // Or with the second character: nearly half of the tokens are a blank and letters.
  const isWide = (q: number) => {
    for (let c = 0; c < width; c++) {
      const to = table[q * width + c]
      if (to >= 0 && reads[to] === 1) return true
    }
    return reads[q] === 1
  }
  const found: Region[] = []
  for (const states of groups.values()) {
    const at = states[0] * width
    if (states.some(isWide)) {
      found.push(joined(dfa.classes, parts.subarray(at, at + width), live.subarray(at), states))
    }
    yield
  }
  return found.sort((a, b) => b.columns.length - a.columns.length)
}

/** [state * width + class]: classes with the same number lead to the same states from there on. */
function* partsOf(table: Int32Array, states: number, width: number): Work<Uint8Array> {
  const parts = new Uint8Array(states * width)
  const counts = new Uint8Array(states).fill(1)
  const ids = new Map<number, number>()
  for (let changed = true; changed; ) {
    changed = false
    for (let q = states - 1; q >= 0; q--) {
      const at = q * width
      let count = counts[q]
      const split = (of: (c: number) => number) => {
        ids.clear()
        for (let c = 0; c < width; c++) {
          const key = parts[at + c] * 65_536 + of(c)
          let id = ids.get(key)
          if (id === undefined) {
            id = ids.size
            ids.set(key, id)
          }
          parts[at + c] = id
        }
        count = ids.size
      }
      split(c => table[at + c] + 1)
      let before = -1
      for (let c = 0; c < width && count < width; c++) {
        const to = table[at + c]
        if (to < 0 || to === before || to === q) continue
        before = to
        split(c2 => parts[to * width + c2])
      }
      if (count !== counts[q]) {
        counts[q] = count
        changed = true
      }
      if ((q & 63) === 63) yield
    }
  }
  return parts
}

/** [state * width + class]: 1 where some state from there on reads the class. */
function* liveOf(table: Int32Array, states: number, width: number): Work<Uint8Array> {
  const live = new Uint8Array(states * width)
  for (let changed = true; changed; ) {
    changed = false
    for (let q = states - 1; q >= 0; q--) {
      const at = q * width
      let before = -1
      for (let c = 0; c < width; c++) {
        const to = table[at + c]
        if (to < 0) continue
        if (live[at + c] === 0) {
          live[at + c] = 1
          changed = true
        }
        if (to === before || to === q) continue
        before = to
        for (let k = 0; k < width; k++) {
          if (live[to * width + k] === 1 && live[at + k] === 0) {
            live[at + k] = 1
            changed = true
          }
        }
      }
      if ((q & 63) === 63) yield
    }
  }
  return live
}

/** 1 for each class of the automaton that is wide together with those that nothing tells from it. */
function wideClasses(part: Uint8Array, sizes: ReturnType<typeof sizesOf>): Uint8Array {
  const letters = new Float64Array(part.length)
  const beyond = new Float64Array(part.length)
  for (const [c, p] of part.entries()) {
    letters[p] += sizes.letters[c]
    beyond[p] += sizes.beyond[c]
  }
  return part.map(p => (letters[p] >= WIDE || beyond[p] >= WIDE_BEYOND ? 1 : 0))
}

/** By class: ASCII letters, and characters beyond ASCII. */
function sizesOf({ cuts, classes, count }: CharClasses) {
  const letters = new Float64Array(count)
  const beyond = new Float64Array(count)
  for (const [i, c] of classes.entries()) {
    if (c < 0) continue
    const first = cuts[i]
    const last = (cuts[i + 1] ?? 0x110000) - 1
    for (const [a, z] of [
      [0x41, 0x5a],
      [0x61, 0x7a],
    ]) {
      letters[c] += Math.max(0, Math.min(last, z) - Math.max(first, a) + 1)
    }
    beyond[c] += Math.max(0, last - Math.max(first, 0x80) + 1)
  }
  return { letters, beyond }
}

/** The classes put together, numbered as they come, so that equal ones have equal names. */
function joined(
  own: CharClasses,
  part: Uint8Array,
  live: Uint8Array,
  states: readonly number[],
): Region {
  const ids = new Map<number, number>()
  const columns: number[] = []
  const of = new Int32Array(own.count)
  const alive: number[] = []
  const cuts: number[] = []
  const classes: number[] = []
  for (const [i, c] of own.classes.entries()) {
    let id = -1
    if (c >= 0) {
      // What nothing reads is one class.
      const key = live[c] === 1 ? part[c] : -1
      id = ids.get(key) ?? -1
      if (id < 0) {
        id = columns.push(c) - 1
        ids.set(key, id)
        alive.push(live[c])
      }
      of[c] = id
    }
    if (classes.at(-1) === id) continue
    cuts.push(own.cuts[i])
    classes.push(id)
  }
  return {
    states,
    classes: new CharClasses(Int32Array.from(cuts), Int32Array.from(classes), columns.length),
    live: Uint8Array.from(alive),
    columns: Int32Array.from(columns),
    of,
  }
}

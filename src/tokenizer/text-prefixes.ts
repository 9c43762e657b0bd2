// All texts of a list that begin at one place of another text, shortest first: the list sorted, and a
// stretch of it narrowed unit by unit. Takes four bytes a text where a trie takes a hundred. Used by
// special-splitter.ts and unigram.ts.
import type { TextList } from '../text-list.ts'

export class TextPrefixes {
  /** What the last find() found: indexes into the list, and the unit behind each. */
  readonly ids: number[] = []
  readonly ends: number[] = []
  readonly #texts: TextList
  readonly #order: Uint32Array
  /** Where texts of a first unit begin in #order. */
  readonly #first = new Map<number, readonly [low: number, high: number]>()
  readonly #begins = new Uint32Array(2048)

  /** @param ids  the texts that count; of equal ones the last */
  constructor(texts: TextList, ids: readonly number[]) {
    this.#texts = texts
    const { units, starts } = texts
    const compare = (a: number, b: number): number => {
      const [endA, endB] = [starts[a + 1]!, starts[b + 1]!]
      for (let i = starts[a]!, j = starts[b]!; ; i++, j++) {
        if (i === endA || j === endB) return endA - i - (endB - j) || b - a
        if (units[i] !== units[j]) return units[i]! - units[j]!
      }
    }
    this.#order = Uint32Array.from(ids.filter(id => starts[id + 1]! > starts[id]!)).sort(compare)
    for (let low = 0; low < this.#order.length; ) {
      const unit = this.#unit(low, 0)
      const high = this.#upper(low, this.#order.length, 0, unit)
      this.#first.set(unit, [low, high])
      this.#begins[unit >> 5]! |= 1 << (unit & 31)
      low = high
    }
  }

  /** Whether a text begins with this unit. */
  mayBegin(unit: number): boolean {
    return (this.#begins[unit >> 5]! & (1 << (unit & 31))) !== 0
  }

  /** Finds the texts that units [at, to) begin with; returns how many. */
  find(units: Uint16Array, at: number, to: number): number {
    this.ids.length = 0
    this.ends.length = 0
    let [low, high] = this.#first.get(units[at]!) ?? [0, 0]
    for (let depth = 1; low < high; depth++) {
      if (this.#length(low) === depth) {
        this.ids.push(this.#order[low]!)
        this.ends.push(at + depth)
        // Twins stand behind it.
        do low++
        while (low < high && this.#length(low) === depth)
      }
      if (at + depth >= to) break
      const unit = units[at + depth]!
      low = this.#lower(low, high, depth, unit)
      high = this.#upper(low, high, depth, unit)
    }
    return this.ids.length
  }

  #length(index: number): number {
    const id = this.#order[index]!
    return this.#texts.starts[id + 1]! - this.#texts.starts[id]!
  }

  #unit(index: number, depth: number): number {
    return this.#texts.units[this.#texts.starts[this.#order[index]!]! + depth]!
  }

  /** The first of [low, high) whose unit is not below. */
  #lower(from: number, to: number, depth: number, unit: number): number {
    let [low, high] = [from, to]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#unit(middle, depth) < unit) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The first of [low, high) whose unit is above. */
  #upper(from: number, to: number, depth: number, unit: number): number {
    let [low, high] = [from, to]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#unit(middle, depth) <= unit) low = middle + 1
      else high = middle
    }
    return low
  }
}

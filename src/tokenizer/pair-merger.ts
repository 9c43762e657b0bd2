// Merges neighbours of a sequence, best rank first and leftmost among equals, until no pair has a
// rank. A few symbols are scanned; many have a heap and a linked list, n log n for a run of a million
// equal letters. The caller knows what a pair is worth; see byte-pair.ts (merge rank) and
// sentence-piece.ts (score).
import type { Budget } from './budget.ts'

/** What a merge is worth and what it does. Symbols are named by their index before any merge. */
export interface PairRule {
  /** Smaller merges first, an integer < 2^25; -1 means never. `right` is the live neighbour of `left`. */
  rank(left: number, right: number): number
  /** `right` has been joined to `left`, at the given rank. */
  joined(left: number, right: number, rank: number): void
}

// A heap entry is rank * POSITIONS + left in one double: exact below 2^53.
const POSITIONS = 2 ** 28
/** Up to here a scan is faster than a heap. */
const FEW = 24
/** Buffers above this many symbols are given back at the next shorter word. */
const KEEP_SYMBOLS = 1 << 16

/** Reusable buffers and the merge loop of one word at a time. */
export class PairMerger {
  /** When all is merged: the symbol behind each live one, -1 at the end; symbol 0 always lives. */
  next = new Int32Array(64)
  #prev = new Int32Array(64)
  /** What the pair that begins at a symbol is worth, -1 for none; so an entry outlives no pair. */
  #rank = new Int32Array(64)
  #heap = new Float64Array(64)
  #heapSize = 0
  #rule: PairRule = { rank: () => -1, joined: () => {} }

  /** Merges a word to its end. */
  run(count: number, rule: PairRule): void {
    this.begin(count, rule)
    this.step({ left: Number.POSITIVE_INFINITY })
  }

  begin(count: number, rule: PairRule): void {
    this.#reserve(count)
    this.#heapSize = 0
    this.#rule = rule
    const { next } = this
    const prev = this.#prev
    for (let i = 0; i < count; i++) {
      next[i] = i + 1 < count ? i + 1 : -1
      prev[i] = i - 1
    }
    if (count <= FEW) this.#scan(count)
    else for (let i = 0; i + 1 < count; i++) this.#offer(i)
  }

  /** Goes on merging; false when the budget is spent before the end. */
  step(budget: Budget): boolean {
    const { next } = this
    const prev = this.#prev
    const rule = this.#rule
    while (this.#heapSize > 0) {
      if (--budget.left < 0) return false
      const entry = this.#pop()
      const rank = Math.floor(entry / POSITIONS)
      const left = entry - rank * POSITIONS
      if (this.#rank[left] !== rank) continue
      const right = next[left]!
      next[left] = next[right]!
      if (next[right]! >= 0) prev[next[right]!] = left
      this.#rank[right] = -1
      rule.joined(left, right, rank)
      if (prev[left]! >= 0) this.#offer(prev[left]!)
      this.#offer(left)
    }
    return true
  }

  /** The definition, for a few symbols. */
  #scan(count: number): void {
    const { next } = this
    const ranks = this.#rank
    const rule = this.#rule
    for (let i = 0; i < count; i++) ranks[i] = i + 1 < count ? rule.rank(i, i + 1) : -1
    for (;;) {
      let best = -1
      let before = -1
      for (let i = 0, previous = -1; i >= 0; previous = i, i = next[i]!) {
        if (ranks[i]! < 0 || (best >= 0 && ranks[i]! >= ranks[best]!)) continue
        best = i
        before = previous
      }
      if (best < 0) return
      const right = next[best]!
      next[best] = next[right]!
      rule.joined(best, right, ranks[best]!)
      ranks[best] = next[best]! < 0 ? -1 : rule.rank(best, next[best]!)
      if (before >= 0) ranks[before] = rule.rank(before, best)
    }
  }

  #reserve(count: number): void {
    const tooLarge = this.next.length > KEEP_SYMBOLS && count <= KEEP_SYMBOLS
    if (count <= this.next.length && !tooLarge) return
    const capacity = Math.max(64, count)
    this.next = new Int32Array(capacity)
    this.#prev = new Int32Array(capacity)
    this.#rank = new Int32Array(capacity)
    this.#heap = new Float64Array(capacity)
  }

  #offer(left: number): void {
    const right = this.next[left]!
    const rank = right < 0 ? -1 : this.#rule.rank(left, right)
    this.#rank[left] = rank
    if (rank >= 0) this.#push(rank * POSITIONS + left)
  }

  #push(entry: number): void {
    if (this.#heapSize === this.#heap.length) {
      const larger = new Float64Array(this.#heap.length * 2)
      larger.set(this.#heap)
      this.#heap = larger
    }
    const heap = this.#heap
    let at = this.#heapSize++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]! <= entry) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #pop(): number {
    const heap = this.#heap
    const top = heap[0]!
    const size = --this.#heapSize
    const last = heap[size]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && heap[child + 1]! < heap[child]!) child++
      if (heap[child]! >= last) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return top
  }
}

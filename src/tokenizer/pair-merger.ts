// Merges neighbours of a sequence, best rank first and leftmost among equals, until no pair has a
// rank. A heap and a linked list: a run of a million equal letters costs n log n. The caller knows
// what a pair is worth; see byte-pair.ts (merge rank) and sentence-piece.ts (score).

/** What a merge is worth and what it does. Symbols are named by their index before any merge. */
export interface PairRule {
  /** Smaller merges first, an integer < 2^25; -1 means never. `right` is the live neighbour of `left`. */
  rank(left: number, right: number): number
  /** `right` has been joined to `left`, at the given rank. */
  joined(left: number, rank: number): void
}

// A heap entry is rank * POSITIONS + left in one double: exact below 2^53.
const POSITIONS = 2 ** 28
const DEAD = -2
/** Buffers above this many symbols are given back at the next shorter word. */
const KEEP_SYMBOLS = 1 << 16

/** Reusable buffers and the merge loop. Not re-entrant. */
export class PairMerger {
  /** After run(): the symbol behind each live one, -1 at the end; symbol 0 always lives. */
  next = new Int32Array(64)
  #prev = new Int32Array(64)
  #heap = new Float64Array(64)
  #heapSize = 0

  run(count: number, rule: PairRule): void {
    this.#reserve(count)
    this.#heapSize = 0
    const { next } = this
    const prev = this.#prev
    for (let i = 0; i < count; i++) {
      next[i] = i + 1 < count ? i + 1 : -1
      prev[i] = i - 1
    }
    for (let i = 0; i + 1 < count; i++) this.#offer(i, rule)

    while (this.#heapSize > 0) {
      const entry = this.#pop()
      const rank = Math.floor(entry / POSITIONS)
      const left = entry - rank * POSITIONS
      const right = next[left]
      // An entry outlives its pair; it counts only if today's pair is worth the same.
      if (prev[left] === DEAD || right < 0 || rule.rank(left, right) !== rank) continue

      next[left] = next[right]
      if (next[right] >= 0) prev[next[right]] = left
      prev[right] = DEAD
      rule.joined(left, rank)

      if (prev[left] >= 0) this.#offer(prev[left], rule)
      this.#offer(left, rule)
    }
  }

  #reserve(count: number): void {
    const tooLarge = this.next.length > KEEP_SYMBOLS && count <= KEEP_SYMBOLS
    if (count <= this.next.length && !tooLarge) return
    const capacity = Math.max(64, count)
    this.next = new Int32Array(capacity)
    this.#prev = new Int32Array(capacity)
    this.#heap = new Float64Array(capacity)
  }

  #offer(left: number, rule: PairRule): void {
    const right = this.next[left]
    if (right < 0) return
    const rank = rule.rank(left, right)
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
      if (heap[parent] <= entry) break
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = entry
  }

  #pop(): number {
    const heap = this.#heap
    const top = heap[0]
    const size = --this.#heapSize
    const last = heap[size]
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && heap[child + 1] < heap[child]) child++
      if (heap[child] >= last) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = last
    return top
  }
}

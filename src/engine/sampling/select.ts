// Partial selection over a row of values: the k best without sorting the row, and a heap that yields
// best first. "Better" is the greater value, of equal ones the lower id. Called by sampler.ts.

/** Whether id a ranks before id b; values of ids stand from `at` on. */
function better(values: Float32Array, at: number, a: number, b: number): boolean {
  const x = values[at + a]!
  const y = values[at + b]!
  return x > y || (x === y && a < b)
}

/** Sinks ids[root] in the heap ids[0..count) whose top is the best, or the worst. */
function sink(
  values: Float32Array,
  at: number,
  ids: Int32Array,
  root: number,
  count: number,
  bestOnTop: boolean,
): void {
  const id = ids[root]!
  let hole = root
  for (;;) {
    let child = 2 * hole + 1
    if (child >= count) break
    const right = child + 1
    if (right < count && better(values, at, ids[right]!, ids[child]!) === bestOnTop) child = right
    if (better(values, at, ids[child]!, id) !== bestOnTop) break
    ids[hole] = ids[child]!
    hole = child
  }
  ids[hole] = id
}

/** Orders ids[0..count) as a heap with the best on top. */
export function heapify(values: Float32Array, at: number, ids: Int32Array, count: number): void {
  for (let i = (count >> 1) - 1; i >= 0; i--) sink(values, at, ids, i, count, true)
}

/** Moves the best of the heap ids[0..count) to ids[count - 1]; the rest stays a heap. */
export function popBest(values: Float32Array, at: number, ids: Int32Array, count: number): number {
  const best = ids[0]!
  ids[0] = ids[count - 1]!
  ids[count - 1] = best
  sink(values, at, ids, 0, count - 1, true)
  return best
}

/**
 * Puts the best k of the ids 0..n-1 into ids[0..k), in no order. One pass: O(n + k log k log n) for
 * random values, as few of them enter the heap.
 * @returns min(k, n)
 */
export function selectBest(
  values: Float32Array,
  at: number,
  n: number,
  k: number,
  ids: Int32Array,
): number {
  const count = Math.min(k, n)
  if (count === 0) return 0
  for (let i = 0; i < count; i++) ids[i] = i
  for (let i = (count >> 1) - 1; i >= 0; i--) sink(values, at, ids, i, count, false)
  for (let i = count; i < n; i++) {
    if (better(values, at, i, ids[0]!)) {
      ids[0] = i
      sink(values, at, ids, 0, count, false)
    }
  }
  return count
}

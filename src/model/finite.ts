// Whether numbers are finite, fast enough to ask of every row of logits. Used by bitnet.ts and the guard.

/** True when no value of [from, to) is NaN or infinite. About 10 us for 32,000 values. */
export function allFinite(values: Float32Array, from: number, to: number): boolean {
  // x * 0 is NaN for what is not finite; four sums, so that no addition waits for the one before.
  let [a, b, c, d] = [0, 0, 0, 0]
  let i = from
  for (; i + 3 < to; i += 4) {
    a += values[i]! * 0
    b += values[i + 1]! * 0
    c += values[i + 2]! * 0
    d += values[i + 3]! * 0
  }
  for (; i < to; i++) a += values[i]! * 0
  return a + b + c + d === 0
}

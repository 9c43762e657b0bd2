// Whether numbers are finite, fast enough to ask of every row of logits. Used by network.ts and the guard.

/** True when no value of [from, to) is NaN or infinite. */
export function allFinite(values: Float32Array, from: number, to: number): boolean {
  // What is not finite stays so in a sum, and f32 values cannot overflow one in f64. Four sums, so that
  // no addition waits for the one before.
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  let i = from
  for (; i + 3 < to; i += 4) {
    a += values[i]!
    b += values[i + 1]!
    c += values[i + 2]!
    d += values[i + 3]!
  }
  for (; i < to; i++) a += values[i]!
  return Number.isFinite(a + b + c + d)
}

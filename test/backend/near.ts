// How close a backend that sums in its own order must come to the reference. Tolerances are relative to the
// largest value of the result, as that is what rounding errors of sums grow with.
import { expect } from 'vitest'

/** Sums of f32 in another order, fused multiply-adds, divisions of 2.5 ulp: measured 5e-7 at 8640 columns. */
export const FLOAT_SUMS = 4e-6
/**
 * int8 and int4 KV: the CPU rounds q and the weights of attention to 15 bits before its integer sums, the
 * GPU does not: 2^-15 of the largest score, in the exponent. Measured 1.5e-4.
 */
export const KV_WORDS = 6e-4

/** Largest difference over the largest value; what is not finite must be so in both. */
export function difference(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length)
  let scale = 0
  let worst = 0
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [got[i]!, want[i]!]
    if (!Number.isFinite(a) || !Number.isFinite(b)) {
      if (Number.isFinite(a) !== Number.isFinite(b)) {
        expect.fail(`value ${i} of ${want.length} is ${a}, want ${b}`)
      }
      continue
    }
    scale = Math.max(scale, Math.abs(b))
    worst = Math.max(worst, Math.abs(a - b))
  }
  return scale === 0 ? worst : worst / scale
}

export function near(got: Float32Array, want: Float32Array, tolerance: number): void {
  expect(difference(got, want)).toBeLessThanOrEqual(tolerance)
}

// The float primitives that every backend must reproduce bit for bit: each line is one f32 operation.
// The C++ twins are kernels-cpp/math.h (scalar) and the vector forms in the simd files.

import { exp32 } from '../exp.ts'

export { exp32 } from '../exp.ts'

const f = Math.fround
const bits = new Uint32Array(1)
const asF32 = new Float32Array(bits.buffer)

/** SiLU, x / (1 + e^-x) (Elfwing et al. 2017). */
export function silu(x: number): number {
  return f(x / f(1 + exp32(f(-x))))
}

/** Rounds half to even, for |x| < 2^22. */
export function roundEven(x: number): number {
  const MAGIC = 12582912 // 1.5 * 2^23: adding it in f32 leaves no fraction bits
  return f(f(x + MAGIC) - MAGIC)
}

/** Folds the 16 lanes of a sum, 16 -> 8 -> 4 -> 2 -> 1, lane j with lane j + half; in place. */
export function foldLanes(lanes: Float32Array): number {
  for (let half = 8; half > 0; half >>= 1) {
    for (let j = 0; j < half; j++) lanes[j] += lanes[j + half]
  }
  return lanes[0]
}

/** The 16-lane sum of backend.ts over n values of `value(i)`. */
export function sum16(n: number, value: (i: number) => number): number {
  const lanes = new Float32Array(16)
  for (let i = 0; i < n; i++) lanes[i & 15] += f(value(i))
  return foldLanes(lanes)
}

/**
 * Rounds a row to int8 (BitNet b1.58, absmax per token).
 * @returns the inverse scale a / 127
 */
export function quantizeRow(q: Int8Array, x: Float32Array, at: number, n: number): number {
  let a = f(1e-5)
  for (let i = 0; i < n; i++) a = Math.max(a, Math.abs(x[at + i]))
  const scale = f(127 / a)
  for (let i = 0; i < n; i++) {
    q[i] = Math.max(-128, Math.min(127, roundEven(f(x[at + i] * scale))))
  }
  return f(a / 127)
}

/**
 * "word rounding" of backend.ts: x to 16 bits by its maximum.
 * @param least  the maximum is at least this
 * @returns the scale a / largest; NaN where the maximum is not finite
 */
export function roundToWords(
  words: Int16Array,
  x: Float32Array,
  least: number,
  largest: number,
): number {
  let a = least
  for (let i = 0; i < words.length; i++) a = Math.max(a, Math.abs(x[i]))
  const factor = f(largest / a)
  for (let i = 0; i < words.length; i++) words[i] = roundEven(f(x[i] * factor))
  return Number.isFinite(a) ? f(a / largest) : Number.NaN
}

/** The upper 16 bits of a positive f32, rounded up; NaN gives 0x7fc0. */
export function toUpperHalf(x: number): number {
  if (Number.isNaN(x)) return 0x7fc0
  asF32[0] = x
  return (bits[0] + 0xffff) >>> 16
}

/** The f32 whose upper 16 bits are given, the lower ones 0. */
export function fromUpperHalf(half: number): number {
  bits[0] = half << 16
  return asF32[0]
}

/** f32 to IEEE half, round half to even, saturating at 65504. */
export function toF16(x: number): number {
  asF32[0] = x
  const u = bits[0]
  const sign = (u >>> 16) & 0x8000
  const mag = u & 0x7fffffff
  if (mag >= 0x477ff000) return sign | 0x7bff // 65520 and up would round to infinity
  if (mag < 0x38800000) {
    // Subnormal half: add 0.5 so that the half's last bit is the float's last bit, rounded by the FPU.
    asF32[0] = f(asF32ofMagnitude(mag) + 0.5)
    return sign | (bits[0] - 0x3f000000)
  }
  const rounded = mag + 0xfff + ((mag >>> 13) & 1)
  return sign | ((rounded - 0x38000000) >>> 13)
}

function asF32ofMagnitude(mag: number): number {
  bits[0] = mag
  return asF32[0]
}

/** IEEE half to f32; exact. Infinities and NaN keep their kind. */
export function fromF16(h: number): number {
  const sign = (h & 0x8000) << 16
  const exponent = (h >>> 10) & 31
  const mantissa = h & 0x3ff
  if (exponent === 0) {
    const value = mantissa * 2 ** -24
    return sign ? -value : value
  }
  bits[0] = sign | (exponent === 31 ? 0x7f800000 : (exponent + 112) << 23) | (mantissa << 13)
  return asF32[0]
}

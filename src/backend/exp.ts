// e^x in f32, the same bits in every backend: each line is one f32 operation. The C++ twin is in
// kernels-cpp/math.h.

const f = Math.fround
const bits = new Uint32Array(1)
const asF32 = new Float32Array(bits.buffer)

const LOG2E = f(1.4426950408889634)
// ln 2 in two parts, so that n * LN2_HI is exact for |n| <= 2^15 (Cody & Waite 1980).
const LN2_HI = f(0.693359375)
const LN2_LO = f(-2.121944400546906e-4)
// Minimax polynomial of (exp(r) - 1 - r) / r^2 on [-ln2/2, ln2/2] (Cephes expf), highest power first.
const P0 = f(1.98756915e-4)
const P1 = f(1.3981999507e-3)
const P2 = f(8.3334519073e-3)
const P3 = f(4.1665795894e-2)
const P4 = f(1.6666665459e-1)
const P5 = f(5.0000001201e-1)

/** e^x in f32, x clamped to [-87, 88] so that no result is subnormal or infinite; 2 ulp. NaN stays NaN. */
export function exp32(x: number): number {
  let v = x < -87 ? -87 : x
  v = v > 88 ? 88 : v
  const n = Math.floor(f(f(v * LOG2E) + 0.5))
  const r = f(f(v - f(n * LN2_HI)) - f(n * LN2_LO))
  let y = P0
  y = f(f(y * r) + P1)
  y = f(f(y * r) + P2)
  y = f(f(y * r) + P3)
  y = f(f(y * r) + P4)
  y = f(f(y * r) + P5)
  y = f(f(y * f(r * r)) + r)
  y = f(y + 1)
  bits[0] = (n + 127) << 23
  return f(y * asF32[0])
}

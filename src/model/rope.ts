// Rotary position tables (Su et al. 2021), made once in f64 and rounded to f32, so that every backend
// rotates by the same numbers.

/** cos and sin of position * theta^(-2i/ropeDim), f32 [positions][ropeDim/2] each. */
export function ropeTables(
  positions: number,
  ropeDim: number,
  theta: number,
): { cos: Float32Array; sin: Float32Array } {
  const half = ropeDim / 2
  const cos = new Float32Array(positions * half)
  const sin = new Float32Array(positions * half)
  for (let i = 0; i < half; i++) {
    const frequency = theta ** (-i / half)
    for (let p = 0; p < positions; p++) {
      cos[p * half + i] = Math.cos(p * frequency)
      sin[p * half + i] = Math.sin(p * frequency)
    }
  }
  return { cos, sin }
}

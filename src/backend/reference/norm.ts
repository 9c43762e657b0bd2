// RMSNorm of one row (Zhang & Sennrich 2019), shared by the norm op and the QK-norm of attention.
import { foldLanes } from './math.ts'

const f = Math.fround

/** RMSNorm of n values at `at`: (x * r) * gain with r = 1 / sqrt(mean(x^2) + eps). */
export function normRow(
  y: Float32Array,
  x: Float32Array,
  gain: Float32Array,
  at: number,
  n: number,
  eps: number,
): void {
  const lanes = new Float32Array(16)
  for (let i = 0; i < n; i++) lanes[i & 15] += f(x[at + i] * x[at + i])
  const r = f(1 / f(Math.sqrt(f(f(foldLanes(lanes) / n) + f(eps)))))
  for (let i = 0; i < n; i++) y[at + i] = f(f(x[at + i] * r) * gain[i])
}

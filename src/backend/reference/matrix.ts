// Rows of resident matrices for the reference backend: unpacking from the layouts of backend.ts and
// the dot products in their defined order.
import type { Matrix } from '../backend.ts'
import { FLAT_COLS, I4_COLS, layoutBytes, T2_COLS, T2_ROWS } from '../backend.ts'
import { foldLanes, fromF16 } from './math.ts'

const f = Math.fround

/** Row n without its scales: w in {-1, 0, 1} for t2, the integers of i8 and i4, the values of f16 and f32. */
export function unpackRow(
  row: Int16Array | Float32Array,
  m: Matrix,
  weights: Uint8Array,
  n: number,
): void {
  const K = m.cols
  const stride = Math.ceil(K / FLAT_COLS) * FLAT_COLS
  switch (m.layout) {
    case 't2': {
      const tiles = Math.ceil(K / T2_COLS)
      const tileRow = Math.floor(n / T2_ROWS) * tiles
      for (let first = 0; first < K; first += T2_COLS) {
        const at = ((tileRow + first / T2_COLS) * T2_ROWS + (n % T2_ROWS)) * 16
        const end = Math.min(K - first, T2_COLS)
        for (let k = 0; k < end; k++) {
          row[first + k] = ((weights[at + (k & 15)] >> (2 * (k >> 4))) & 3) - 1
        }
      }
      return
    }
    case 'i8':
      row.set(new Int8Array(weights.buffer, n * stride, K))
      return
    case 'i4': {
      const codes = n * layoutBytes('i4', 1, K)
      const scales = new Int8Array(weights.buffer, codes + Math.ceil(K / I4_COLS) * 32)
      for (let k = 0; k < K; k++) {
        const [block, column] = [Math.floor(k / I4_COLS), k % I4_COLS]
        const byte = weights[codes + block * 32 + (column >> 5) * 16 + (column & 15)]
        const code = (byte >> (4 * ((column >> 4) & 1))) & 15
        row[k] = Math.imul(code - 8, scales[block * 4 + ((column & 15) >> 2)]) // never -0
      }
      return
    }
    case 'f16': {
      const halves = new Uint16Array(weights.buffer, n * stride * 2, K)
      for (let k = 0; k < K; k++) row[k] = fromF16(halves[k])
      return
    }
    case 'f32':
      row.set(new Float32Array(weights.buffer, n * stride * 4, K))
      return
    default:
      m.layout satisfies never
  }
}

/** Row n with its scales, as embed wants it. */
export function dequantRow(
  row: Float32Array,
  m: Matrix,
  weights: Uint8Array,
  scales: Float32Array,
  n: number,
): void {
  unpackRow(row, m, weights, n)
  if (m.layout === 'f16' || m.layout === 'f32') return
  const block = m.scaleBlock || m.cols
  const perRow = Math.ceil(m.cols / block)
  for (let k = 0; k < m.cols; k++) row[k] = f(row[k] * scales[n * perRow + Math.floor(k / block)])
}

/** y[n] from rounded activations q [at..] and an unpacked integer row; exact within a block. */
export function dotInt8(
  q: Int8Array,
  at: number,
  row: Int16Array | Float32Array,
  m: Matrix,
  scales: Float32Array,
  n: number,
  inverse: number,
): number {
  const block = m.scaleBlock || m.cols
  const perRow = Math.ceil(m.cols / block)
  let acc = 0
  for (let b = 0; b < perRow; b++) {
    const end = Math.min(m.cols, (b + 1) * block)
    let sum = 0
    for (let k = b * block; k < end; k++) sum += q[at + k] * row[k]
    if (m.scaleBlock === 0) return f(f(sum) * f(scales[n] * inverse))
    acc = f(acc + f(f(sum) * scales[n * perRow + b]))
  }
  return f(acc * inverse)
}

/** y[n] from f32 activations x [at..]: sum16 per scale block. */
export function dotFloat(
  x: Float32Array,
  at: number,
  row: Int16Array | Float32Array,
  m: Matrix,
  scales: Float32Array,
  n: number,
): number {
  const block = m.scaleBlock || m.cols
  const perRow = Math.ceil(m.cols / block)
  const lanes = new Float32Array(16)
  let acc = 0
  for (let b = 0; b < perRow; b++) {
    const end = Math.min(m.cols, (b + 1) * block)
    lanes.fill(0)
    for (let k = b * block; k < end; k++) {
      // A ternary 0 selects +0: x * 0 would be NaN for an infinite x.
      if (m.layout !== 't2' || row[k] !== 0) lanes[k & 15] += f(x[at + k] * row[k])
    }
    const total = foldLanes(lanes)
    if (m.layout === 'f16' || m.layout === 'f32') return total
    if (m.scaleBlock === 0) return f(total * scales[n])
    acc = f(acc + f(total * scales[n * perRow + b]))
  }
  return acc
}

// The structs of kernels-cpp/ryz.h as words in linear memory: one place that knows their field order.
// Used by wasm-backend.ts; writeAttend runs between two tokens and allocates nothing.
import type { AttendSpec, Kv, Matrix, Rope } from '../backend.ts'
import { kvHeadBytes } from '../backend.ts'
import { KV_CODES, LAYOUT_CODES, UNIT_ROWS } from './exports.ts'

/** A KV cache, which begins at the address `at`. */
export interface KvRange extends Kv {
  readonly layerBytes: number
}

/** Addresses of f32 [positions][ropeDim/2]: `at` of the cosines. */
export interface RopeTables extends Rope {
  readonly sin: number
}

/** Words of RyzLinear before its parts. */
export const LINEAR_WORDS = 4
/** Words of RyzMatrix. */
export const MATRIX_WORDS = 6

/** RyzLinear with its parts. @param stride  values in a row of the result */
export function linearWords(parts: readonly Matrix[], stride: number): number[] {
  return [parts.length, parts[0].cols, stride, unitsOf(parts), ...parts.flatMap(matrixWords)]
}

/** RyzMatrix. */
export function matrixWords(part: Matrix): number[] {
  const { layout, rows, cols, scaleBlock, weights, scales } = part
  return [LAYOUT_CODES[layout], rows, cols, scaleBlock, weights.at, scales?.at ?? 0]
}

/** What the kernels share out: rows by fours. */
export function unitsOf(parts: readonly Matrix[]): number {
  return parts.reduce((sum, part) => sum + Math.ceil(part.rows / UNIT_ROWS), 0)
}

/**
 * Writes RyzAttend at a byte address.
 * @param positions  address of i32 [rows]
 * @param tables     address of i32 [rows][maxBlocks]
 */
export function writeAttend(
  i32: Int32Array,
  f32: Float32Array,
  address: number,
  spec: AttendSpec,
  positions: number,
  tables: number,
  maxBlocks: number,
): void {
  // Handles that this backend made.
  const kv = spec.kv as KvRange
  const rope = spec.rope as RopeTables
  const headBytes = kvHeadBytes(kv.type, kv.headDim)
  let at = address / 4
  i32[at++] = kv.at + spec.layer * kv.layerBytes
  i32[at++] = headBytes
  i32[at++] = kv.blocks * headBytes
  i32[at++] = KV_CODES[kv.type]
  i32[at++] = spec.heads
  i32[at++] = spec.kvHeads
  i32[at++] = spec.headDim
  i32[at++] = rope.ropeDim
  i32[at++] = spec.ropePairing === 'norm' ? 1 : 0
  i32[at++] = rope.at
  i32[at++] = rope.sin
  i32[at++] = spec.qGain?.at ?? 0
  i32[at++] = spec.kGain?.at ?? 0
  f32[at++] = spec.eps
  f32[at++] = Math.fround(1 / Math.fround(Math.sqrt(spec.headDim)))
  i32[at++] = positions
  i32[at++] = tables
  i32[at++] = maxBlocks
}

// How weights stand in backend memory: the layouts, their tile sizes and their byte counts. Served by
// transcode.ts, consumed by every backend (backend/backend.ts exports it again).

import type { HeadType } from '../../types/index.ts'

/** Rows and columns of one tile of the t2 layout. */
export const T2_ROWS = 4
export const T2_COLS = 64
/** Columns of a block of the i4 layout, and its bytes: codes and scales. */
export const I4_COLS = 64
export const I4_BLOCK_BYTES = 36
/** Widest i4 matrix: sums of more columns could overflow int32. */
export const I4_MAX_COLS = 16384
/**
 * A matrix may be cut between pieces of so many rows: whole tiles, and a multiple of 256 bytes, in every layout.
 */
export const PIECE_ROWS = 64
/** i8, f16 and f32 matrices: columns are padded with zeros to a multiple of this. */
export const FLAT_COLS = 16

/**
 * How a matrix [rows N][cols K] stands in memory, the same for all CPU backends:
 *  - t2   codes w + 1 in 2 bits. Tiles of 4 rows x 64 columns, 64 bytes each, ordered
 *         [ceil(N/4)][ceil(K/64)][4][16]; byte b of a row's 16 holds columns b, b+16, b+32, b+48 of the
 *         tile at bits 0, 2, 4, 6. Padding (rows and columns) is code 1.
 *         scales f32 [N], or f32 [N][ceil(K/scaleBlock)].
 *  - i8   int8 [N][K padded to 16], scales f32 [N].
 *  - i4   rows [N] of blocks of 64 columns: 32 bytes of codes c for each block, then int8 s[4] for each
 *         block, then zeros up to 16 bytes. Byte b of a block's first 16 holds columns b and 16 + b at bits 0
 *         and 4, of the other 16 columns 32 + b and 48 + b. w = (c - 8) * s[group], an integer; column k of a
 *         block belongs to group k % 16 / 4. Padding is code 8. Scales f32 [N].
 *  - f16, f32   [N][K padded to 16].
 */
export type LayoutId = 't2' | 'i8' | 'i4' | 'f16' | 'f32'

/** Of an embedding or head. @param half the file holds it in F16 */
export function tableLayout(head: HeadType, half: boolean): 'i8' | 'i4' | 'f16' | 'f32' {
  if (head === 'file') return half ? 'f16' : 'f32'
  return head === 'int4' ? 'i4' : 'i8'
}

/** Bytes of the weights of a matrix in a layout, padding included. */
export function layoutBytes(layout: LayoutId, rows: number, cols: number): number {
  const flat = Math.ceil(cols / FLAT_COLS) * FLAT_COLS
  switch (layout) {
    case 't2':
      return Math.ceil(rows / T2_ROWS) * Math.ceil(cols / T2_COLS) * T2_ROWS * (T2_COLS / 4)
    case 'i8':
      return rows * flat
    case 'i4':
      return rows * Math.ceil((Math.ceil(cols / I4_COLS) * I4_BLOCK_BYTES) / 16) * 16
    case 'f16':
      return rows * flat * 2
    case 'f32':
      return rows * flat * 4
    default:
      return layout satisfies never
  }
}

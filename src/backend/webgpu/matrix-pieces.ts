// Matrices as the shaders see them: cut into pieces that one binding holds, and how their rows and scales are
// strided. Used by plan.ts.
import type { LayoutId, Matrix } from '../backend.ts'
import { layoutBytes, PIECE_ROWS, T2_COLS } from '../backend.ts'
import type { Buffers, Piece } from './buffers.ts'

/** Rows of a matrix that one binding holds, and their scales. */
export interface MatrixPiece {
  readonly weights: Piece
  readonly scales: Piece | undefined
  readonly first: number
  readonly rows: number
}

/** The pieces of a matrix in order; one, where it fits. */
export function piecesOf(buffers: Buffers, m: Matrix): MatrixPiece[] {
  const unit = layoutBytes(m.layout, PIECE_ROWS, m.cols)
  const blocks = scalesARow(m)
  return buffers.pieces(m.weights, unit).map(weights => {
    const first = (weights.at / unit) * PIECE_ROWS
    const rows = Math.min(m.rows - first, Math.ceil(weights.size / unit) * PIECE_ROWS)
    if (m.scales === undefined) return { weights, scales: undefined, first, rows }
    const buffer = buffers.whole(m.scales)
    const scales = { buffer, offset: 4 * first * blocks, size: 4 * rows * blocks, at: 0 }
    return { weights, scales, first, rows }
  })
}

/** Tiles of 64 columns. */
export function tiles(cols: number): number {
  return Math.ceil(cols / T2_COLS)
}

/** What `row` is in parts/values_*.wgsl: tiles a row for t2, words a row for the others. */
export function rowWords(layout: LayoutId, cols: number): number {
  return layout === 't2' ? tiles(cols) : layoutBytes(layout, 1, cols) / 4
}

/** Scales of a matrix row. */
export function scalesARow(m: Matrix): number {
  return m.scaleBlock > 0 ? Math.ceil(m.cols / m.scaleBlock) : 1
}

/** Which scale a unit of so many columns has: its index shifted by this. */
export function scaleShift(m: Matrix, unit: number): number {
  return m.scaleBlock > 0 ? Math.log2(m.scaleBlock / unit) : 31
}

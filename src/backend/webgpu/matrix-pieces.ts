// Matrices as the shaders see them: cut into pieces that one binding holds, and how their rows and scales are
// strided. Used by plan.ts.
import type { LayoutId, Matrix } from '../backend.ts'
import { layoutBytes, PIECE_ROWS, T2_COLS, T2_ROWS } from '../backend.ts'
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

/**
 * Neighbours of the parts of a linear that can stand in one buffer as one matrix, made so: one dispatch less
 * each. q, k and v, or gate and up, where the file has them in one type.
 */
export function joined(buffers: Buffers, parts: readonly Matrix[]): Matrix[] {
  const matrices: Matrix[] = []
  for (let first = 0; first < parts.length; ) {
    let end = first + 1
    while (end < parts.length && follows(parts[end - 1]!, parts[end]!)) end++
    const run = parts.slice(first, end)
    const one = run.length > 1 ? join(buffers, run) : undefined
    matrices.push(...(one === undefined ? run : [one]))
    first = end
  }
  return matrices
}

/** Whether the rows of `b` go on where those of `a` end. */
function follows(a: Matrix, b: Matrix): boolean {
  const alike = a.layout === b.layout && a.cols === b.cols && a.scaleBlock === b.scaleBlock
  return alike && (a.layout !== 't2' || a.rows % T2_ROWS === 0)
}

function join(buffers: Buffers, parts: readonly Matrix[]): Matrix | undefined {
  const label = parts.map(part => part.weights.label).join(' + ')
  const slots = parts.map(part => part.weights)
  const scales = parts.flatMap(part => part.scales ?? [])
  if (!buffers.canJoin(slots) || !buffers.canJoin(scales)) return undefined
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  const one = { ...parts[0]!, rows, weights: buffers.join(slots, label) }
  if (scales.length === 0) return one
  return { ...one, scales: buffers.join(scales, `scales of ${label}`) }
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

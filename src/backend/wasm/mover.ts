// Rows of a file to their layout by the kernels (ryz_pour), shared out over the pool. Bytes are laid into
// scratch that ops use later and loading does not: no memory of its own. Made by wasm-backend.ts.
import { moverRowBytes, moverRowScales, type RowMover } from '../../format/layouts/row-mover.ts'
import type { MoverLayout, MoverSource, Slot } from '../backend.ts'
import { layoutBytes, T2_ROWS } from '../backend.ts'
import { type KernelExports, LAYOUT_CODES, LOOKUP_BYTES, MOVER_CODES, POUR_ROW } from './exports.ts'

/** Bytes of the file in scratch at a time; scales stand behind them, then a word for bad values. */
const STAGE_BYTES = 393_216
const BAD_BYTES = 64
const SCALE_BYTES = POUR_ROW - STAGE_BYTES - BAD_BYTES
/** f32 values of a row that fit a thread's scratch. */
const MOST_COLS = (LOOKUP_BYTES - POUR_ROW) / 4

export interface MoverParts {
  readonly kernels: KernelExports
  /** All of linear memory. */
  readonly bytes: Uint8Array
  readonly f32: Float32Array
  readonly i32: Int32Array
  /** Address of thread 0's lookup scratch. */
  readonly scratch: number
  /** Throws for any status but OK. */
  done(status: number): void
}

/** Undefined for rows that are no whole blocks, or too long. */
export function rowMover(
  parts: MoverParts,
  source: MoverSource,
  layout: MoverLayout,
  cols: number,
  slot: Slot,
): RowMover | undefined {
  const { kernels, bytes, f32, i32, scratch } = parts
  const rowBytes = moverRowBytes(source, cols)
  if (rowBytes === undefined || cols > MOST_COLS) return undefined
  const perRow = moverRowScales(source, cols)
  const byBytes = Math.floor(STAGE_BYTES / rowBytes)
  const byScales = perRow === 0 ? byBytes : Math.floor(SCALE_BYTES / (4 * perRow))
  const fits = Math.min(byBytes, byScales)
  const most = fits - (fits % T2_ROWS)
  if (most === 0) return undefined
  const scalesAt = scratch + STAGE_BYTES
  const badAt = scratch + POUR_ROW - BAD_BYTES
  return {
    stage: bytes.subarray(scratch, scratch + most * rowBytes),
    move(first, count) {
      const to = slot.at + layoutBytes(layout, first, cols)
      const [from, into] = [MOVER_CODES[source], LAYOUT_CODES[layout]]
      parts.done(kernels.ryz_pour(from, into, scratch, rowBytes, cols, count, to, scalesAt, badAt))
      if (i32[badAt / 4] !== 0) return undefined
      return f32.subarray(scalesAt / 4, scalesAt / 4 + count * perRow)
    },
  }
}

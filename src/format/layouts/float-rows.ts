// Rows of f32 values on their way to the i8, i4, f16 or f32 layout, one row alive at a time. Called by
// transcode.ts.
import { RyzError } from '../../errors.ts'
import type { FloatCodec } from '../codecs/codec.ts'
import { halfBits } from '../codecs/half.ts'
import type { ByteSink } from '../ternary.ts'
import { quantizeRowI4 } from './i4-rows.ts'
import { FLAT_COLS, layoutBytes } from './layout.ts'
import { MAGIC, roundWithin } from './rounding.ts'

export interface RowWriter {
  /** Takes the next `count` values of the flat matrix. @throws RyzError BAD_WEIGHTS */
  add(values: Float32Array, count: number): void
  /** Takes the next block, straight into its row where it does not cross one. */
  decode(codec: FloatCodec, src: Uint8Array, at: number): void
  /** Scales of the i8 and i4 layouts, f32 [rows]. */
  readonly scales: Float32Array | undefined
}

/**
 * @param name of the tensor, for messages
 * @param firstRow where it begins, for messages
 */
export function rowWriter(
  layout: 'i8' | 'i4' | 'f16' | 'f32',
  name: string,
  rows: number,
  cols: number,
  sink: ByteSink,
  firstRow = 0,
): RowWriter {
  const padded = Math.ceil(cols / FLAT_COLS) * FLAT_COLS
  const values = new Float32Array(padded)
  const scales = layout === 'i8' || layout === 'i4' ? new Float32Array(rows) : undefined
  const bytes =
    layout === 'f32' ? new Uint8Array(values.buffer) : new Uint8Array(layoutBytes(layout, 1, cols))
  const i8 = new Int8Array(bytes.buffer)
  const f16 = new Uint16Array(bytes.buffer)
  let row = 0
  let col = 0

  function flush(): void {
    let max = 0
    for (let c = 0; c < cols; c++) {
      const magnitude = Math.abs(values[c])
      if (magnitude > max) max = magnitude
      if (!(magnitude < Number.POSITIVE_INFINITY)) throw notFinite(name, values, firstRow + row) // NaN, too
    }
    if (layout === 'i8') scales![row] = quantizeRow(values, cols, max, i8)
    else if (layout === 'i4') scales![row] = quantizeRowI4(values, cols, max, bytes)
    else if (layout === 'f16') for (let c = 0; c < cols; c++) f16[c] = halfBits(values[c])
    sink.write(row * bytes.length, bytes)
  }

  function advance(count: number): void {
    col += count
    if (col < cols) return
    flush()
    col = 0
    row++
  }

  function add(more: Float32Array, count: number): void {
    let from = 0
    while (from < count) {
      const take = Math.min(count - from, cols - col)
      values.set(more.subarray(from, from + take), col)
      from += take
      advance(take)
    }
  }

  let block = new Float32Array(0)
  return {
    scales,
    add,
    decode(codec, src, at) {
      if (cols - col >= codec.blockElems) {
        codec.decode(src, at, values, col)
        advance(codec.blockElems)
        return
      }
      if (block.length !== codec.blockElems) block = new Float32Array(codec.blockElems)
      codec.decode(src, at, block, 0)
      add(block, block.length)
    },
  }
}

/**
 * Rounds a row to int8: scale = max|w| / 127, q = round-half-even(w / scale), in f32.
 * @returns the scale, 0 for a row of zeros
 */
function quantizeRow(values: Float32Array, cols: number, max: number, out: Int8Array): number {
  const scale = Math.fround(max / 127)
  if (scale === 0) {
    out.fill(0) // a subnormal maximum, too: such a row is as good as zero
    return 0
  }
  if (scale >= 2 ** -126) {
    for (let c = 0; c < cols; c++) out[c] = Math.fround(values[c] / scale) + MAGIC - MAGIC
    return scale
  }
  // A subnormal scale may round far off: hence the limits.
  for (let c = 0; c < cols; c++) out[c] = roundWithin(Math.fround(values[c] / scale), -127, 127)
  return scale
}

function notFinite(name: string, values: Float32Array, row: number): RyzError {
  const column = values.findIndex(value => !Number.isFinite(value))
  return new RyzError(
    'BAD_WEIGHTS',
    `${name} holds ${values[column]} in row ${row}, column ${column}; the file is damaged`,
    { tensor: name, row },
  )
}

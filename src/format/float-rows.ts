// Rows of f32 values on their way to the i8, f16 or f32 layout, one row alive at a time. Called by
// transcode.ts.
import { RyzError } from '../errors.ts'
import { halfBits } from './codecs/half.ts'
import { FLAT_COLS } from './layout.ts'
import type { ByteSink } from './ternary.ts'

export interface RowWriter {
  /** Takes the next `count` values of the flat matrix. @throws RyzError BAD_WEIGHTS */
  add(values: Float32Array, count: number): void
  /** Scales of the i8 layout, f32 [rows]. */
  readonly scales: Float32Array | undefined
}

/** @param name of the tensor, for messages */
export function rowWriter(
  layout: 'i8' | 'f16' | 'f32',
  name: string,
  rows: number,
  cols: number,
  sink: ByteSink,
): RowWriter {
  const padded = Math.ceil(cols / FLAT_COLS) * FLAT_COLS
  const values = new Float32Array(padded)
  const scales = layout === 'i8' ? new Float32Array(rows) : undefined
  const i8 = new Int8Array(layout === 'i8' ? padded : 0)
  const f16 = new Uint16Array(layout === 'f16' ? padded : 0)
  const coded = layout === 'i8' ? i8 : layout === 'f16' ? f16 : values
  const bytes = new Uint8Array(coded.buffer)
  let row = 0
  let col = 0

  function flush(): void {
    for (let c = 0; c < cols; c++) {
      if (values[c] - values[c] !== 0) {
        throw new RyzError(
          'BAD_WEIGHTS',
          `${name} holds ${values[c]} in row ${row}, column ${c}; the file is damaged`,
          { tensor: name, row },
        )
      }
    }
    if (scales) scales[row] = quantizeRow(values, cols, i8)
    else if (layout === 'f16') for (let c = 0; c < cols; c++) f16[c] = halfBits(values[c])
    sink.write(row * bytes.length, bytes)
  }

  return {
    scales,
    add(more, count) {
      let from = 0
      while (from < count) {
        const take = Math.min(count - from, cols - col)
        values.set(more.subarray(from, from + take), col)
        from += take
        col += take
        if (col < cols) continue
        flush()
        col = 0
        row++
      }
    },
  }
}

/**
 * Rounds a row to int8: scale = max|w| / 127, q = round-half-even(w / scale), in f32.
 * @returns the scale, 0 for a row of zeros
 */
function quantizeRow(values: Float32Array, cols: number, out: Int8Array): number {
  let max = 0
  for (let c = 0; c < cols; c++) {
    const magnitude = Math.abs(values[c])
    if (magnitude > max) max = magnitude
  }
  const scale = Math.fround(max / 127)
  for (let c = 0; c < cols; c++) {
    // A subnormal scale may be 0 or round far off: such a row is as good as zero.
    const q = scale === 0 ? 0 : roundHalfEven(Math.fround(values[c] / scale))
    out[c] = q > 127 ? 127 : q < -127 ? -127 : q
  }
  return scale
}

/** Adding 1.5 * 2^52 leaves no fraction bits, rounded half to even; for |x| < 2^51. */
function roundHalfEven(x: number): number {
  const MAGIC = 6755399441055744
  return x + MAGIC - MAGIC
}

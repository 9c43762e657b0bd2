// One row of f32 values to the i4 layout (layout.ts). Called by float-rows.ts; row_to_i4 in kernels-cpp
// gives the same bytes.
import { I4_COLS } from './layout.ts'
import { roundWithin } from './rounding.ts'

const GROUPS = 4
const CODE_BYTES = 32

/**
 * Of each group of 16 columns, the value p that is largest in size (of equals the first one, by column mod 16,
 * then by column) becomes code -8: its step is p / -8. scale = max|w| / 8 / 127, the group's scale =
 * round-half-even(step / scale), code = round-half-even(w / (the group's scale * scale)), all in f32.
 * @param values f32 [cols], and zeros behind them
 * @param max    the largest magnitude
 * @param out    one row of the layout
 * @returns the row's scale
 */
export function quantizeRowI4(
  values: Float32Array,
  cols: number,
  max: number,
  out: Uint8Array,
): number {
  const f = Math.fround
  const scale = f(f(max / 8) / 127)
  const blocks = Math.ceil(cols / I4_COLS)
  out.fill(0)
  for (let block = 0; block < blocks; block++) {
    const first = block * I4_COLS
    for (let group = 0; group < GROUPS; group++) {
      const peak = peakOf(values, cols, first + 4 * group)
      const ratio = scale === 0 ? 0 : f(f(peak / -8) / scale)
      const factor = roundWithin(ratio, -127, 127)
      out[blocks * CODE_BYTES + block * GROUPS + group] = factor
      const step = f(factor * scale)
      for (let lane = 4 * group; lane < 4 * group + 4; lane++) {
        for (let part = 0; part < 4; part++) {
          const column = first + 16 * part + lane
          const value = column < cols && step !== 0 ? values[column] / step : 0
          const at = block * CODE_BYTES + (part >> 1) * 16 + lane
          out[at] |= (roundWithin(f(value), -8, 7) + 8) << (4 * (part & 1))
        }
      }
    }
  }
  return scale
}

/** @param first the group's first column, of its block's first 16 */
function peakOf(values: Float32Array, cols: number, first: number): number {
  let peak = 0
  for (let lane = first; lane < first + 4; lane++) {
    for (let column = lane; column < Math.min(lane + I4_COLS, cols); column += 16) {
      if (Math.abs(values[column]) > Math.abs(peak)) peak = values[column]
    }
  }
  return peak
}

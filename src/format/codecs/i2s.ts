// I2_S: one type id, four byte orders, one scale a tensor in the 32 bytes behind the codes. The file
// does not say which order it has: 'x86' is the published one, the others are an explicit option.
import { RyzError } from '../../errors.ts'
import type { I2sLayout } from '../../types/index.ts'
import type { TernaryCodec } from './codec.ts'

/** Bytes behind the codes; the first four are the f32 scale. */
export const I2S_TAIL = 32

/** Blocks of 4 * lanes elements: element group g (0..3) of `lanes` stands at bits 6 - 2g of its bytes. */
function interleaved(lanes: number): TernaryCodec {
  return {
    blockBytes: lanes,
    blockElems: lanes * 4,
    decode(src, at, codes, to) {
      for (let i = 0; i < lanes; i++) {
        const byte = src[at + i]
        codes[to + i] = byte >> 6
        codes[to + lanes + i] = (byte >> 4) & 3
        codes[to + lanes * 2 + i] = (byte >> 2) & 3
        codes[to + lanes * 3 + i] = byte & 3
      }
      return 1
    },
  }
}

/**
 * The codec of one byte order. Blocks run over the flat tensor, so a row may begin inside one.
 * @param cols inputs of the tensor; a block of 'rows4' is four whole rows
 * @throws RyzError BAD_TENSOR_INFO when whole blocks do not fill the tensor
 */
export function i2sCodec(
  layout: I2sLayout,
  name: string,
  rows: number,
  cols: number,
): TernaryCodec {
  const lanes = { x86: 32, arm: 16, rows4: cols, sequential: 1 }[layout]
  if ((rows * cols) % (lanes * 4) !== 0) {
    throw new RyzError(
      'BAD_TENSOR_INFO',
      `Tensor ${name} of ${rows} x ${cols} does not fill the blocks of ${lanes * 4} of I2_S layout '${layout}'; try another i2sLayout`,
      { tensor: name, layout },
    )
  }
  return interleaved(lanes)
}

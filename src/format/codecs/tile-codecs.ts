// The same 2-bit codes in another order: block types whose codes fill whole tiles of the t2 layout are moved
// a word at a time, never spread into bytes. Equal, bit for bit, to the plain codecs in ternary-blocks.ts and
// i2s.ts, which stay the truth for tests and serve every shape that does not fill tiles.
import { readHalf } from './half.ts'

export interface TileCodec {
  readonly blockBytes: number
  readonly blockElems: number
  /**
   * Writes the codes of one block: word w of its tile t goes to out[to + 16 * t + w].
   * @returns true when one of the codes is the impossible 3
   */
  shuffle(src: DataView, at: number, out: Uint32Array, to: number): boolean
  /** The scale of the block; absent where the tensor's scale stands elsewhere. */
  scale?(src: Uint8Array, at: number): number
}

/** Words of the 4 rows of a tile: the step from one tile of a row to the next. */
export const TILE_WORDS = 16

/** Both bits of some code in `word` are set, as bits of 0x55555555. */
const threes = (word: number) => word & (word >>> 1) & 0x55555555

/**
 * 32 bytes with 128 codes: byte k holds columns k, 32 + k, 64 + k, 96 + k, lowest bits first. A tile's byte
 * b holds columns b, b + 16, b + 32, b + 48: bytes b and 16 + b of the block hold two tiles' worth of them.
 */
function half128(src: DataView, at: number, out: Uint32Array, to: number): number {
  let bad = 0
  for (let w = 0; w < 4; w++) {
    const a = src.getUint32(at + 4 * w, true)
    const b = src.getUint32(at + 16 + 4 * w, true)
    bad |= threes(a) | threes(b)
    out[to + w] =
      (a & 0x03030303) | ((b & 0x03030303) << 2) | ((a & 0x0c0c0c0c) << 2) | ((b & 0x0c0c0c0c) << 4)
    out[to + TILE_WORDS + w] =
      ((a >>> 4) & 0x03030303) |
      ((b >>> 2) & 0x0c0c0c0c) |
      ((a >>> 2) & 0x30303030) |
      (b & 0xc0c0c0c0)
  }
  return bad
}

/** TQ2_0: two such halves, then the f16 scale. */
export const TQ2_0_TILES: TileCodec = {
  blockBytes: 66,
  blockElems: 256,
  shuffle(src, at, out, to) {
    const low = half128(src, at, out, to)
    return (low | half128(src, at + 32, out, to + 2 * TILE_WORDS)) !== 0
  },
  scale: (src, at) => readHalf(src, at + 64),
}

/** I2_S 'x86': as a half of TQ2_0, but with the first columns in the highest bits. */
export const I2S_X86_TILES: TileCodec = {
  blockBytes: 32,
  blockElems: 128,
  shuffle(src, at, out, to) {
    let bad = 0
    for (let w = 0; w < 4; w++) {
      const a = src.getUint32(at + 4 * w, true)
      const b = src.getUint32(at + 16 + 4 * w, true)
      bad |= threes(a) | threes(b)
      out[to + w] =
        ((a >>> 6) & 0x03030303) |
        ((b >>> 4) & 0x0c0c0c0c) |
        (a & 0x30303030) |
        ((b << 2) & 0xc0c0c0c0)
      out[to + TILE_WORDS + w] =
        ((a >>> 2) & 0x03030303) |
        (b & 0x0c0c0c0c) |
        ((a << 4) & 0x30303030) |
        ((b << 6) & 0xc0c0c0c0)
    }
    return bad !== 0
  },
}

// Blocks of a tile codec on their way to the t2 layout: four rows of tiles are alive at a time. The fast way
// beside t2Packer (ternary.ts), for matrices whose rows are whole blocks. Called by transcode.ts.
import { TILE_WORDS, type TileCodec } from '../codecs/tile-codecs.ts'
import type { ByteSink } from '../ternary.ts'
import { T2_COLS, T2_ROWS } from './layout.ts'

/** Four codes 1 in every byte: what padding and blocks of scale 0 hold. */
const ALL_ONES = 0x55555555
const ROW_WORDS = TILE_WORDS / T2_ROWS

/** Takes the blocks of a matrix in order; returns true when a code is the impossible 3. */
export type TileWriter = (src: Uint8Array, at: number, zero: boolean) => boolean

/** True when the rows of a matrix are whole blocks of the codec. */
export function fillsTiles(codec: TileCodec, cols: number): boolean {
  return cols % codec.blockElems === 0
}

/** @param zero of the writer: the scale of the block is 0, so its codes do not matter */
export function tileWriter(
  codec: TileCodec,
  rows: number,
  cols: number,
  sink: ByteSink,
): TileWriter {
  const blocks = cols / codec.blockElems
  const tiles = codec.blockElems / T2_COLS
  const group = new Uint32Array((cols / T2_COLS) * TILE_WORDS).fill(ALL_ONES)
  const bytes = new Uint8Array(group.buffer)
  let piece: Uint8Array | undefined
  let view: DataView = new DataView(bytes.buffer)
  let row = 0
  let block = 0
  return (src, at, zero) => {
    if (src !== piece) {
      piece = src
      view = new DataView(src.buffer, src.byteOffset, src.byteLength)
    }
    const to = block * tiles * TILE_WORDS + (row % T2_ROWS) * ROW_WORDS
    let bad = false
    if (zero) {
      for (let t = 0; t < tiles; t++) {
        group.fill(ALL_ONES, to + t * TILE_WORDS, to + t * TILE_WORDS + ROW_WORDS)
      }
    } else bad = codec.shuffle(view, at, group, to)
    if (++block === blocks) {
      block = 0
      row++
      if (row % T2_ROWS === 0 || row === rows) {
        sink.write(Math.floor((row - 1) / T2_ROWS) * bytes.length, bytes)
        group.fill(ALL_ONES)
      }
    }
    return bad
  }
}

// Canonical ternary codes on their way to the t2 layout: packing rows of codes into tiles, and bringing
// block scales down to one a row where that loses nothing. Bit orders of files are in codecs/; the tile
// order is in layout.ts. Called by transcode.ts.
import { T2_COLS, T2_ROWS } from './layouts/layout.ts'

/** Where a transcoder writes; the bytes are copied before write returns. */
export interface ByteSink {
  write(offset: number, bytes: Uint8Array): void
}

export interface T2Packer {
  /** Takes the next `count` codes of the flat matrix, row after row. */
  add(codes: Uint8Array, count: number): void
  /** Writes the last rows; false when codes are missing. */
  end(): boolean
}

/** Packs codes into tiles; holds four rows. */
export function t2Packer(rows: number, cols: number, sink: ByteSink): T2Packer {
  const padded = Math.ceil(cols / T2_COLS) * T2_COLS
  const group = new Uint8Array(T2_ROWS * padded).fill(1)
  const packed = new Uint8Array(group.length / 4)
  let row = 0
  let col = 0

  function flush(): void {
    packTiles(group, padded, packed)
    sink.write(Math.floor((row - 1) / T2_ROWS) * packed.length, packed)
    group.fill(1)
  }

  return {
    add(codes, count) {
      let from = 0
      while (from < count) {
        const take = Math.min(count - from, cols - col)
        group.set(codes.subarray(from, from + take), (row % T2_ROWS) * padded + col)
        from += take
        col += take
        if (col === cols) {
          col = 0
          row++
          if (row % T2_ROWS === 0 || row === rows) flush()
        }
      }
    },
    end: () => row === rows && col === 0,
  }
}

/** Four rows of `padded` codes to tiles of 64 columns: byte b holds columns b, b+16, b+32, b+48. */
function packTiles(group: Uint8Array, padded: number, packed: Uint8Array): void {
  let out = 0
  for (let tile = 0; tile < padded; tile += T2_COLS) {
    for (let r = 0; r < T2_ROWS; r++) {
      const from = r * padded + tile
      for (let b = from; b < from + 16; b++) {
        packed[out++] =
          group[b] | (group[b + 16] << 2) | (group[b + 32] << 4) | (group[b + 48] << 6)
      }
    }
  }
}

/**
 * One scale a row, if the non-zero block scales of every row are equal (blocks of scale 0 hold only
 * code 1, so any scale serves them); undefined when a row truly mixes scales.
 */
export function rowScales(blockScales: Float32Array, rows: number): Float32Array | undefined {
  const perRow = blockScales.length / rows
  const scales = new Float32Array(rows)
  for (let r = 0; r < rows; r++) {
    let scale = 0
    for (let b = r * perRow; b < (r + 1) * perRow; b++) {
      const s = blockScales[b]
      if (s === 0) continue
      if (scale !== 0 && s !== scale) return undefined
      scale = s
    }
    scales[r] = scale
  }
  return scales
}

// Rows of a file that a backend moves to their layout itself, faster than JavaScript can and with the same
// bytes: the seam between transcode.ts, which checks and names errors, and backend/wasm/mover.ts.

/** File types that can be moved so; I2_S is the 128-interleave without its tail. */
export type MoverSource = 'TQ2_0' | 'I2_S' | 'Q6_K' | 'Q8_0' | 'F16'

/** Where they go: ternary types to t2, the others to i8 or i4. */
export type MoverLayout = 't2' | 'i8' | 'i4'

/** Moves the rows of one matrix; used by one tensor at a time. */
export interface RowMover {
  /** Bytes of the next rows go here, from the front; a whole number of rows, and of rows of tiles. */
  readonly stage: Uint8Array
  /**
   * Moves `count` rows from the front of `stage` to row `first` and on; all that fit but at the end.
   * @returns their scales, valid until the next call (none for I2_S); undefined when a value is impossible
   */
  move(first: number, count: number): Float32Array | undefined
}

const BLOCKS: Readonly<Record<MoverSource, readonly [elements: number, bytes: number]>> = {
  TQ2_0: [256, 66],
  I2_S: [128, 32],
  Q6_K: [256, 210],
  Q8_0: [32, 34],
  F16: [16, 32],
}

/** File bytes of a row; undefined where rows are not whole blocks. */
export function moverRowBytes(source: MoverSource, cols: number): number | undefined {
  const [elements, bytes] = BLOCKS[source]
  return cols > 0 && cols % elements === 0 ? (cols / elements) * bytes : undefined
}

/** Scales that a row of the file carries. */
export function moverRowScales(source: MoverSource, cols: number): number {
  return source === 'TQ2_0' ? cols / 256 : source === 'I2_S' ? 0 : 1
}

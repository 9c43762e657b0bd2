// A tensor's bytes through a RowMover: laid into its stage until that is full, then moved. Called by
// transcode.ts for what a backend moves itself.
import type { RowMover } from './row-mover.ts'

/** What becomes of the rows. */
export interface MovedRows {
  /** Scales of the rows from `first` on; a view. */
  readonly keep: (scales: Float32Array, first: number) => void
  /** Throws what is wrong with these rows of the file. */
  readonly explain: (rows: Uint8Array, first: number) => never
}

/** Takes the bytes of `rows` rows, split anyhow. */
export function movedRows(
  mover: RowMover,
  rows: number,
  rowBytes: number,
  { keep, explain }: MovedRows,
): (bytes: Uint8Array) => void {
  const { stage } = mover
  let held = 0
  let row = 0
  return bytes => {
    for (let at = 0; at < bytes.length; ) {
      const room = Math.min(stage.length, (rows - row) * rowBytes)
      const take = Math.min(room - held, bytes.length - at)
      if (take === 0) return // more than the tensor: counted elsewhere
      stage.set(bytes.subarray(at, at + take), held)
      held += take
      at += take
      if (held < room) continue
      const scales = mover.move(row, held / rowBytes)
      if (scales === undefined) explain(stage.slice(0, held), row)
      else keep(scales, row)
      row += held / rowBytes
      held = 0
    }
  }
}

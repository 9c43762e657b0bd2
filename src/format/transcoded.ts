// What a tensor became on its way into memory. Given by the transcoders, read by model/load-weights.ts.
import type { LayoutId } from './layouts/layout.ts'

export interface Transcoded {
  readonly layout: LayoutId
  /** f32 [rows], or (t2) [rows][ceil(cols / scaleBlock)]; absent for f16 and f32. */
  readonly scales?: Float32Array
  readonly scaleBlock: 0 | 64 | 128 | 256
  /** Something worth telling in stats(). */
  readonly note?: string
}

// What a step of one row has to read from device memory, by its ops: every weight once, and of the KV cache a token of
// each layer for every token it looks back at. What is read again from caches is not counted. Told in stats().gpu.
import type { AttendSpec, Linear, Matrix } from '../backend.ts'
import { KV_BLOCK, kvHeadBytes, layoutBytes } from '../backend.ts'
import type { Reads } from './dispatch.ts'
import type { PlacedRouter, RoutedOperands } from './expert-stacks.ts'
import type { OpNode } from './trace.ts'

/** Of a path of ops with one row. */
export function readsOf(path: readonly OpNode[]): Reads {
  let [weightBytes, kvTokenBytes, used] = [0, 0, 0]
  for (const op of path) {
    if (op.kind === 'linear') weightBytes += bytesOf((op.c as Linear).parts)
    else if (op.kind === 'route') used = (op.c as PlacedRouter).used
    else if (op.kind === 'routed') {
      // Experts of a layer are of one size.
      const [expert = []] = (op.c as RoutedOperands).w.experts
      weightBytes += used * bytesOf(expert)
    } else if (op.kind === 'embed') {
      const table = op.b as Matrix
      weightBytes += Math.round(bytesOf([table]) / table.rows)
    } else if (op.kind === 'attend') {
      const { kv, kvHeads, headDim } = op.c as AttendSpec
      kvTokenBytes += (kvHeads * kvHeadBytes(kv.type, headDim)) / KV_BLOCK
    }
  }
  return { weightBytes, kvTokenBytes }
}

function bytesOf(matrices: readonly Matrix[]): number {
  return matrices.reduce(
    (sum, { layout, rows, cols, scales }) =>
      sum + layoutBytes(layout, rows, cols) + (scales?.bytes ?? 0),
    0,
  )
}

// What a dispatch, a wait and a byte cost on a device, measured: many small dispatches in one step against one, reads
// of nothing, and a pass over more than caches hold. Used by measure.ts.
import type { Gpu } from '../../src/backend/webgpu/device.ts'
import { createWebGpuBackend } from '../../src/backend/webgpu/webgpu-backend.ts'
import { median } from './network.ts'
import type { CostFigures } from './report.ts'

const MANY = 500
const ELEMENTS = 2 ** 24

export async function costsOf(gpu: Gpu): Promise<CostFigures> {
  const limits = { maxRows: 8, maxContext: 32, maxCols: 64 }
  const backend = createWebGpuBackend({ gpu, limits })
  const small = [backend.alloc(256, 'small'), backend.alloc(256, 'small')] as const
  const large = [
    backend.alloc(4 * ELEMENTS, 'large'),
    backend.alloc(4 * ELEMENTS, 'large'),
  ] as const
  await backend.settle(true)
  const adds = async (count: number, [out, x]: typeof small, elements: number) => {
    for (let i = 0; i < count; i++) backend.add(out, x, elements)
    await backend.read(out, 0, 1)
  }
  const wait_ms = await median(15, () => backend.answer())
  const few = await median(9, () => adds(1, small, 64))
  const many = await median(9, () => adds(1 + MANY, small, 64))
  const once = await median(5, () => adds(1, large, ELEMENTS))
  const more = await median(5, () => adds(9, large, ELEMENTS))
  backend.close()
  return {
    wait_ms,
    dispatch_us: (1000 * (many - few)) / MANY,
    // Two reads and a write an element.
    bandwidth_gb_s: (8 * 12 * ELEMENTS) / (1e6 * (more - once)),
  }
}

// A small golden model straight on a backend of the GPU, without the load sequence: for tests that look at its plans.
import type { Backend } from '../../../src/backend/backend.ts'
import type { Gpu } from '../../../src/backend/webgpu/device.ts'
import type { Form } from '../../../src/backend/webgpu/forms.ts'
import { createWebGpuBackend } from '../../../src/backend/webgpu/webgpu-backend.ts'
import { openModel } from '../../../src/format/open.ts'
import { readConfig } from '../../../src/model/config.ts'
import { loadWeights } from '../../../src/model/load-weights.ts'
import { BackendNetwork, type NetworkOptions } from '../../../src/model/run-network.ts'
import { CASES, caseFiles } from '../../golden/load.ts'

export const CONTEXT = 64
export const KV = 'f16'

interface CaseOptions {
  readonly maxRows: number
  readonly fuse?: boolean
  readonly form?: Form
}

/** Poured; the network is made by run(), on the backend or on what wraps it. */
export async function openCase(name: string, gpu: Gpu, { maxRows, ...how }: CaseOptions) {
  const file = await openModel(caseFiles(CASES.find(c => c.name === name)!)[0]!, {})
  const config = readConfig(file)
  const { used, shared } = config.experts ?? {}
  const maxCols = Math.max(config.hidden, config.ffn, shared?.ffn ?? 0)
  const limits = { maxRows, maxContext: CONTEXT, maxCols, ...(used && { routed: used }) }
  const backend = createWebGpuBackend({ gpu, limits, ...how })
  const { weights } = await loadWeights(file, config, backend, { head: 'int8', i2sLayout: 'x86' })
  const run = (on: Backend = backend, extra: Pick<NetworkOptions, 'repair'> = {}) =>
    new BackendNetwork(config, on, weights, {
      activations: 'int8',
      strict: false,
      kv: KV,
      kvBlocks: 4,
      contextLength: CONTEXT,
      maxRows,
      wantedRows: 4,
      ...extra,
    })
  return { config, limits, backend, run }
}

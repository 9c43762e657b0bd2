// The engine worker's entry: the one place that names concrete backends. Everything else arrives
// through interfaces. Bundled as worker.js; the page talks to it through protocol.ts.
import { expose } from 'comlink'
import { createReferenceBackend } from '../backend/reference/reference-backend.ts'
import { kernelUrl } from '../backend/wasm/urls.ts'
import { createWasmBackend, scratchBytes } from '../backend/wasm/wasm-backend.ts'
import { type BackendFactory, openEngineParts } from '../engine/open-backend.ts'
import { RyzError } from '../errors.ts'
import { detectFeatures } from '../features.ts'
import { createEngineApi } from './engine-api.ts'
import { ladder, type Rung } from './ladder.ts'
import { installErrorWire } from './protocol.ts'

/** The kernels of a rung: a few kilobytes beside this file. */
async function fetchKernels(url: URL): Promise<ArrayBuffer> {
  const response = await fetch(url)
  if (!response.ok) {
    throw new RyzError(
      'NETWORK',
      `${url.href} answered ${response.status}; serve the .wasm files of the package beside its worker.js`,
      {
        status: response.status,
      },
    )
  }
  return response.arrayBuffer()
}

function factoryOf(rung: Rung): BackendFactory {
  const { threads, variant } = rung
  if (variant === 'typescript') {
    return {
      ...rung,
      scratchBytes: () => 0,
      create: async (memoryBytes, limits) => createReferenceBackend({ memoryBytes, limits }),
    }
  }
  return {
    ...rung,
    scratchBytes: limits => scratchBytes(limits, threads),
    async create(memoryBytes, limits) {
      const wasm = await fetchKernels(kernelUrl(variant, threads))
      return createWasmBackend({ variant, threads, memoryBytes, limits, wasm })
    },
  }
}

installErrorWire()
expose(
  createEngineApi(async (source, options, hooks) => {
    const rungs = ladder(await detectFeatures(), options)
    return openEngineParts(source, options, hooks, rungs.map(factoryOf))
  }),
)

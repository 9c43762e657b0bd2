// The WASM rungs of the ladder in Node: kernels from build/wasm, pool workers as worker_threads.
import { type BackendFactory, EXACT, kernelPath } from '../src/backend/factory.ts'
import {
  createWasmBackend,
  scratchBytes,
  type WasmBackendOptions,
} from '../src/backend/wasm/open-backend.ts'
import type { KernelVariant } from '../src/types/index.ts'
import { kernelModule, nodeSpawner } from './node-pool.ts'

/** What a caller may set of the pool; as in the package where it says nothing. */
export type PoolOptions = Pick<WasmBackendOptions, 'adapts' | 'aloneNs' | 'cores' | 'fixed'>

/** One kernel build on a number of threads. */
export function nodeKernels(
  variant: KernelVariant,
  threads: number,
  pool: PoolOptions = {},
): BackendFactory {
  return {
    path: kernelPath(variant, threads),
    traits: EXACT,
    scratchBytes: limits => scratchBytes(limits, threads),
    create: async (memoryBytes, limits) => {
      const { spawn } = await nodeSpawner()
      const wasm = kernelModule(variant, threads > 1)
      return createWasmBackend({ variant, threads, memoryBytes, limits, wasm, spawn, ...pool })
    },
  }
}

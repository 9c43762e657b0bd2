// The WASM rungs of the ladder in Node: kernels from build/wasm, pool workers as worker_threads.

import { type BackendFactory, EXACT, kernelPath } from '../../src/backend/factory.ts'
import {
  createWasmBackend,
  scratchBytes,
  type WasmBackendOptions,
} from '../../src/backend/wasm/open-backend.ts'
import type { KernelVariant } from '../../src/types/index.ts'
import { kernelModule, nodeSpawner } from '../../tools/node-pool.ts'

/**
 * One kernel build on a number of threads.
 * @param more  of the pool; all threads work where it says nothing
 */
export function wasmFactory(
  variant: KernelVariant,
  threads: number,
  more: Pick<WasmBackendOptions, 'adapts' | 'aloneNs' | 'cores'> = {},
): BackendFactory {
  return {
    path: kernelPath(variant, threads),
    traits: EXACT,
    scratchBytes: limits => scratchBytes(limits, threads),
    create: async (memoryBytes, limits) => {
      const { spawn } = await nodeSpawner()
      const wasm = kernelModule(variant, threads > 1)
      const pool = { aloneNs: 0, adapts: false, ...more }
      return createWasmBackend({ variant, threads, memoryBytes, limits, wasm, spawn, ...pool })
    },
  }
}

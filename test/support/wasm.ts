// The WASM rungs of the ladder in Node with a pool that does the same in every run.
import type { BackendFactory } from '../../src/backend/factory.ts'
import type { KernelVariant } from '../../src/types/index.ts'
import { nodeKernels, type PoolOptions } from '../../tools/node-kernels.ts'

/**
 * One kernel build on a number of threads.
 * @param more  of the pool; all threads work where it says nothing
 */
export function wasmFactory(
  variant: KernelVariant,
  threads: number,
  more: PoolOptions = {},
): BackendFactory {
  return nodeKernels(variant, threads, { aloneNs: 0, adapts: false, ...more })
}

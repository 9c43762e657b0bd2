// Where the kernels and the pool worker stand beside the built library. The names are placeholders
// that vite.config.ts turns into `new URL('./x', import.meta.url)`; they exist in built code only.
import type { KernelVariant } from '../../types/index.ts'

declare const __RYZ_URL_pool_worker_js__: URL
declare const __RYZ_URL_ryz_relaxed_mt_wasm__: URL
declare const __RYZ_URL_ryz_relaxed_st_wasm__: URL
declare const __RYZ_URL_ryz_simd128_mt_wasm__: URL
declare const __RYZ_URL_ryz_simd128_st_wasm__: URL
declare const __RYZ_URL_ryz_scalar_mt_wasm__: URL
declare const __RYZ_URL_ryz_scalar_st_wasm__: URL

/** The kernel module of a variant: the threaded build, or the single-thread one for 1 thread. */
export function kernelUrl(variant: KernelVariant, threads: number): URL {
  const threaded = threads > 1
  switch (variant) {
    case 'relaxed':
    case 'relaxed-i32':
      return threaded ? __RYZ_URL_ryz_relaxed_mt_wasm__ : __RYZ_URL_ryz_relaxed_st_wasm__
    case 'simd128':
      return threaded ? __RYZ_URL_ryz_simd128_mt_wasm__ : __RYZ_URL_ryz_simd128_st_wasm__
    case 'scalar':
      return threaded ? __RYZ_URL_ryz_scalar_mt_wasm__ : __RYZ_URL_ryz_scalar_st_wasm__
    default:
      return variant satisfies never
  }
}

/** Starts the script of a pool worker. */
export function startPoolWorker(): Worker {
  return new Worker(__RYZ_URL_pool_worker_js__, { type: 'module' })
}

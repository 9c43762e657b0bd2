// The order in which backends are tried, from what this browser can do and what the caller asked for.
// A rung that cannot be used here is listed with its reason, so that stats() can name it. Knows names
// only; main.ts binds them to code.
import type { Features } from '../features.ts'
import type { ExecutionPath, KernelVariant, LoadOptions } from '../types/index.ts'

/** One way to run. */
export interface Rung {
  readonly path: ExecutionPath
  /** Why it cannot be used here; absent when it can. */
  readonly unavailable?: string
}

/** More threads share one memory bus: automatic choice stops here. */
const AUTO_THREADS = 16

/**
 * The GPU where it is asked for; relaxed, then simd128, on all threads; the same on one; then TypeScript. Options narrow it: a named
 * variant or backend is the only one of its kind, and a number of threads replaces "all".
 */
export function ladder(
  features: Features,
  options: Pick<LoadOptions, 'backend' | 'variant' | 'threads'>,
): Rung[] {
  const { backend = 'auto', variant = 'auto', threads = 'auto' } = options
  const rungs: Rung[] = []
  // Whether there is one is found when it is opened: nobody is asked for an adapter before.
  if (backend === 'webgpu') rungs.push({ path: { backend: 'webgpu', adapter: '' } })
  if (backend !== 'reference') {
    const variants: KernelVariant[] = variant === 'auto' ? ['relaxed', 'simd128'] : [variant]
    const many = threads === 'auto' ? Math.min(features.cores, AUTO_THREADS) : threads
    const add = (kernel: KernelVariant, count: number): void => {
      const unavailable = whyNot(features, kernel, count)
      rungs.push({
        path: { backend: 'wasm', variant: kernel, threads: count },
        ...(unavailable && { unavailable }),
      })
    }
    if (many > 1) {
      // Without threads here, one rung says so for all variants.
      const tried = features.threads ? variants : variants.slice(0, 1)
      for (const kernel of tried) add(kernel, many)
    }
    for (const kernel of variants) add(kernel, 1)
  }
  if (backend !== 'wasm') rungs.push({ path: { backend: 'reference' } })
  return rungs
}

function whyNot(features: Features, variant: KernelVariant, threads: number): string | undefined {
  if (!features.wasm) return features.wasmBlocked ?? 'this browser has no WebAssembly'
  if (threads > 1 && !features.threads) {
    if (!features.crossOriginIsolated) {
      return 'the page is not cross-origin isolated; send the COOP and COEP headers for threads'
    }
    return 'this browser has no shared WebAssembly memory'
  }
  if (variant.startsWith('relaxed') && !features.relaxedSimd)
    return 'this browser has no relaxed SIMD'
  if (variant === 'simd128' && !features.simd) return 'this browser has no WebAssembly SIMD'
  return undefined
}

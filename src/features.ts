// What this browser (or Node) can do, as plain data: worker/main.ts picks a backend from it and
// stats() explains the choice. Probes by wasm bytes, never by user agent. Depends on nothing.
import { relaxedSimd, simd, threads } from 'wasm-feature-detect'

/** Of this package; what is kept across loads and shared between tabs is bound to it. */
export const PACKAGE_VERSION = '0.1.0'

export interface Features {
  /** WebAssembly itself; everything below is false without it. */
  readonly wasm: boolean
  readonly simd: boolean
  readonly relaxedSimd: boolean
  /** Wasm atomics, a shared memory that can be made here, and (in a browser) cross-origin isolation. */
  readonly threads: boolean
  /** The page sent COOP and COEP; true outside browsers. */
  readonly crossOriginIsolated: boolean
  readonly sharedArrayBuffer: boolean
  /** crypto.subtle: absent on plain http. */
  readonly subtle: boolean
  readonly indexedDb: boolean
  /** Logical cores, at least 1. */
  readonly cores: number
}

/** Probes once; cheap (tiny modules are validated, nothing is compiled or downloaded). */
export async function detectFeatures(): Promise<Features> {
  const wasm = typeof WebAssembly === 'object'
  const sharedArrayBuffer = typeof SharedArrayBuffer === 'function'
  // Node has no such flag and no such restriction.
  const isolated = globalThis.crossOriginIsolated ?? typeof process === 'object'
  const [hasSimd, hasRelaxed, hasThreads] = wasm
    ? await Promise.all([simd(), relaxedSimd(), threads()])
    : [false, false, false]
  return {
    wasm,
    simd: hasSimd,
    relaxedSimd: hasSimd && hasRelaxed,
    // Both conditions: WebKitGTK reports isolation but has no SharedArrayBuffer.
    threads: hasThreads && isolated && sharedArrayBuffer,
    crossOriginIsolated: isolated,
    sharedArrayBuffer,
    subtle: typeof globalThis.crypto?.subtle === 'object',
    indexedDb: typeof globalThis.indexedDB === 'object' && globalThis.indexedDB !== null,
    cores: Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1),
  }
}

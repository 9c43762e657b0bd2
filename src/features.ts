// What this browser (or Node) can do, as plain data: worker/main.ts picks a backend from it and
// stats() explains the choice. Probes by wasm bytes, never by user agent. Depends on nothing.
import { relaxedSimd, simd, threads } from 'wasm-feature-detect'

/** Of this package; what is kept across loads and shared between tabs is bound to it. */
export const PACKAGE_VERSION = '0.1.0'

export interface Features {
  /** WebAssembly itself, and leave to compile it; everything below is false without it. */
  readonly wasm: boolean
  /** Why WebAssembly, which is there, may not be compiled; absent when it may, or is not there. */
  readonly wasmBlocked?: string
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

/** Probes once; cheap (tiny modules are validated, an empty one is compiled, nothing is downloaded). */
export async function detectFeatures(): Promise<Features> {
  const wasmBlocked = typeof WebAssembly === 'object' ? await whyNoCompiling() : undefined
  const wasm = typeof WebAssembly === 'object' && wasmBlocked === undefined
  const sharedArrayBuffer = typeof SharedArrayBuffer === 'function'
  // Node has no such flag and no such restriction.
  const isolated = globalThis.crossOriginIsolated ?? typeof process === 'object'
  const [hasSimd, hasRelaxed, hasThreads] = wasm
    ? await Promise.all([simd(), relaxedSimd(), threads()])
    : [false, false, false]
  return {
    wasm,
    ...(wasmBlocked !== undefined && { wasmBlocked }),
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

/** Magic and version: a module with nothing in it. */
const EMPTY_MODULE = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00)

/**
 * Validating is always allowed; compiling is what a Content-Security-Policy forbids.
 * @returns undefined when it is allowed
 */
export async function whyNoCompiling(): Promise<string | undefined> {
  try {
    await WebAssembly.compile(EMPTY_MODULE)
    return undefined
  } catch (caught) {
    const why = caught instanceof Error ? caught.message : String(caught)
    const policy = /unsafe-eval|content security policy|\bcsp\b/i.test(why)
    return policy
      ? "the Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src, for worker.js too"
      : `this browser does not compile WebAssembly (${why})`
  }
}

// Measures one kernel build at one thread count on random weights of a model's shape, on a small
// WasmBackend of its own. Says nothing about which is best: engine/load/calibrate.ts chooses. Called by
// worker/main.ts while a model loads.
import type { KernelRates, KernelVariant } from '../../types/index.ts'
import type { BackendLimits, LayoutId, Slot } from '../backend.ts'
import { layoutBytes } from '../backend.ts'
import { createWasmBackend, scratchBytes } from './open-backend.ts'
import type { SpawnPoolWorker } from './pool.ts'
import type { WasmBackend } from './wasm-backend.ts'

export interface MeasureOptions {
  /** Of one build; they differ in the products of few tokens. */
  readonly variants: readonly KernelVariant[]
  /** This one included. */
  readonly threads: number
  readonly wasm: WebAssembly.Module | BufferSource
  /** Input width of the matrices. */
  readonly cols: number
  readonly headLayout: 'i8' | 'i4'
  readonly spawn?: SpawnPoolWorker
  /** Milliseconds; a test may hand in its own. */
  readonly now?: () => number
}

/**
 * Read by GEMV and head alike: larger than second-level caches, small enough that the four or five of a
 * calibration, not yet collected, do not show in the page's peak (20 MiB each made it 75 MB higher).
 */
const WEIGHT_BYTES = 10 * 2 ** 20
/** Compute bound at 32 rows: needs no more than a fraction. Also what kernels are warmed on. */
const SMALL_BYTES = 2 ** 19
const GEMM_ROWS = 32

/** Each kernel until V8 finds it worth optimising, then a pause in which its own threads do so. */
const WARM_MS = 6
const PAUSE_MS = 12
const SAMPLE_MS = 10
/** A median of at least 5: two stalls of any length do not move it. */
const MIN_SAMPLES = 5

/**
 * About 0.1 s and 12 MB, given back before it returns.
 * @throws RyzError whatever keeps this build from starting
 */
export async function measureKernels(options: MeasureOptions): Promise<KernelRates[]> {
  const { variants, threads, cols, headLayout } = options
  const now = options.now ?? (() => performance.now())
  const limits: BackendLimits = { maxRows: GEMM_ROWS, maxContext: 32, maxCols: cols }
  const rows = {
    gemv: rowsOf('t2', WEIGHT_BYTES, cols),
    gemm: rowsOf('t2', SMALL_BYTES, cols),
    head: rowsOf(headLayout, WEIGHT_BYTES, cols),
    smallHead: rowsOf(headLayout, SMALL_BYTES, cols),
  }
  const most = Math.max(rows.gemv, rows.head)
  const weightBytes = Math.max(
    layoutBytes('t2', rows.gemv, cols),
    layoutBytes(headLayout, rows.head, cols),
  )
  const outValues = Math.max(most, GEMM_ROWS * rows.gemm)
  const backend = await createWasmBackend({
    variant: variants[0]!,
    threads,
    limits,
    wasm: options.wasm,
    memoryBytes:
      scratchBytes(limits, threads) +
      weightBytes +
      4 * (most + GEMM_ROWS * cols + outValues) +
      65536,
    spawn: options.spawn,
  })
  try {
    const x = backend.alloc(4 * GEMM_ROWS * cols, 'calibration input')
    fill(backend, x, activations())
    const out = backend.alloc(4 * outValues, 'calibration output')
    const weights = backend.alloc(weightBytes, 'calibration weights')
    fill(backend, weights, codes())
    const scales = backend.alloc(4 * most, 'calibration scales')
    fill(backend, scales, new Uint8Array(new Float32Array(256).fill(0.5).buffer))
    const linear = (layout: LayoutId, count: number, matrixRows: number) => {
      const w = backend.stack([{ layout, rows: matrixRows, cols, weights, scales, scaleBlock: 0 }])
      return () => backend.linear(out, x, w, count, 'int8')
    }
    const gemm = linear('t2', GEMM_ROWS, rows.gemm)
    const smallGemv = linear('t2', 1, rows.gemm)
    const smallHead = linear(headLayout, 1, rows.smallHead)
    repeat(gemm, 3, WARM_MS, now)
    for (const variant of variants) {
      backend.useDots(variant)
      for (const run of [smallGemv, smallHead]) repeat(run, 3, WARM_MS, now)
    }
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
    const gemv = linear('t2', 1, rows.gemv)
    const gemmMs = medianMs(gemm, now)
    const head = linear(headLayout, 1, rows.head)
    return variants.map(variant => {
      backend.useDots(variant)
      return {
        variant,
        threads,
        gemvBytesPerSecond: (layoutBytes('t2', rows.gemv, cols) / medianMs(gemv, now)) * 1000,
        gemmMacsPerSecond: ((GEMM_ROWS * rows.gemm * cols) / gemmMs) * 1000,
        headBytesPerSecond: (layoutBytes(headLayout, rows.head, cols) / medianMs(head, now)) * 1000,
      }
    })
  } finally {
    backend.close()
  }
}

/** Calls until both limits are reached. */
function repeat(run: () => void, calls: number, ms: number, now: () => number): void {
  const began = now()
  for (let done = 0; done < calls || now() - began < ms; done++) run()
}

/** Milliseconds of one call: the median of at least 5, the first ones left out. */
export function medianMs(run: () => void, now: () => number): number {
  repeat(run, 2, 1, now)
  const samples: number[] = []
  const timed = () => {
    const before = now()
    run()
    samples.push(now() - before)
  }
  repeat(timed, MIN_SAMPLES, SAMPLE_MS, now)
  samples.sort((a, b) => a - b)
  // Clocks may be as coarse as 0.1 ms.
  return Math.max(samples[samples.length >> 1]!, 1e-3)
}

function rowsOf(layout: LayoutId, bytes: number, cols: number): number {
  return Math.max(64, Math.floor(bytes / layoutBytes(layout, 4, cols)) * 4)
}

/** Repeats the pattern over the slot. */
function fill(backend: WasmBackend, slot: Slot, pattern: Uint8Array): void {
  const sink = backend.writer(slot)
  for (let at = 0; at < slot.bytes; at += pattern.length) {
    sink.write(at, pattern.subarray(0, Math.min(pattern.length, slot.bytes - at)))
  }
}

const PATTERN_BYTES = 65536

/** xorshift32 (Marsaglia 2003): the same bytes every time. */
function noise(): Uint8Array {
  let state = 0x9e3779b9
  return Uint8Array.from({ length: PATTERN_BYTES }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 24
  })
}

/** Four codes of 0, 1 or 2 a byte. */
function codes(): Uint8Array {
  return noise().map(byte => {
    const at = byte % 81
    const third = Math.floor(at / 9)
    return (
      (at % 3) | ((Math.floor(at / 3) % 3) << 2) | ((third % 3) << 4) | (Math.floor(third / 3) << 6)
    )
  })
}

/** f32 values between -1 and 1. */
function activations(): Uint8Array {
  const values = Float32Array.from(noise().subarray(0, PATTERN_BYTES / 4), byte => byte / 128 - 1)
  return new Uint8Array(values.buffer)
}

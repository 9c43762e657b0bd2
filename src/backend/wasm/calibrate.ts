// Measures one kernel build at one thread count on random weights of a model's shape, on a small
// WasmBackend of its own. Says nothing about which is best: engine/calibrate.ts chooses. Called by
// worker/main.ts while a model loads.
import type { KernelRates, KernelVariant } from '../../types.ts'
import type { BackendLimits, LayoutId, Linear, Matrix, Slot } from '../backend.ts'
import { layoutBytes } from '../backend.ts'
import type { SpawnPoolWorker } from './pool.ts'
import { createWasmBackend, scratchBytes, type WasmBackend } from './wasm-backend.ts'

export interface MeasureOptions {
  readonly variant: KernelVariant
  /** This one included. */
  readonly threads: number
  readonly wasm: WebAssembly.Module | BufferSource
  /** Input width of the matrices. */
  readonly cols: number
  readonly spawn?: SpawnPoolWorker
  /** Milliseconds; a test may hand in its own. */
  readonly now?: () => number
}

/** Larger than the second-level caches, small enough that a few left-overs do not show in the page's peak. */
const GEMV_BYTES = 12 * 2 ** 20
/** Compute bound at 32 rows: needs no more than a fraction. */
const GEMM_BYTES = 2 ** 20
const HEAD_BYTES = 8 * 2 ** 20
const GEMM_ROWS = 32

/** Until V8 has optimised the kernels, a few milliseconds on its own threads. */
const WARM_MS = 8
const SAMPLE_MS = 12
/** A median of at least 5: two stalls of any length do not move it. */
const MIN_SAMPLES = 5

/**
 * About 0.1 s and 25 MB, given back before it returns.
 * @throws RyzError whatever keeps this build from starting
 */
export async function measureKernels(options: MeasureOptions): Promise<KernelRates> {
  const { variant, threads, cols } = options
  const now = options.now ?? (() => performance.now())
  const limits: BackendLimits = { maxRows: GEMM_ROWS, maxContext: 32, maxCols: cols }
  const t2Rows = rowsOf('t2', GEMV_BYTES, cols)
  const gemmRows = rowsOf('t2', GEMM_BYTES, cols)
  const headRows = rowsOf('i8', HEAD_BYTES, cols)
  const widest = Math.max(t2Rows, headRows)
  const outValues = Math.max(widest, GEMM_ROWS * gemmRows)
  const bytes =
    layoutBytes('t2', t2Rows, cols) +
    layoutBytes('t2', gemmRows, cols) +
    layoutBytes('i8', headRows, cols) +
    4 * (t2Rows + gemmRows + headRows + GEMM_ROWS * cols + outValues)
  const backend = await createWasmBackend({
    variant,
    threads,
    limits,
    wasm: options.wasm,
    memoryBytes: scratchBytes(limits, threads) + bytes + 65536,
    spawn: options.spawn,
  })
  try {
    const x = backend.alloc(4 * GEMM_ROWS * cols, 'calibration input')
    fill(backend, x, activations())
    const out = backend.alloc(4 * outValues, 'calibration output')
    const gemv = matrix(backend, 't2', t2Rows, cols)
    const gemm = matrix(backend, 't2', gemmRows, cols)
    const head = matrix(backend, 'i8', headRows, cols)
    const ms = (w: Linear, count: number) =>
      medianMs(() => backend.linear(out, x, w, count, 'int8'), now)
    return {
      variant,
      threads,
      gemvBytesPerSecond: (layoutBytes('t2', t2Rows, cols) / ms(gemv, 1)) * 1000,
      gemmMacsPerSecond: ((GEMM_ROWS * gemmRows * cols) / ms(gemm, GEMM_ROWS)) * 1000,
      headBytesPerSecond: (layoutBytes('i8', headRows, cols) / ms(head, 1)) * 1000,
    }
  } finally {
    backend.close()
  }
}

/** Milliseconds of one call: warm first, then the median. */
export function medianMs(run: () => void, now: () => number): number {
  let began = now()
  for (let calls = 0; calls < 3 || now() - began < WARM_MS; calls++) run()
  const samples: number[] = []
  began = now()
  while (samples.length < MIN_SAMPLES || now() - began < SAMPLE_MS) {
    const before = now()
    run()
    samples.push(now() - before)
  }
  samples.sort((a, b) => a - b)
  // Clocks may be as coarse as 0.1 ms.
  return Math.max(samples[samples.length >> 1]!, 1e-3)
}

function rowsOf(layout: LayoutId, bytes: number, cols: number): number {
  return Math.max(64, Math.floor(bytes / layoutBytes(layout, 4, cols)) * 4)
}

function matrix(backend: WasmBackend, layout: 't2' | 'i8', rows: number, cols: number): Linear {
  const weights = backend.alloc(layoutBytes(layout, rows, cols), `calibration ${layout}`)
  fill(backend, weights, layout === 't2' ? codes() : noise())
  const scales = backend.alloc(4 * rows, 'calibration scales')
  fill(backend, scales, new Uint8Array(new Float32Array(256).fill(0.5).buffer))
  const made: Matrix = { layout, rows, cols, weights, scales, scaleBlock: 0 }
  return backend.stack([made])
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

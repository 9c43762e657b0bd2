// Makes a WasmBackend: compiles the module, makes linear memory, starts the pool's workers. The ops are in
// wasm-backend.ts. Called by worker/main.ts; must not run on a browser's main thread when threaded.
import { RyzError } from '../../errors.ts'
import type { KernelVariant } from '../../types/index.ts'
import type { BackendLimits } from '../backend.ts'
import { Arena, STACK_BYTES } from './arena.ts'
import { createMemory, instantiate, isThreaded } from './instantiate.ts'
import { type SpawnPoolWorker, spawnBrowserWorker, startPool } from './pool.ts'
import { WasmBackend } from './wasm-backend.ts'

export { scratchBytes } from './arena.ts'

export interface WasmBackendOptions {
  variant: KernelVariant
  /** This one included; more than 1 needs the threaded (-mt) module. */
  threads: number
  /** All of linear memory: weights, KV, the caller's slots and scratchBytes(limits, threads). */
  memoryBytes: number
  limits: BackendLimits
  /** build/wasm/ryz-<variant>-<mt|st>.wasm */
  wasm: WebAssembly.Module | BufferSource
  /** How pool workers are made; module workers of the browser when absent. */
  spawn?: SpawnPoolWorker
  /** Milliseconds an op may wait for a pool worker (default 10000). */
  joinLimitMs?: number
  /** Loads of a shared word before a thread sleeps (default 100000, below 0.1 ms). */
  spin?: number
  /** Of the processor; what the browser says when absent. */
  cores?: number
  /** Work that would take one thread less than so many ns stays with the first (default 4000). */
  aloneNs?: number
  /** Whether threads that do not help are set aside (default true). */
  adapts?: boolean
  /** For benchmarks: threads that share the next step whatever was found; 0 for what was found. */
  fixed?: () => number
  /** Milliseconds; a test may hand in its own. */
  now?: () => number
}

const JOIN_LIMIT_MS = 10_000
const START_LIMIT_MS = 20_000
/** Covers the serial work between two forks: 5000 slept there, and 2 threads made 67 tok/s, not 83. */
const SPIN = 100_000
/** Work that takes one thread less than this is not shared: handing it over costs as much. */
const ALONE_NS = 4000

/**
 * Compiles, makes memory, starts the pool.
 * @throws RyzError MEMORY_BUDGET, WORKER_DIED, or BAD_OPTION for threads without a threaded module
 */
export async function createWasmBackend(options: WasmBackendOptions): Promise<WasmBackend> {
  const { threads, limits, memoryBytes } = options
  const module =
    options.wasm instanceof WebAssembly.Module
      ? options.wasm
      : await WebAssembly.compile(options.wasm)
  const threaded = isThreaded(module)
  if (!Number.isInteger(threads) || threads < 1 || (threads > 1 && !threaded)) {
    throw new RyzError(
      'BAD_OPTION',
      `threads is ${threads} and the kernels are ${threaded ? 'threaded' : 'single-threaded'}; pass a whole number from 1, and the -mt module for more than 1`,
      { threads },
    )
  }
  const memory = createMemory(memoryBytes, threaded)
  const kernels = instantiate(module, memory)
  const arena = new Arena(Number(kernels.__heap_base.value), memory.buffer.byteLength)
  const backend = new WasmBackend(options.variant, threads, kernels, memory, arena, limits, {
    joinLimitMs: options.joinLimitMs ?? JOIN_LIMIT_MS,
    spin: options.spin ?? SPIN,
    cores: options.cores ?? globalThis.navigator?.hardwareConcurrency ?? threads,
    aloneNs: options.aloneNs ?? ALONE_NS,
    adapts: options.adapts ?? true,
    fixed: options.fixed,
    now: options.now ?? (() => performance.now()),
  })
  const stackTops = Array.from(
    { length: threads - 1 },
    (_, i) => arena.alloc(STACK_BYTES, `stack of pool worker ${i + 1}`) + STACK_BYTES,
  )
  if (threads > 1) {
    const pool = await startPool({
      spawn: options.spawn ?? spawnBrowserWorker,
      module,
      memory,
      stackTops,
      startLimitMs: START_LIMIT_MS,
      onDeath: error => void backend.fail(error),
    })
    backend.own(pool)
  }
  return backend
}

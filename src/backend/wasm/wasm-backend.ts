// The Backend on C++ kernels in WebAssembly: owns linear memory, writes descriptors, and makes one
// export call per op. Arithmetic is in kernels-cpp, threads in pool.ts and pool__threads.cpp, memory
// layout in arena.ts. Made by worker/main.ts; must not run on a browser's main thread when threaded.
import { RyzError } from '../../errors.ts'
import type { KernelVariant } from '../../types/index.ts'
import type {
  AttendSpec,
  Backend,
  BackendLimits,
  Kv,
  KvSpec,
  Linear,
  Matrix,
  MoverLayout,
  MoverSource,
  RowMover,
  Sink,
  Slot,
  StepRows,
} from '../backend.ts'
import { KV_BLOCK, kvCacheBytes } from '../backend.ts'
import { EXACT, type KernelPath, kernelPath } from '../factory.ts'
import { allFinite } from '../finite.ts'
import { copyKvBlock, readKvBlock, writeKvBlock } from '../kv-blocks.ts'
import { Arena, STACK_BYTES, scratchParts } from './arena.ts'
import { type KvRange, linearWords, type RopeTables, writeAttend } from './descriptors.ts'
import { WasmExperts } from './experts.ts'
import { type KernelExports, LAYOUT_CODES, STATUS_OK, STATUS_WORKER_TRAPPED } from './exports.ts'
import { createMemory, instantiate, isThreaded } from './instantiate.ts'
import { rowMover } from './mover.ts'
import { type SpawnPoolWorker, spawnBrowserWorker, startPool } from './pool.ts'

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
}

const JOIN_LIMIT_MS = 10_000
const START_LIMIT_MS = 20_000
/** Covers the serial work between two forks: 5000 slept there, and 2 threads made 67 tok/s, not 83. */
const SPIN = 100_000

/**
 * Compiles, makes memory, starts the pool.
 * @throws RyzError MEMORY_BUDGET, WORKER_DIED, or BAD_OPTION for threads without a threaded module
 */
export async function createWasmBackend(options: WasmBackendOptions): Promise<WasmBackend> {
  const { threads, limits, memoryBytes } = options
  const joinLimitMs = options.joinLimitMs ?? JOIN_LIMIT_MS
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
    joinLimitMs,
    spin: options.spin ?? SPIN,
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

/** See createWasmBackend. A failed op ends it: every later call throws the same RyzError. */
export class WasmBackend implements Backend {
  readonly path: KernelPath
  readonly traits = EXACT
  readonly lost: Promise<RyzError>
  readonly experts: WasmExperts
  readonly #limits: BackendLimits
  readonly #joinLimitMs: number
  readonly #scratch: Readonly<Record<'ids' | 'tables' | 'attend' | 'lookup', number>>
  #kernels: KernelExports
  #arena: Arena
  #bytes: Uint8Array
  #i32: Int32Array
  #f32: Float32Array
  /** What was read last. */
  #view: Float32Array
  #pool: { close(): void } | undefined
  #lose: (error: RyzError) => void = () => undefined
  #failure: RyzError | undefined

  constructor(
    variant: KernelVariant,
    threads: number,
    kernels: KernelExports,
    memory: WebAssembly.Memory,
    arena: Arena,
    limits: BackendLimits,
    pool: { joinLimitMs: number; spin: number },
  ) {
    this.path = kernelPath(variant, threads)
    this.lost = new Promise(resolve => {
      this.#lose = resolve
    })
    this.#kernels = kernels
    this.#arena = arena
    this.#limits = limits
    this.#joinLimitMs = pool.joinLimitMs
    // Memory never grows, so the views stay valid.
    this.#bytes = new Uint8Array(memory.buffer)
    this.#i32 = new Int32Array(memory.buffer)
    this.#f32 = new Float32Array(memory.buffer)
    this.#view = this.#f32.subarray(0, 0)
    const parts = scratchParts(limits, threads)
    const at = (part: keyof typeof parts) => arena.alloc(parts[part], `scratch (${part})`)
    const row = [at('q'), at('x'), at('inv'), at('sums'), at('tileSums')]
    const lookup = at('lookup')
    kernels.ryz_setup(...row, lookup)
    this.#scratch = { ids: at('ids'), tables: at('tables'), attend: at('attend'), lookup }
    this.experts = new WasmExperts({
      kernels,
      bytes: this.#bytes,
      i32: this.#i32,
      f32: this.#f32,
      descriptor: at('routed'),
      gathered: at('gathered'),
      check: rows => this.#checkRows(rows),
      done: status => this.#done(status),
      trapped: (caught, op) => this.#trapped(caught, op),
    })
    kernels.ryz_pool_setup?.(threads, pool.spin, pool.joinLimitMs)
    this.useDots(variant)
  }

  /** Switches between the variants of one build. */
  useDots(variant: KernelVariant): void {
    this.#kernels.ryz_dots(variant === 'relaxed-i32' ? 1 : 0)
  }

  /** Takes the pool over: close() ends it. */
  own(pool: { close(): void }): void {
    this.#pool = pool
  }

  /** Makes every later call throw `error`; the first one counts. */
  fail(error: RyzError): RyzError {
    if (this.#failure === undefined) {
      this.#failure = error
      if (error.code !== 'CLOSED') this.#lose(error)
    }
    return this.#failure
  }

  alloc(bytes: number, label: string): Slot {
    this.#check()
    return { bytes, label, at: this.#arena.alloc(bytes, label) }
  }

  writer(slot: Slot): Sink {
    return {
      write: (offset, bytes) => {
        this.#check()
        if (offset < 0 || offset + bytes.length > slot.bytes) {
          throw new RangeError(
            `write past the end of ${slot.label}: ${offset} + ${bytes.length} > ${slot.bytes}`,
          )
        }
        this.#bytes.set(bytes, slot.at + offset)
      },
    }
  }

  rowMover(
    source: MoverSource,
    layout: MoverLayout,
    rows: number,
    cols: number,
    slot: Slot,
  ): RowMover | undefined {
    this.#check()
    const parts = {
      kernels: this.#kernels,
      bytes: this.#bytes,
      f32: this.#f32,
      i32: this.#i32,
      scratch: this.#scratch.lookup,
      done: (status: number) => this.#done(status),
    }
    const mover = rowMover(parts, source, layout, cols, slot)
    return (
      mover && {
        stage: mover.stage,
        move: (first, count) => {
          this.#check()
          if (first + count > rows) throw new RangeError(`${slot.label} has ${rows} rows`)
          try {
            return mover.move(first, count)
          } catch (caught) {
            throw this.#trapped(caught, 'pour')
          }
        },
      }
    )
  }

  stack(parts: readonly Matrix[]): Linear {
    this.#check()
    const { cols } = parts[0]
    for (const part of parts) {
      if (part.cols !== cols || cols > this.#limits.maxCols) {
        throw new RangeError(
          `cannot stack ${part.weights.label}: ${part.cols} columns beside ${cols}, limit ${this.#limits.maxCols}`,
        )
      }
    }
    const outputs = parts.reduce((sum, part) => sum + part.rows, 0)
    const words = linearWords(parts, outputs)
    const at = this.#arena.alloc(4 * words.length, 'matrix stack')
    this.#i32.set(words, at / 4)
    return { parts, cols, outputs, at }
  }

  createKv(spec: KvSpec): KvRange {
    this.#check()
    const bytes = kvCacheBytes(spec)
    const at = this.#arena.alloc(bytes, 'KV cache')
    return { ...spec, at, layerBytes: bytes / spec.layers }
  }

  createRope(cos: Float32Array, sin: Float32Array, ropeDim: number): RopeTables {
    this.#check()
    const at = this.#arena.alloc(cos.byteLength, 'RoPE cos')
    const sinAt = this.#arena.alloc(sin.byteLength, 'RoPE sin')
    this.#f32.set(cos, at / 4)
    this.#f32.set(sin, sinAt / 4)
    return { ropeDim, at, sin: sinAt }
  }

  embed(out: Slot, table: Matrix, ids: Int32Array, count: number): void {
    const scales = table.scales?.at ?? 0
    const layout = LAYOUT_CODES[table.layout]
    this.#checkRows(count)
    this.#copyIn(this.#scratch.ids, ids, count)
    try {
      this.#done(
        this.#kernels.ryz_embed(
          out.at,
          layout,
          table.weights.at,
          scales,
          table.cols,
          table.scaleBlock,
          this.#scratch.ids,
          count,
        ),
      )
    } catch (caught) {
      throw this.#trapped(caught, 'embed')
    }
  }

  norm(out: Slot, x: Slot, gain: Slot, eps: number, count: number, n: number): void {
    this.#check()
    try {
      this.#done(this.#kernels.ryz_norm(out.at, x.at, gain.at, eps, count, n))
    } catch (caught) {
      throw this.#trapped(caught, 'norm')
    }
  }

  linear(out: Slot, x: Slot, w: Linear, count: number, activations: 'int8' | 'float'): void {
    this.#checkRows(count)
    try {
      const round = activations === 'int8' ? 1 : 0
      this.#done(this.#kernels.ryz_linear(out.at, x.at, w.at, count, round))
    } catch (caught) {
      throw this.#trapped(caught, 'linear')
    }
  }

  attend(out: Slot, qkv: Slot, rows: StepRows, spec: AttendSpec): void {
    this.#checkRows(rows.count)
    if (rows.maxBlocks > Math.ceil(this.#limits.maxContext / KV_BLOCK)) {
      throw new RangeError(
        `${rows.maxBlocks} KV blocks a row, limit ${this.#limits.maxContext} tokens`,
      )
    }
    const { ids, tables, attend } = this.#scratch
    this.#copyIn(ids, rows.positions, rows.count)
    this.#copyIn(tables, rows.tables, rows.count * rows.maxBlocks)
    writeAttend(this.#i32, this.#f32, attend, spec, ids, tables, rows.maxBlocks)
    try {
      this.#done(this.#kernels.ryz_attend(out.at, qkv.at, attend, rows.count))
    } catch (caught) {
      throw this.#trapped(caught, 'attend')
    }
  }

  gate(out: Slot, x: Slot, activation: 'silu' | 'relu2', count: number, n: number): void {
    this.#check()
    try {
      const relu2 = activation === 'relu2' ? 1 : 0
      this.#done(this.#kernels.ryz_gate(out.at, x.at, relu2, count, n))
    } catch (caught) {
      throw this.#trapped(caught, 'gate')
    }
  }

  add(out: Slot, x: Slot, count: number): void {
    this.#check()
    try {
      this.#done(this.#kernels.ryz_add(out.at, x.at, count))
    } catch (caught) {
      throw this.#trapped(caught, 'add')
    }
  }

  gather(out: Slot, x: Slot, which: Int32Array, count: number, n: number): void {
    this.#check()
    for (let r = 0; r < count; r++) {
      const from = x.at + 4 * n * which[r]
      this.#bytes.copyWithin(out.at + 4 * n * r, from, from + 4 * n)
    }
  }

  read(slot: Slot, first: number, count: number): Float32Array {
    this.#check()
    if (first < 0 || 4 * (first + count) > slot.bytes) {
      throw new RangeError(`read past the end of ${slot.label}: ${first} + ${count} values`)
    }
    const at = slot.at + 4 * first
    // Every token reads its logits from one place, and a view takes 200 bytes.
    if (this.#view.byteOffset !== at || this.#view.length !== count) {
      this.#view = this.#f32.subarray(at / 4, at / 4 + count)
    }
    return this.#view
  }

  finite(slot: Slot, first: number, count: number): boolean {
    this.#check()
    const at = slot.at / 4 + first
    return allFinite(this.#f32, at, at + count)
  }

  copyBlock(kv: Kv, from: number, to: number): void {
    copyKvBlock(this.#cache(kv), kv, from, to)
  }

  async readBlock(kv: Kv, block: number): Promise<Uint8Array> {
    return readKvBlock(this.#cache(kv), kv, block)
  }

  writeBlock(kv: Kv, block: number, contents: Uint8Array): void {
    writeKvBlock(this.#cache(kv), kv, block, contents)
  }

  /** For tests of the failure path: makes a pool worker trap or never end. */
  provokeFault(kind: 'trap' | 'hang'): void {
    this.#check()
    this.#done(this.#kernels.ryz_pool_fault?.(kind === 'trap' ? 0 : 1) ?? STATUS_OK)
  }

  close(): void {
    this.#pool?.close()
    this.#pool = undefined
    this.fail(new RyzError('CLOSED', 'the backend is closed; load the model again'))
    // Drops the last references to linear memory.
    this.experts.close()
    this.#kernels = {} as KernelExports
    this.#arena = new Arena(0, 0)
    this.#bytes = new Uint8Array(0)
    this.#i32 = new Int32Array(0)
    this.#f32 = new Float32Array(0)
    this.#view = this.#f32
  }

  #cache(kv: Kv): Uint8Array {
    this.#check()
    return this.#bytes.subarray(kv.at)
  }

  #copyIn(at: number, values: Int32Array, count: number): void {
    const first = at / 4
    for (let i = 0; i < count; i++) this.#i32[first + i] = values[i]
  }

  #check(): void {
    if (this.#failure) throw this.#failure
  }

  /** Scratch is sized for maxRows: more would write over weights. */
  #checkRows(count: number): void {
    this.#check()
    if (count > this.#limits.maxRows) {
      throw new RangeError(`${count} rows in one call, limit ${this.#limits.maxRows}`)
    }
  }

  #done(status: number): void {
    if (status === STATUS_OK) return
    throw this.fail(
      status === STATUS_WORKER_TRAPPED
        ? new RyzError('KERNEL_TRAP', 'a kernel trapped in a pool worker; load the model again')
        : new RyzError(
            'WORKER_DIED',
            `a pool worker did not finish within ${this.#joinLimitMs} ms; load the model again`,
            { limitMs: this.#joinLimitMs },
          ),
    )
  }

  #trapped(caught: unknown, op: string): RyzError {
    if (caught instanceof RyzError) return caught
    const text = caught instanceof Error ? caught.message : String(caught)
    const error = new RyzError('KERNEL_TRAP', `${op} trapped: ${text}; load the model again`, {
      op,
    })
    return this.fail(error)
  }
}

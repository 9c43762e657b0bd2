// The Backend on C++ kernels in WebAssembly: owns linear memory, writes descriptors, and makes one export call per op.
// Arithmetic is in kernels-cpp, threads in pool.ts, pool-watch.ts and pool__threads.cpp, memory layout in arena.ts, what
// becomes of a failed op in failure.ts. Made by open-backend.ts.
import { RyzError } from '../../errors.ts'
import type { KernelVariant, PoolStats } from '../../types/index.ts'
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
  OutputColumns,
  RowMover,
  Sink,
  Slot,
  StepRows,
} from '../backend.ts'
import { KV_BLOCK, kvCacheBytes } from '../backend.ts'
import { EXACT, type KernelPath, kernelPath } from '../factory.ts'
import { allFinite } from '../finite.ts'
import { copyKvBlock, readKvBlock, writeKvBlock } from '../kv-blocks.ts'
import { Arena, scratchParts } from './arena.ts'
import { type KvRange, linearWords, type RopeTables, writeAttend } from './descriptors.ts'
import { WasmExperts } from './experts.ts'
import { type KernelExports, LAYOUT_CODES, STATUS_OK } from './exports.ts'
import { Failure } from './failure.ts'
import { rowMover } from './mover.ts'
import { PoolWatch } from './pool-watch.ts'

/** How the pool works; see WasmBackendOptions. */
export interface PoolSettings {
  readonly joinLimitMs: number
  readonly spin: number
  readonly cores: number
  readonly aloneNs: number
  readonly adapts: boolean
  readonly fixed: (() => number) | undefined
  readonly now: () => number
}

/** See createWasmBackend in open-backend.ts. A failed op ends it: every later call throws the same RyzError. */
export class WasmBackend implements Backend {
  readonly path: KernelPath
  readonly traits = EXACT
  readonly lost: Promise<RyzError>
  readonly experts: WasmExperts
  readonly #limits: BackendLimits
  readonly #failure: Failure
  readonly #scratch: Readonly<Record<'ids' | 'tables' | 'attend' | 'lookup', number>>
  #kernels: KernelExports
  #arena: Arena
  #bytes: Uint8Array
  #i32: Int32Array
  #f32: Float32Array
  /** What was read last. */
  #view: Float32Array
  #pool: { close(): void } | undefined
  /** Where there are several threads. */
  #watch: PoolWatch | undefined

  constructor(
    variant: KernelVariant,
    threads: number,
    kernels: KernelExports,
    memory: WebAssembly.Memory,
    arena: Arena,
    limits: BackendLimits,
    pool: PoolSettings,
  ) {
    this.path = kernelPath(variant, threads)
    this.#failure = new Failure(pool.joinLimitMs)
    this.lost = this.#failure.lost
    this.#kernels = kernels
    this.#arena = arena
    this.#limits = limits
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
      done: status => this.#failure.done(status),
      trapped: (caught, op) => this.#failure.trapped(caught, op),
    })
    kernels.ryz_pool_setup?.(threads, pool.spin, pool.joinLimitMs, pool.aloneNs)
    if (threads > 1) {
      const watched = { ...pool, threads, limitMs: pool.joinLimitMs }
      this.#watch = new PoolWatch(kernels, memory.buffer, watched)
    }
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
    return this.#failure.set(error)
  }

  alloc(bytes: number, label: string): Slot {
    this.#failure.check()
    return { bytes, label, at: this.#arena.alloc(bytes, label) }
  }

  writer(slot: Slot): Sink {
    return {
      write: (offset, bytes) => {
        this.#failure.check()
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
    this.#failure.check()
    const parts = {
      kernels: this.#kernels,
      bytes: this.#bytes,
      f32: this.#f32,
      i32: this.#i32,
      scratch: this.#scratch.lookup,
      done: (status: number) => this.#failure.done(status),
    }
    const mover = rowMover(parts, source, layout, cols, slot)
    return (
      mover && {
        stage: mover.stage,
        move: (first, count) => {
          this.#failure.check()
          if (first + count > rows) throw new RangeError(`${slot.label} has ${rows} rows`)
          try {
            return mover.move(first, count)
          } catch (caught) {
            throw this.#failure.trapped(caught, 'pour')
          }
        },
      }
    )
  }

  stack(parts: readonly Matrix[], columns?: OutputColumns): Linear {
    this.#failure.check()
    const { cols } = parts[0]
    for (const part of parts) {
      if (part.cols !== cols || cols > this.#limits.maxCols) {
        throw new RangeError(
          `cannot stack ${part.weights.label}: ${part.cols} columns beside ${cols}, limit ${this.#limits.maxCols}`,
        )
      }
    }
    const outputs = parts.reduce((sum, part) => sum + part.rows, 0)
    const words = linearWords(parts, columns?.stride ?? outputs)
    const at = this.#arena.alloc(4 * words.length, 'matrix stack')
    this.#i32.set(words, at / 4)
    return { parts, cols, outputs, ...(columns && { columns }), at }
  }

  createKv(spec: KvSpec): KvRange {
    this.#failure.check()
    const bytes = kvCacheBytes(spec)
    const at = this.#arena.alloc(bytes, 'KV cache')
    return { ...spec, at, layerBytes: bytes / spec.layers }
  }

  createRope(cos: Float32Array, sin: Float32Array, ropeDim: number): RopeTables {
    this.#failure.check()
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
    // The first op of a step.
    if (this.#watch?.begin(count) === false) throw this.#failure.silent()
    this.#copyIn(this.#scratch.ids, ids, count)
    try {
      this.#failure.done(
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
      throw this.#failure.trapped(caught, 'embed')
    }
  }

  norm(out: Slot, x: Slot, gain: Slot, eps: number, count: number, n: number): void {
    this.#failure.check()
    try {
      this.#failure.done(this.#kernels.ryz_norm(out.at, x.at, gain.at, eps, count, n))
    } catch (caught) {
      throw this.#failure.trapped(caught, 'norm')
    }
  }

  linear(out: Slot, x: Slot, w: Linear, count: number, activations: 'int8' | 'float'): void {
    this.#checkRows(count)
    this.#watch?.between()
    try {
      const round = activations === 'int8' ? 1 : 0
      const to = w.columns === undefined ? out.at : out.at + 4 * w.columns.first
      this.#failure.done(this.#kernels.ryz_linear(to, x.at, w.at, count, round))
    } catch (caught) {
      throw this.#failure.trapped(caught, 'linear')
    }
  }

  attend(out: Slot, qkv: Slot, rows: StepRows, spec: AttendSpec): void {
    this.#checkRows(rows.count)
    if (rows.maxBlocks > Math.ceil(this.#limits.maxContext / KV_BLOCK)) {
      throw new RangeError(
        `${rows.maxBlocks} KV blocks a row, limit ${this.#limits.maxContext} tokens`,
      )
    }
    this.#watch?.layer()
    const { ids, tables, attend } = this.#scratch
    this.#copyIn(ids, rows.positions, rows.count)
    this.#copyIn(tables, rows.tables, rows.count * rows.maxBlocks)
    writeAttend(this.#i32, this.#f32, attend, spec, ids, tables, rows.maxBlocks)
    try {
      this.#failure.done(this.#kernels.ryz_attend(out.at, qkv.at, attend, rows.count))
    } catch (caught) {
      throw this.#failure.trapped(caught, 'attend')
    }
  }

  gate(out: Slot, x: Slot, activation: 'silu' | 'relu2', count: number, n: number): void {
    this.#failure.check()
    try {
      const relu2 = activation === 'relu2' ? 1 : 0
      this.#failure.done(this.#kernels.ryz_gate(out.at, x.at, relu2, count, n))
    } catch (caught) {
      throw this.#failure.trapped(caught, 'gate')
    }
  }

  add(out: Slot, x: Slot, count: number): void {
    this.#failure.check()
    try {
      this.#failure.done(this.#kernels.ryz_add(out.at, x.at, count))
    } catch (caught) {
      throw this.#failure.trapped(caught, 'add')
    }
  }

  gather(out: Slot, x: Slot, which: Int32Array, count: number, n: number): void {
    this.#failure.check()
    for (let r = 0; r < count; r++) {
      const from = x.at + 4 * n * which[r]
      this.#bytes.copyWithin(out.at + 4 * n * r, from, from + 4 * n)
    }
  }

  read(slot: Slot, first: number, count: number): Float32Array {
    this.#failure.check()
    if (first < 0 || 4 * (first + count) > slot.bytes) {
      throw new RangeError(`read past the end of ${slot.label}: ${first} + ${count} values`)
    }
    this.#watch?.mark()
    const at = slot.at + 4 * first
    // Every token reads its logits from one place, and a view takes 200 bytes.
    if (this.#view.byteOffset !== at || this.#view.length !== count) {
      this.#view = this.#f32.subarray(at / 4, at / 4 + count)
    }
    return this.#view
  }

  finite(slot: Slot, first: number, count: number): boolean {
    this.#failure.check()
    this.#watch?.mark()
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

  /** Absent with one thread. */
  poolStats(): PoolStats | undefined {
    return this.#watch?.stats()
  }

  /** For tests of the failure path: makes a pool worker trap or never end. */
  provokeFault(kind: 'trap' | 'hang'): void {
    this.#failure.check()
    this.#failure.done(this.#kernels.ryz_pool_fault?.(kind === 'trap' ? 0 : 1) ?? STATUS_OK)
  }

  close(): void {
    this.#pool?.close()
    this.#pool = undefined
    this.#watch = undefined
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
    this.#failure.check()
    return this.#bytes.subarray(kv.at)
  }

  #copyIn(at: number, values: Int32Array, count: number): void {
    const first = at / 4
    for (let i = 0; i < count; i++) this.#i32[first + i] = values[i]
  }

  /** Scratch is sized for maxRows: more would write over weights. */
  #checkRows(count: number): void {
    this.#failure.check()
    if (count > this.#limits.maxRows) {
      throw new RangeError(`${count} rows in one call, limit ${this.#limits.maxRows}`)
    }
  }
}

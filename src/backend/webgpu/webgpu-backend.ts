// The Backend on WebGPU: calls are noted (trace.ts), and when a result is wanted the whole step runs as one
// write of the step block, one pass and one submit of a plan that was made when the step was first seen
// (plan.ts). Nothing is created per step on the device. The device is device.ts, memory is buffers.ts, what
// comes back read-back.ts. Made by worker/main.ts.
import { asRyzError, RyzError } from '../../errors.ts'
import type { ExecutionPath, GpuStats, OpTime } from '../../types/index.ts'
import type {
  AttendSpec,
  Backend,
  BackendLimits,
  BackendTraits,
  Drawing,
  Kv,
  KvSpec,
  Linear,
  Matrix,
  OutputColumns,
  Rope,
  Sink,
  Slot,
  StepRows,
} from '../backend.ts'
import { KV_BLOCK } from '../backend.ts'
import { Buffers, UPLOAD_BYTES } from './buffers.ts'
import { adapterName, type Gpu } from './device.ts'
import { DRAW_SETTINGS, Drawings } from './drawing.ts'
import { WebGpuExperts } from './experts.ts'
import type { Form } from './forms.ts'
import { gpuStatsOf } from './gpu-stats.ts'
import { KvCache } from './kv-cache.ts'
import { joined } from './matrix-pieces.ts'
import { Params } from './params.ts'
import { Profiler } from './profiler.ts'
import { ReadBack, SILENT, STATUS_BYTES } from './read-back.ts'
import { Steps } from './steps.ts'

export { scratchBytes } from './scratch.ts'

export interface WebGpuBackendOptions {
  readonly gpu: Gpu
  readonly limits: BackendLimits
  /** Bytes alloc may hand out in all; no limit when absent. */
  readonly memoryBytes?: number
  /** false: a dispatch or more for every op, for tests. */
  readonly fuse?: boolean
  /** Of norm and rounding before a linear of one row; what was measured on the device, unless it is forced. */
  readonly form?: Form
  readonly onClose?: () => void
}

/** More rows than this take the tiled kernels. */
const FEW_ROWS = 4

/** Floats are summed in other orders than the reference's; the layouts are the CPU's. */
export const TRAITS: BackendTraits = {
  exact: false,
  immediate: false,
  cpuLayouts: true,
  experts: true,
}

/** See WebGpuBackend. The pipelines should be prepared. */
export function createWebGpuBackend(options: WebGpuBackendOptions): WebGpuBackend {
  return new WebGpuBackend(options)
}

/** Every call after a failure throws the same RyzError. */
export class WebGpuBackend implements Backend {
  readonly path: ExecutionPath
  readonly traits = TRAITS
  readonly lost: Promise<RyzError>
  readonly experts: WebGpuExperts
  readonly #gpu: Gpu
  readonly #limits: BackendLimits
  readonly #buffers: Buffers
  readonly #params: Params
  readonly #reads: ReadBack
  readonly #steps: Steps
  readonly #profiler: Profiler | undefined
  readonly #form: Form
  readonly condemn = (error: RyzError): void => this.#gpu.fail(error)
  /** See Backend.ready. */
  ready: (() => Promise<void>) | undefined
  /** Told once, when what was written last has arrived: the load is over. */
  onLoaded: (() => void) | undefined
  #onClose: (() => void) | undefined
  /** A copy within one buffer is an error: blocks go by way of another. */
  readonly #kvs: { readonly cache: KvCache; readonly between: GPUBuffer }[] = []
  /** By Linear.at: the matrices as they are computed. */
  readonly #linears: (readonly Matrix[])[] = []
  readonly #ropes: { readonly cos: Slot; readonly sin: Slot }[] = []
  #failure: RyzError | undefined
  readonly #drawings: Drawings
  /** Who waits for the answer of finite(). */
  #asked: { resolve(finite: boolean): void; reject(error: RyzError): void }[] = []
  /** Where no read came with the question. */
  readonly #answer = (): void => {
    if (this.#asked.length > 0) this.#readBytes(0, () => undefined).catch(() => undefined)
  }

  constructor(options: WebGpuBackendOptions) {
    const { gpu, limits, memoryBytes, fuse = true, onClose } = options
    this.#form = options.form ?? gpu.tuning?.form ?? 'once'
    this.#gpu = gpu
    this.path = { backend: 'webgpu', adapter: adapterName(gpu.info) }
    this.lost = gpu.lost
    this.#limits = limits
    this.#onClose = onClose
    const { device, pipelines } = gpu
    const buffers = new Buffers(device, gpu.limits, memoryBytes ?? Number.POSITIVE_INFINITY)
    this.#buffers = buffers
    this.#drawings = new Drawings(buffers, limits.maxRows)
    this.#params = new Params(device, buffers)
    this.#reads = new ReadBack(device, gpu.lost)
    void gpu.lost.then(error => this.#fail(error))
    const parts = {
      device,
      pipelines,
      buffers,
      params: this.#params,
      kvOf: (kv: Kv) => this.#openKv(kv).cache,
      matricesOf: (w: Linear) => this.#linears[w.at]!,
      ropeOf: (rope: Rope) => this.#ropes[rope.at]!,
    }
    this.#profiler = gpu.profile ? new Profiler(device, gpu.timestamps) : undefined
    const [form, profiler] = [this.#form, this.#profiler]
    this.#steps = new Steps({ device, limits, buffers, fuse, form, parts, profiler })
    const check = (rows: number): void => this.#checkRows(rows)
    this.experts = new WebGpuExperts({ steps: this.#steps, buffers, limits, check })
  }

  gpuStats(): GpuStats {
    const counts = [this.#buffers, this.#params, this.#reads, this.#steps, this.#drawings]
    return gpuStatsOf(this.#gpu, this.#steps, {
      waits: this.#reads.waits,
      buffers: counts.reduce((sum, { count }) => sum + count, this.#kvs.length),
      bytes: this.#buffers.usedBytes,
      form: this.#form,
      profiler: this.#profiler,
    })
  }

  /** Of the device, while it is profiled; see profiler.ts. */
  opTimes(): OpTime[] | undefined {
    return this.#profiler?.times()
  }

  alloc(bytes: number, label: string, unit?: number): Slot {
    this.#check()
    return this.#buffers.alloc(bytes, label, unit)
  }

  writer(slot: Slot): Sink {
    // What was issued before reads the old contents.
    return this.#buffers.writer(slot, () => {
      this.#check()
      this.#steps.flush()
    })
  }

  stack(parts: readonly Matrix[], columns?: OutputColumns): Linear {
    this.#check()
    const { cols } = parts[0]!
    for (const part of parts) {
      if (part.cols !== cols || cols > this.#limits.maxCols) {
        throw new RangeError(
          `cannot stack ${part.weights.label}: ${part.cols} columns beside ${cols}, limit ${this.#limits.maxCols}`,
        )
      }
    }
    this.#steps.flush()
    this.#linears.push(joined(this.#buffers, parts))
    const outputs = parts.reduce((sum, part) => sum + part.rows, 0)
    return { parts, cols, outputs, ...(columns && { columns }), at: this.#linears.length - 1 }
  }

  createKv(spec: KvSpec): Kv {
    this.#check()
    const cache = new KvCache(spec, this.#buffers, this.#gpu.limits.maxBinding)
    const between = this.#buffers.create(cache.headBytes, 'copied KV block')
    this.#kvs.push({ cache, between })
    return { ...spec, at: this.#kvs.length - 1 }
  }

  createRope(cos: Float32Array, sin: Float32Array, ropeDim: number): Rope {
    this.#check()
    const table = (values: Float32Array, label: string): Slot => {
      const slot = this.#buffers.alloc(values.byteLength, label)
      this.#buffers.write(slot, 0, bytesOf(values))
      return slot
    }
    this.#ropes.push({ cos: table(cos, 'RoPE cos'), sin: table(sin, 'RoPE sin') })
    return { ropeDim, at: this.#ropes.length - 1 }
  }

  embed(out: Slot, table: Matrix, ids: Int32Array, count: number): void {
    this.#checkRows(count)
    this.#steps.flush() // a step begins
    this.#steps.opWith('embed', out, table, 0, count, ids, this.#limits.maxRows)
  }

  norm(out: Slot, x: Slot, gain: Slot, eps: number, count: number, n: number): void {
    this.#checkRows(count)
    this.#steps.op('norm', out, x, gain, n, eps, 0, count)
  }

  linear(out: Slot, x: Slot, w: Linear, count: number, activations: 'int8' | 'float'): void {
    this.#checkRows(count)
    const int8 = activations === 'int8' ? 1 : 0
    const many = count > FEW_ROWS ? 2 : count > 1 ? 1 : 0
    this.#steps.op('linear', out, x, w, int8, 0, many, count)
  }

  attend(out: Slot, qkv: Slot, rows: StepRows, spec: AttendSpec): void {
    this.#checkRows(rows.count)
    if (rows.maxBlocks > Math.ceil(this.#limits.maxContext / KV_BLOCK)) {
      throw new RangeError(
        `${rows.maxBlocks} KV blocks a row, limit ${this.#limits.maxContext} tokens`,
      )
    }
    this.#steps.attend(out, qkv, rows, spec)
  }

  gate(out: Slot, x: Slot, activation: 'silu' | 'relu2', count: number, n: number): void {
    // Of what experts read there are several rows for each.
    this.#checkRows(count / Math.max(1, this.#limits.routed ?? 0))
    this.#steps.op('gate', out, x, undefined, n, activation === 'relu2' ? 1 : 0, 0, count)
  }

  add(out: Slot, x: Slot, count: number): void {
    this.#check()
    this.#steps.op('add', out, x, undefined, 0, 0, 0, count)
  }

  gather(out: Slot, x: Slot, which: Int32Array, count: number, n: number): void {
    this.#checkRows(count)
    this.#steps.opWith('gather', out, x, n, count, which, this.#limits.maxRows)
  }

  read(slot: Slot, first: number, count: number): Promise<Float32Array> {
    this.#check()
    if (first < 0 || 4 * (first + count) > slot.bytes) {
      throw new RangeError(`read past the end of ${slot.label}: ${first} + ${count} values`)
    }
    return this.#readBytes(4 * count, (encoder, to) =>
      this.#buffers.copyOut(encoder, slot, 4 * first, 4 * count, to),
    )
  }

  /** See Backend.draw. */
  async draw(
    logits: Slot,
    vocab: number,
    count: number,
    drawings: readonly Drawing[],
  ): Promise<Int32Array> {
    this.#checkRows(count)
    const room = Math.floor(logits.bytes / (4 * vocab))
    const pieces = this.#drawings.piecesOf(logits, vocab, room)
    const words = this.#drawings.settings(drawings, count)
    const rowWords = DRAW_SETTINGS * room
    this.#steps.opWith('draw', logits, pieces, vocab, count, words, rowWords, DRAW_SETTINGS)
    const { drawn } = this.#steps
    const ids = await this.#readBytes(4 * count, (encoder, to) =>
      encoder.copyBufferToBuffer(drawn, 0, to, 0, 4 * count),
    )
    return new Int32Array(ids.buffer, ids.byteOffset, count)
  }

  /** Resolves when the device has answered a question for nothing. */
  async answer(): Promise<void> {
    this.#check()
    await this.#readBytes(0, () => undefined)
  }

  /** Looked at on the device; the answer comes with the read of the same step. */
  finite(slot: Slot, first: number, count: number): Promise<boolean> {
    this.#check()
    this.#steps.opWith('finite', slot, this.#steps.status, 0, count, [first], 1)
    const answer = new Promise<boolean>((resolve, reject) => {
      this.#asked.push({ resolve, reject })
    })
    if (this.#asked.length === 1) queueMicrotask(this.#answer)
    return answer
  }

  copyBlock(kv: Kv, from: number, to: number): void {
    const { cache, between } = this.#openKv(kv)
    cache.check(from)
    cache.check(to)
    this.#steps.flush()
    this.#steps.submit(encoder => cache.copy(encoder, from, to, between), false)
  }

  async readBlock(kv: Kv, block: number): Promise<Uint8Array> {
    const { cache } = this.#openKv(kv)
    cache.check(block)
    const values = await this.#readBytes(cache.blockBytes, (encoder, to) =>
      cache.copyOut(encoder, block, to),
    )
    return new Uint8Array(bytesOf(values))
  }

  writeBlock(kv: Kv, block: number, bytes: Uint8Array): void {
    const { cache } = this.#openKv(kv)
    cache.check(block)
    this.#steps.flush()
    cache.write(block, bytes)
  }

  /**
   * Waits until what was written is with the device.
   * @throws RyzError GPU_OOM when an allocation since the last call failed; DEVICE_LOST
   */
  settle(all: boolean): Promise<void> | undefined {
    this.#check()
    return all || this.#buffers.unwaitedBytes >= UPLOAD_BYTES ? this.#settle(all) : undefined
  }

  async #settle(all: boolean): Promise<void> {
    const lost = this.#gpu.lost.then(error => {
      throw error
    })
    await Promise.race([this.#buffers.settle(), lost])
    if (all) this.onLoaded?.()
  }

  close(): void {
    this.#fail(new RyzError('CLOSED', 'the backend is closed; load the model again'))
    this.#buffers.destroy()
    this.#params.destroy()
    this.#drawings.destroy()
    this.experts.destroy()
    this.#reads.destroy()
    this.#steps.destroy()
    for (const { between } of this.#kvs.splice(0)) between.destroy()
    this.#ropes.length = 0
    this.#linears.length = 0
    this.#onClose?.()
    this.#onClose = undefined
  }

  async #readBytes(
    bytes: number,
    copy: (encoder: GPUCommandEncoder, to: GPUBuffer) => void,
  ): Promise<Float32Array> {
    const asked = this.#asked
    if (asked.length > 0) this.#asked = []
    try {
      const { experts } = this
      const { countBytes } = experts
      const staging = this.#reads.take(bytes, countBytes)
      const step = this.#steps.submit(encoder => {
        copy(encoder, staging.buffer)
        encoder.copyBufferToBuffer(this.#steps.status, 0, staging.buffer, bytes, STATUS_BYTES)
        if (countBytes > 0) experts.copyCounts(encoder, staging.buffer, bytes + STATUS_BYTES)
      }, true)
      const values = await this.#reads.settle(staging, bytes, step, countBytes, counts =>
        experts.counted(counts),
      )
      for (const { resolve } of asked) resolve(staging.finite)
      return values
    } catch (caught) {
      const error = this.#fail(asRyzError(caught, 'DEVICE_LOST', 'a GPU read failed'))
      if (error.detail.reason === SILENT) this.#gpu.fail(error)
      for (const { reject } of asked) reject(error)
      throw error
    }
  }

  #openKv(kv: Kv): { readonly cache: KvCache; readonly between: GPUBuffer } {
    this.#check()
    return this.#kvs[kv.at]!
  }

  #check(): void {
    const failure = this.#failure ?? this.#gpu.failure
    if (failure !== undefined) throw failure
  }

  /** The step block has room for so many rows. */
  #checkRows(count: number): void {
    this.#check()
    if (count > this.#limits.maxRows) {
      throw new RangeError(`${count} rows in one call, limit ${this.#limits.maxRows}`)
    }
  }

  /** Makes every later call throw; the first error counts. */
  #fail(error: RyzError): RyzError {
    this.#failure ??= error
    return this.#failure
  }
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

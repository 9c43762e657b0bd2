// The truth: every op of the Backend interface as plain TypeScript loops in f32, in the order of sums
// that backend.ts lays down. Other backends are tested to give the same bits; it is also the last
// fallback, so rows of weights are unpacked once per call, but nothing else is optimised.
// Attention is in attend.ts, the primitives in math.ts.
import { RyzError } from '../../errors.ts'
import type {
  AttendSpec,
  Backend,
  BackendLimits,
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
import { kvCacheBytes } from '../backend.ts'
import { EXACT, REFERENCE_PATH } from '../factory.ts'
import { allFinite } from '../finite.ts'
import { copyKvBlock, readKvBlock, writeKvBlock } from '../kv-blocks.ts'
import { attend, type RopeMemory } from './attend.ts'
import { type Multiply, ReferenceExperts } from './experts.ts'
import { quantizeRow, silu } from './math.ts'
import { dequantRow, dotFloat, dotInt8, unpackRow } from './matrix.ts'
import { normRow } from './norm.ts'

const f = Math.fround

export interface ReferenceOptions {
  limits: BackendLimits
  /** Bytes alloc may hand out in all; no limit when absent. */
  memoryBytes?: number
}

/** Makes the reference backend. @throws RyzError MEMORY_BUDGET from alloc, CLOSED after close */
export function createReferenceBackend(options: ReferenceOptions): Backend {
  return new ReferenceBackend(options)
}

class ReferenceBackend implements Backend {
  readonly path = REFERENCE_PATH
  readonly traits = EXACT
  /** Nothing can end it. */
  readonly lost = new Promise<never>(() => undefined)
  readonly #memory: ArrayBuffer[] = []
  readonly #linears: Linear[] = []
  readonly #budget: number
  #used = 0
  readonly #ropes: RopeMemory[] = []
  readonly experts: ReferenceExperts
  #closed = false

  constructor(options: ReferenceOptions) {
    this.#budget = options.memoryBytes ?? Number.POSITIVE_INFINITY
    this.experts = new ReferenceExperts(slot => this.#f32(slot), this.#multiply)
  }

  alloc(bytes: number, label: string): Slot {
    if (this.#closed) throw new RyzError('CLOSED', 'the backend is closed')
    if (this.#used + bytes > this.#budget) {
      throw new RyzError(
        'MEMORY_BUDGET',
        `${label} needs ${bytes} bytes, ${this.#budget - this.#used} of ${this.#budget} are left; lower contextLength or maxSequences, or raise memoryBudget`,
        { label, bytes, left: this.#budget - this.#used },
      )
    }
    try {
      this.#memory.push(new ArrayBuffer(Math.ceil(bytes / 4) * 4))
    } catch (cause) {
      throw new RyzError(
        'MEMORY_BUDGET',
        `the browser refused ${bytes} bytes for ${label}; close other pages or use a smaller model`,
        { label, bytes },
        { cause },
      )
    }
    this.#used += bytes
    return { bytes, label, at: this.#memory.length - 1 }
  }

  writer(slot: Slot): Sink {
    const target = this.#bytes(slot)
    return {
      write: (offset, bytes) => {
        if (offset + bytes.length > slot.bytes) {
          throw new RangeError(
            `write past the end of ${slot.label}: ${offset} + ${bytes.length} > ${slot.bytes}`,
          )
        }
        target.set(bytes, offset)
      },
    }
  }

  stack(parts: readonly Matrix[], columns?: OutputColumns): Linear {
    const linear = {
      parts,
      cols: parts[0].cols,
      outputs: parts.reduce((sum, part) => sum + part.rows, 0),
      ...(columns && { columns }),
      at: this.#linears.length,
    }
    this.#linears.push(linear)
    return linear
  }

  createKv(spec: KvSpec): Kv {
    return { ...spec, at: this.alloc(kvCacheBytes(spec), 'KV cache').at }
  }

  createRope(cos: Float32Array, sin: Float32Array, ropeDim: number): Rope {
    const rope = { cos, sin, ropeDim, at: this.#ropes.length }
    this.#ropes.push(rope)
    return rope
  }

  embed(out: Slot, table: Matrix, ids: Int32Array, count: number): void {
    const y = this.#f32(out)
    const n = table.cols
    const row = new Float32Array(n)
    for (let r = 0; r < count; r++) {
      dequantRow(row, table, this.#bytes(table.weights), this.#scales(table), ids[r])
      y.set(row, r * n)
    }
  }

  norm(out: Slot, x: Slot, gain: Slot, eps: number, count: number, n: number): void {
    const [y, v, g] = [this.#f32(out), this.#f32(x), this.#f32(gain)]
    for (let r = 0; r < count; r++) normRow(y, v, g, r * n, n, eps)
  }

  linear(out: Slot, x: Slot, w: Linear, count: number, activations: 'int8' | 'float'): void {
    this.#multiply(this.#f32(out), this.#f32(x), w, count, activations)
  }

  attend(out: Slot, qkv: Slot, rows: StepRows, spec: AttendSpec): void {
    const kv = { spec: spec.kv, memory: this.#memory[spec.kv.at] }
    attend(this.#f32(out), this.#f32(qkv), rows, spec, kv, this.#ropes[spec.rope.at], {
      q: spec.qGain && this.#f32(spec.qGain),
      k: spec.kGain && this.#f32(spec.kGain),
    })
  }

  gate(out: Slot, x: Slot, activation: 'silu' | 'relu2', count: number, n: number): void {
    const [y, v] = [this.#f32(out), this.#f32(x)]
    for (let r = 0; r < count; r++) {
      for (let i = 0; i < n; i++) {
        const g = v[2 * n * r + i]
        const positive = g > 0 ? g : 0
        const a = activation === 'silu' ? silu(g) : f(positive * positive)
        y[n * r + i] = f(a * v[2 * n * r + n + i])
      }
    }
  }

  add(out: Slot, x: Slot, count: number): void {
    const [y, v] = [this.#f32(out), this.#f32(x)]
    for (let i = 0; i < count; i++) y[i] += v[i]
  }

  gather(out: Slot, x: Slot, which: Int32Array, count: number, n: number): void {
    const [y, v] = [this.#f32(out), this.#f32(x)]
    for (let r = 0; r < count; r++) y.set(v.subarray(which[r] * n, (which[r] + 1) * n), r * n)
  }

  read(slot: Slot, first: number, count: number): Float32Array {
    return this.#f32(slot).slice(first, first + count)
  }

  finite(slot: Slot, first: number, count: number): boolean {
    return allFinite(this.#f32(slot), first, first + count)
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

  close(): void {
    this.#closed = true
    this.#memory.length = 0
    this.#linears.length = 0
    this.#ropes.length = 0
  }

  readonly #multiply: Multiply = (y, v, w, count, activations) => {
    const K = w.cols
    const q = new Int8Array(count * K)
    const inverse = new Float32Array(count)
    if (activations === 'int8') {
      for (let r = 0; r < count; r++) {
        inverse[r] = quantizeRow(q.subarray(r * K, (r + 1) * K), v, r * K, K)
      }
    }
    const stride = w.columns?.stride ?? w.outputs
    let first = w.columns?.first ?? 0
    for (const part of w.parts) {
      const weights = this.#bytes(part.weights)
      const scales = this.#scales(part)
      const integer = activations === 'int8' && part.layout !== 'f16' && part.layout !== 'f32'
      const row = integer ? new Int16Array(K) : new Float32Array(K)
      for (let n = 0; n < part.rows; n++) {
        unpackRow(row, part, weights, n)
        for (let r = 0; r < count; r++) {
          y[r * stride + first + n] = integer
            ? dotInt8(q, r * K, row, part, scales, n, inverse[r])
            : dotFloat(v, r * K, row, part, scales, n)
        }
      }
      first += part.rows
    }
  }

  #buffer(slot: Slot): ArrayBuffer {
    if (this.#closed) throw new RyzError('CLOSED', 'the backend is closed')
    return this.#memory[slot.at]
  }

  #cache(kv: Kv): Uint8Array {
    if (this.#closed) throw new RyzError('CLOSED', 'the backend is closed')
    return new Uint8Array(this.#memory[kv.at])
  }

  #bytes(slot: Slot): Uint8Array {
    return new Uint8Array(this.#buffer(slot), 0, slot.bytes)
  }

  #f32(slot: Slot): Float32Array {
    return new Float32Array(this.#buffer(slot))
  }

  #scales(matrix: Matrix): Float32Array {
    return matrix.scales ? this.#f32(matrix.scales) : new Float32Array(0)
  }
}

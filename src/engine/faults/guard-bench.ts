// A small backend with room for the operands of one op: what repairs are computed on. Its operands are copied
// in from the main backend, a slice of a matrix at a time. See guard-backend.ts.
import type {
  Backend,
  BackendLimits,
  Kv,
  Linear,
  Matrix,
  Rope,
  Slot,
} from '../../backend/backend.ts'
import { KV_BLOCK, kvHeadBytes, layoutBytes } from '../../backend/backend.ts'
import type { BackendFactory } from '../../backend/factory.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { ropeTables } from '../../model/rope.ts'
import type { NetworkOptions } from '../../model/run-network.ts'

/** Rows of a slice are a multiple of this, so that it begins at a whole tile of every layout. */
export const SLICE_ROWS = 64
const SLICE_BYTES = 2 ** 20

export interface GuardSpec {
  readonly config: ModelConfig
  readonly limits: BackendLimits
  readonly network: Pick<NetworkOptions, 'kv' | 'contextLength'>
  /** What computes the steps that are judged. */
  readonly main: Backend
}

/** A repairer with room for the operands of one op. */
export class Bench {
  readonly backend: Backend
  readonly x: Slot
  readonly y: Slot
  readonly vector: Slot
  readonly vector2: Slot
  readonly kv: Kv
  readonly rope: Rope
  readonly #weights: Slot
  readonly #scales: Slot
  /** One per shape: descriptors are never given back. */
  readonly #linears = new Map<string, Linear>()

  static async open(factory: BackendFactory, spec: GuardSpec): Promise<Bench> {
    const limits: BackendLimits = spec.limits
    const memory = benchBytes(spec) + factory.scratchBytes(limits)
    return new Bench(await factory.create(memory, limits), spec)
  }

  private constructor(backend: Backend, spec: GuardSpec) {
    const { config, network } = spec
    const sizes = benchSizes(spec)
    this.backend = backend
    this.x = backend.alloc(sizes.x, 'repair input')
    this.y = backend.alloc(sizes.y, 'repair output')
    this.vector = backend.alloc(sizes.vector, 'repair vector')
    this.vector2 = backend.alloc(sizes.vector, 'repair vector')
    this.#weights = backend.alloc(sizes.weights, 'repair weights')
    this.#scales = backend.alloc(sizes.scales, 'repair scales')
    const { kvHeads, headDim, ropeDim, ropeTheta } = config
    const blocks = Math.ceil(network.contextLength / KV_BLOCK)
    this.kv = backend.createKv({ layers: 1, kvHeads, headDim, blocks, type: network.kv })
    const rope = ropeTables(network.contextLength, ropeDim, ropeTheta)
    this.rope = backend.createRope(rope.cos, rope.sin, ropeDim)
  }

  /** Copies `count` values of a slot of `from`, from its value `first` on. */
  async put(to: Slot, from: Backend, slot: Slot, count: number, first = 0): Promise<void> {
    const values = await from.read(slot, first, count)
    this.backend.writer(to).write(0, bytesOf(values))
  }

  /** Rows [first, first + rows) of a matrix of `from`, in this bench's memory until the next load. */
  async load(from: Backend, m: Matrix, first: number, rows: number): Promise<Matrix> {
    const at = layoutBytes(m.layout, first, m.cols) / 4
    const values = layoutBytes(m.layout, rows, m.cols) / 4
    const weights = await from.read(m.weights, at, values)
    this.backend.writer(this.#weights).write(0, bytesOf(weights))
    const slice = { ...m, rows, weights: this.#weights }
    if (m.scales === undefined) return slice
    const perRow = m.scaleBlock > 0 ? Math.ceil(m.cols / m.scaleBlock) : 1
    const scales = await from.read(m.scales, first * perRow, rows * perRow)
    this.backend.writer(this.#scales).write(0, bytesOf(scales))
    return { ...slice, scales: this.#scales }
  }

  /** One row of a slice. */
  async embed(slice: Matrix, id: number): Promise<Float32Array> {
    this.backend.embed(this.y, slice, Int32Array.of(id), 1)
    return this.backend.read(this.y, 0, slice.cols)
  }

  /** x times a slice, f32 [count][slice.rows]. */
  async linear(slice: Matrix, count: number, activations: 'int8' | 'float'): Promise<Float32Array> {
    const shape = [slice.layout, slice.rows, slice.cols, slice.scaleBlock].join()
    let linear = this.#linears.get(shape)
    if (linear === undefined) {
      linear = this.backend.stack([slice])
      this.#linears.set(shape, linear)
    }
    this.backend.linear(this.y, this.x, linear, count, activations)
    return this.backend.read(this.y, 0, count * slice.rows)
  }

  /** Rows of a slice of this matrix: they and their outputs fit. */
  sliceRows(m: Matrix, count: number): number {
    const fit = Math.min(
      this.#weights.bytes / layoutBytes(m.layout, SLICE_ROWS, m.cols),
      this.y.bytes / (4 * count * SLICE_ROWS),
    )
    return Math.floor(fit) * SLICE_ROWS
  }
}

function benchSizes({ config: c, limits }: GuardSpec) {
  const ffn = Math.max(c.ffn, c.experts?.shared?.ffn ?? 0)
  const widest = Math.max(c.hidden, 2 * ffn, (c.heads + 2 * c.kvHeads) * c.headDim, SLICE_ROWS)
  const cols = Math.max(limits.maxCols, c.hidden)
  return {
    x: 4 * limits.maxRows * widest,
    y: 4 * limits.maxRows * widest,
    vector: 4 * cols,
    weights: Math.max(SLICE_BYTES, layoutBytes('f32', SLICE_ROWS, cols)),
    // A slice of t2 codes with a scale per 64 columns has one for 16 bytes of codes.
    scales: Math.max(SLICE_BYTES, layoutBytes('f32', SLICE_ROWS, cols)) / 4,
  }
}

/** All that a bench allocates, alignment included. */
function benchBytes(spec: GuardSpec): number {
  const { config: c, network } = spec
  const { x, y, vector, weights, scales } = benchSizes(spec)
  const blocks = Math.ceil(network.contextLength / KV_BLOCK)
  const kv = blocks * c.kvHeads * kvHeadBytes(network.kv, c.headDim)
  const rope = 4 * network.contextLength * c.ropeDim
  return x + y + 2 * vector + weights + scales + kv + rope + 65536
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

// A Backend that computes each op on a small bench of its own: operands are read from the main backend's
// memory, a slice of a matrix at a time, and results are written back where the graph expects them.
// Needs nothing of the main backend but the interface, so it repairs any. Slow (it copies all weights it
// uses, about 0.1 s a step for 200 MB) and used for single steps only: see guard.ts.
import type {
  AttendSpec,
  Backend,
  BackendLimits,
  Kv,
  Linear,
  Matrix,
  Rope,
  Sink,
  Slot,
  StepRows,
} from '../../backend/backend.ts'
import { KV_BLOCK, kvHeadBytes, layoutBytes } from '../../backend/backend.ts'
import type { BackendFactory } from '../../backend/factory.ts'
import { allFinite } from '../../backend/finite.ts'
import { asRyzError, RyzError } from '../../errors.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { ropeTables } from '../../model/rope.ts'
import type { NetworkOptions } from '../../model/run-network.ts'
import type { FaultStats } from '../../types/index.ts'

/** Rows of a slice are a multiple of this, so that it begins at a whole tile of every layout. */
const SLICE_ROWS = 64
const SLICE_BYTES = 2 ** 20
/** The event loop gets a turn this often. */
const TURN_MS = 20

export interface GuardSpec {
  readonly config: ModelConfig
  readonly limits: BackendLimits
  readonly network: Pick<NetworkOptions, 'kv' | 'contextLength'>
  /** What computes the steps that are judged. */
  readonly main: Backend
}

type Note = (op: string, by: FaultStats['events'][number]['by']) => void

export class GuardBackend implements Backend {
  readonly path: Backend['path']
  readonly traits: Backend['traits']
  readonly lost: Backend['lost']
  /** Ops that the first repairer could not do. */
  repaired = 0
  readonly #main: Backend
  readonly #spec: GuardSpec
  readonly #factories: readonly BackendFactory[]
  readonly #note: Note
  readonly #benches: (Bench | undefined)[] = []
  /** Ops run in the order issued, in read(). */
  readonly #queue: (() => Promise<void>)[] = []
  #turned = performance.now()

  constructor(spec: GuardSpec, factories: readonly BackendFactory[], note: Note) {
    const { main } = spec
    this.path = main.path
    this.traits = main.traits
    this.lost = main.lost
    this.#main = main
    this.#spec = spec
    this.#factories = factories
    this.#note = note
  }

  embed(out: Slot, table: Matrix, ids: Int32Array, count: number): void {
    const wanted = ids.slice(0, count)
    this.#op('embed', out, async bench => {
      const n = table.cols
      const values = new Float32Array(count * n)
      for (const [r, id] of wanted.entries()) {
        const first = id - (id % SLICE_ROWS)
        const rows = Math.min(SLICE_ROWS, table.rows - first)
        const slice = await bench.load(this.#main, table, first, rows)
        values.set(await bench.embed(slice, id - first), r * n)
      }
      return values
    })
  }

  norm(out: Slot, x: Slot, gain: Slot, eps: number, count: number, n: number): void {
    this.#op(`norm (${gain.label})`, out, async bench => {
      await bench.put(bench.x, this.#main, x, count * n)
      await bench.put(bench.vector, this.#main, gain, n)
      bench.backend.norm(bench.y, bench.x, bench.vector, eps, count, n)
      return bench.backend.read(bench.y, 0, count * n)
    })
  }

  linear(out: Slot, x: Slot, w: Linear, count: number, activations: 'int8' | 'float'): void {
    this.#op(`linear (${w.parts[0]!.weights.label})`, out, async bench => {
      await bench.put(bench.x, this.#main, x, count * w.cols)
      const values = new Float32Array(count * w.outputs)
      let at = 0
      for (const part of w.parts) {
        const step = bench.sliceRows(part, count)
        for (let first = 0; first < part.rows; first += step) {
          const rows = Math.min(step, part.rows - first)
          const slice = await bench.load(this.#main, part, first, rows)
          const y = await bench.linear(slice, count, activations)
          for (let r = 0; r < count; r++) {
            values.set(y.subarray(r * rows, (r + 1) * rows), r * w.outputs + at + first)
          }
          await this.#breathe()
        }
        at += part.rows
      }
      return values
    })
  }

  attend(out: Slot, qkv: Slot, rows: StepRows, spec: AttendSpec): void {
    const { count, maxBlocks } = rows
    const positions = rows.positions.slice(0, count)
    const last = positions[count - 1]!
    const blocks = rows.tables.slice(0, Math.floor(last / KV_BLOCK) + 1)
    const width = (spec.heads + 2 * spec.kvHeads) * spec.headDim
    const layerBytes = spec.kvHeads * kvHeadBytes(this.#spec.network.kv, spec.headDim)
    const layerAt = spec.layer * layerBytes
    this.#op(`attend (layer ${spec.layer})`, out, async bench => {
      await bench.put(bench.x, this.#main, qkv, count * width)
      for (const [i, block] of blocks.entries()) {
        const bytes = await this.#main.readBlock(spec.kv, block)
        bench.backend.writeBlock(bench.kv, i, bytes.subarray(layerAt, layerAt + layerBytes))
        await this.#breathe()
      }
      const tables = new Int32Array(count * maxBlocks)
      for (let i = 0; i < tables.length; i++) tables[i] = i % maxBlocks
      const gains = { qGain: spec.qGain && bench.vector, kGain: spec.kGain && bench.vector2 }
      if (spec.qGain) await bench.put(bench.vector, this.#main, spec.qGain, spec.headDim)
      if (spec.kGain) await bench.put(bench.vector2, this.#main, spec.kGain, spec.headDim)
      const step = { count, positions, tables, maxBlocks }
      const { kv, rope } = bench
      bench.backend.attend(bench.y, bench.x, step, { ...spec, ...gains, kv, rope, layer: 0 })
      const values = await bench.backend.read(bench.y, 0, count * spec.heads * spec.headDim)
      if (!allFinite(values, 0, values.length)) return values
      // The step's own K and V go into the cache, too.
      for (let i = Math.floor(positions[0]! / KV_BLOCK); i < blocks.length; i++) {
        const bytes = await this.#main.readBlock(spec.kv, blocks[i]!)
        bytes.set(await bench.backend.readBlock(kv, i), layerAt)
        this.#main.writeBlock(spec.kv, blocks[i]!, bytes)
      }
      return values
    })
  }

  gate(out: Slot, x: Slot, activation: 'silu' | 'relu2', count: number, n: number): void {
    this.#op(`gate (${activation})`, out, async bench => {
      await bench.put(bench.x, this.#main, x, 2 * count * n)
      bench.backend.gate(bench.y, bench.x, activation, count, n)
      return bench.backend.read(bench.y, 0, count * n)
    })
  }

  add(out: Slot, x: Slot, count: number): void {
    this.#op('add', out, async bench => {
      await bench.put(bench.x, this.#main, x, count)
      await bench.put(bench.y, this.#main, out, count)
      bench.backend.add(bench.y, bench.x, count)
      return bench.backend.read(bench.y, 0, count)
    })
  }

  /** Copies; the main backend does that. */
  gather(out: Slot, x: Slot, which: Int32Array, count: number, n: number): void {
    const rows = which.slice(0, count)
    this.#queue.push(async () => this.#main.gather(out, x, rows, count, n))
  }

  async read(slot: Slot, first: number, count: number): Promise<Float32Array> {
    await this.flush()
    return this.#main.read(slot, first, count)
  }

  /** Runs what was issued. @throws RyzError BAD_WEIGHTS | KERNEL_TRAP */
  async flush(): Promise<void> {
    try {
      for (const run of this.#queue.splice(0)) {
        await run()
        await this.#breathe()
      }
    } catch (caught) {
      throw asRyzError(caught, 'KERNEL_TRAP', 'a step could not be computed again')
    }
  }

  alloc(bytes: number, label: string): Slot {
    return this.#main.alloc(bytes, label)
  }

  writer(slot: Slot): Sink {
    return this.#main.writer(slot)
  }

  stack(parts: readonly Matrix[]): Linear {
    return this.#main.stack(parts)
  }

  createKv(): Kv {
    throw new Error('the cache is the main backend’s')
  }

  createRope(): Rope {
    throw new Error('the tables are the main backend’s')
  }

  async finite(slot: Slot, first: number, count: number): Promise<boolean> {
    await this.flush()
    return this.#main.finite(slot, first, count)
  }

  copyBlock(kv: Kv, from: number, to: number): void {
    this.#main.copyBlock(kv, from, to)
  }

  readBlock(kv: Kv, block: number): Promise<Uint8Array> {
    return this.#main.readBlock(kv, block)
  }

  writeBlock(kv: Kv, block: number, bytes: Uint8Array): void {
    this.#main.writeBlock(kv, block, bytes)
  }

  /** Ends the benches; the main backend stays open. */
  close(): void {
    for (const bench of this.#benches.splice(0)) bench?.backend.close()
  }

  /** Tries the repairers in order until the result is finite. */
  #op(op: string, out: Slot, compute: (bench: Bench) => Promise<Float32Array>): void {
    this.#queue.push(async () => {
      for (const i of this.#factories.keys()) {
        const values = await this.#try(i, compute)
        if (values === undefined || !allFinite(values, 0, values.length)) continue
        if (i > 0) {
          this.repaired++
          this.#note(op, 'reference')
        }
        const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
        this.#main.writer(out).write(0, bytes)
        return
      }
      this.#note(op, 'none')
      throw new RyzError(
        'BAD_WEIGHTS',
        `${op} gives numbers that are not finite in every kernel; the weights are damaged, or the model does not fit these activations`,
        { op },
      )
    })
  }

  /** Undefined when repairer `i` fails and another is left. */
  async #try(
    i: number,
    compute: (bench: Bench) => Promise<Float32Array>,
  ): Promise<Float32Array | undefined> {
    try {
      this.#benches[i] ??= await Bench.open(this.#factories[i]!, this.#spec)
      return await compute(this.#benches[i]!)
    } catch (caught) {
      if (i === this.#factories.length - 1) throw caught
      return undefined
    }
  }

  async #breathe(): Promise<void> {
    if (performance.now() - this.#turned < TURN_MS) return
    // A timer, not a message to ourselves: that would be heard before the messages of others.
    await new Promise(resolve => setTimeout(resolve, 0))
    this.#turned = performance.now()
  }
}

/** A repairer with room for the operands of one op. */
class Bench {
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

  /** Copies `count` values of a slot of `from`. */
  async put(to: Slot, from: Backend, slot: Slot, count: number): Promise<void> {
    const values = await from.read(slot, 0, count)
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
  const widest = Math.max(c.hidden, 2 * c.ffn, (c.heads + 2 * c.kvHeads) * c.headDim, SLICE_ROWS)
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

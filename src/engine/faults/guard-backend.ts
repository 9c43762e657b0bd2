// A Backend that computes each op on a small bench of its own: operands are read from the main backend's
// memory, a slice of a matrix at a time, and results are written back where the graph expects them.
// Needs nothing of the main backend but the interface, so it repairs any. Slow (it copies all weights it
// uses, about 0.1 s a step for 200 MB) and used for single steps only: see guard.ts.
import type {
  AttendSpec,
  Backend,
  Kv,
  Linear,
  Matrix,
  OutputColumns,
  Rope,
  Sink,
  Slot,
  StepRows,
} from '../../backend/backend.ts'
import { KV_BLOCK, kvHeadBytes } from '../../backend/backend.ts'
import type { BackendFactory } from '../../backend/factory.ts'
import { allFinite } from '../../backend/finite.ts'
import { asRyzError, RyzError } from '../../errors.ts'
import type { FaultStats } from '../../types/index.ts'
import { Bench, type GuardSpec, SLICE_ROWS } from './guard-bench.ts'
import { GuardExperts } from './guard-experts.ts'

/** The event loop gets a turn this often. */
const TURN_MS = 20

type Note = (op: string, by: FaultStats['events'][number]['by']) => void

export class GuardBackend implements Backend {
  readonly path: Backend['path']
  readonly traits: Backend['traits']
  readonly lost: Backend['lost']
  readonly experts: Backend['experts']
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
    this.experts =
      main.experts &&
      new GuardExperts<Bench>({
        main,
        op: (name, out, compute) => this.#op(name, out, compute),
        multiply: (...operands) => this.#multiply(...operands),
      })
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
    const compute = async (bench: Bench) => {
      await bench.put(bench.x, this.#main, x, count * w.cols)
      return this.#multiply(bench, w.parts, w.outputs, count, activations)
    }
    this.#op(`linear (${w.parts[0]!.weights.label})`, out, compute, w)
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
      const values = new Float32Array(count * n)
      // Of experts there are more rows than a bench has room for.
      const step = Math.floor(bench.x.bytes / (8 * n))
      for (let first = 0; first < count; first += step) {
        const rows = Math.min(step, count - first)
        await bench.put(bench.x, this.#main, x, 2 * rows * n, 2 * first * n)
        bench.backend.gate(bench.y, bench.x, activation, rows, n)
        values.set(await bench.backend.read(bench.y, 0, rows * n), first * n)
      }
      return values
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

  stack(parts: readonly Matrix[], columns?: OutputColumns): Linear {
    return this.#main.stack(parts, columns)
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

  /**
   * Tries the repairers in order until the result is finite.
   * @param part  of rows that are wider than the result
   */
  #op(
    op: string,
    out: Slot,
    compute: (bench: Bench) => Promise<Float32Array>,
    part?: Pick<Linear, 'columns' | 'outputs'>,
  ): void {
    this.#queue.push(async () => {
      for (const i of this.#factories.keys()) {
        const values = await this.#try(i, compute)
        if (values === undefined || !allFinite(values, 0, values.length)) continue
        if (i > 0) {
          this.repaired++
          this.#note(op, 'reference')
        }
        const writer = this.#main.writer(out)
        const { columns, outputs = values.length } = part ?? {}
        const width = columns === undefined ? values.length : outputs
        for (let r = 0; r * width < values.length; r++) {
          const at = columns === undefined ? 0 : r * columns.stride + columns.first
          const { buffer, byteOffset } = values
          writer.write(4 * at, new Uint8Array(buffer, byteOffset + 4 * r * width, 4 * width))
        }
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

  /** The rows in the bench's x times these matrices, a slice at a time. */
  async #multiply(
    bench: Bench,
    parts: readonly Matrix[],
    outputs: number,
    count: number,
    activations: 'int8' | 'float',
  ): Promise<Float32Array> {
    const values = new Float32Array(count * outputs)
    let at = 0
    for (const part of parts) {
      const step = bench.sliceRows(part, count)
      for (let first = 0; first < part.rows; first += step) {
        const rows = Math.min(step, part.rows - first)
        const slice = await bench.load(this.#main, part, first, rows)
        const y = await bench.linear(slice, count, activations)
        for (let r = 0; r < count; r++) {
          values.set(y.subarray(r * rows, (r + 1) * rows), r * outputs + at + first)
        }
        await this.#breathe()
      }
      at += part.rows
    }
    return values
  }

  async #breathe(): Promise<void> {
    if (performance.now() - this.#turned < TURN_MS) return
    // A timer, not a message to ourselves: that would be heard before the messages of others.
    await new Promise(resolve => setTimeout(resolve, 0))
    this.#turned = performance.now()
  }
}

// Times ops of a backend without the graph knowing: a Backend that forwards each call and adds up
// milliseconds by op name, for stats() and the latency breakdown. Every clock read leaves 16 bytes to the
// collector, 10 kB a token with 24 layers, so of the steps that only decode one in 8 is timed and
// counts for all of them.
import type { AttendSpec, Backend, Linear, Matrix, Slot, StepRows } from '../backend/backend.ts'
import type { OpTime } from '../types.ts'

/** The ops of the graph, with the linears told apart by what they compute. */
export type OpName =
  | 'embed'
  | 'norm'
  | 'qkv'
  | 'attend'
  | 'o'
  | 'gate_up'
  | 'gate'
  | 'down'
  | 'add'
  | 'logits'
  | 'read'

/** Steps of at most so many rows are taken for decoding. */
const DECODE_ROWS = 8
const SAMPLED = 8

export class OpTimer {
  readonly #backend: Backend
  /** Steps that the one which runs counts for; 0 when it is not timed. */
  #weight = 1
  #decodeSteps = 0
  readonly #calls = new Map<OpName, OpTime>()

  constructor(backend: Backend) {
    this.#backend = backend
  }

  /** A step of so many rows begins. */
  begin(rows: number): void {
    if (rows > DECODE_ROWS) this.#weight = 1
    else this.#weight = ++this.#decodeSteps % SAMPLED === 0 ? SAMPLED : 0
  }

  /** Totals since the start, slowest first; of short steps, estimates from one in 8. */
  times(): OpTime[] {
    return [...this.#calls.values()].map(t => ({ ...t })).sort((a, b) => b.ms - a.ms)
  }

  embed(out: Slot, table: Matrix, ids: Int32Array, count: number): void {
    const start = this.#clock()
    this.#backend.embed(out, table, ids, count)
    this.#add('embed', start)
  }

  norm(out: Slot, x: Slot, gain: Slot, eps: number, count: number, n: number): void {
    const start = this.#clock()
    this.#backend.norm(out, x, gain, eps, count, n)
    this.#add('norm', start)
  }

  linear(
    op: OpName,
    out: Slot,
    x: Slot,
    w: Linear,
    count: number,
    activations: 'int8' | 'float',
  ): void {
    const start = this.#clock()
    this.#backend.linear(out, x, w, count, activations)
    this.#add(op, start)
  }

  attend(out: Slot, qkv: Slot, rows: StepRows, spec: AttendSpec): void {
    const start = this.#clock()
    this.#backend.attend(out, qkv, rows, spec)
    this.#add('attend', start)
  }

  gate(out: Slot, x: Slot, activation: 'silu' | 'relu2', count: number, n: number): void {
    const start = this.#clock()
    this.#backend.gate(out, x, activation, count, n)
    this.#add('gate', start)
  }

  add(out: Slot, x: Slot, count: number): void {
    const start = this.#clock()
    this.#backend.add(out, x, count)
    this.#add('add', start)
  }

  async read(slot: Slot, first: number, count: number): Promise<Float32Array> {
    const start = this.#clock()
    const values = await this.#backend.read(slot, first, count)
    this.#add('read', start)
    return values
  }

  #clock(): number {
    return this.#weight > 0 ? performance.now() : 0
  }

  #add(op: OpName, start: number): void {
    const weight = this.#weight
    if (weight === 0) return
    let entry = this.#calls.get(op)
    if (!entry) {
      entry = { op, calls: 0, ms: 0 }
      this.#calls.set(op, entry)
    }
    entry.calls += weight
    entry.ms += weight * (performance.now() - start)
  }
}

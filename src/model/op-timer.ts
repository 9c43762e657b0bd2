// Times every op of a backend without the graph knowing: a Backend that forwards each call and adds up
// milliseconds by op name, for stats() and the latency breakdown. Two clock reads an op, about 0.1 us.
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

export class OpTimer {
  readonly #backend: Backend
  readonly #calls = new Map<OpName, OpTime>()

  constructor(backend: Backend) {
    this.#backend = backend
  }

  /** Totals since the start, slowest first. */
  times(): OpTime[] {
    return [...this.#calls.values()].map(t => ({ ...t })).sort((a, b) => b.ms - a.ms)
  }

  embed(out: Slot, table: Matrix, ids: Int32Array, count: number): void {
    const start = performance.now()
    this.#backend.embed(out, table, ids, count)
    this.#add('embed', start)
  }

  norm(out: Slot, x: Slot, gain: Slot, eps: number, count: number, n: number): void {
    const start = performance.now()
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
    const start = performance.now()
    this.#backend.linear(out, x, w, count, activations)
    this.#add(op, start)
  }

  attend(out: Slot, qkv: Slot, rows: StepRows, spec: AttendSpec): void {
    const start = performance.now()
    this.#backend.attend(out, qkv, rows, spec)
    this.#add('attend', start)
  }

  gate(out: Slot, x: Slot, activation: 'silu' | 'relu2', count: number, n: number): void {
    const start = performance.now()
    this.#backend.gate(out, x, activation, count, n)
    this.#add('gate', start)
  }

  add(out: Slot, x: Slot, count: number): void {
    const start = performance.now()
    this.#backend.add(out, x, count)
    this.#add('add', start)
  }

  async read(slot: Slot, first: number, count: number): Promise<Float32Array> {
    const start = performance.now()
    const values = await this.#backend.read(slot, first, count)
    this.#add('read', start)
    return values
  }

  #add(op: OpName, start: number): void {
    let entry = this.#calls.get(op)
    if (!entry) {
      entry = { op, calls: 0, ms: 0 }
      this.#calls.set(op, entry)
    }
    entry.calls++
    entry.ms += performance.now() - start
  }
}

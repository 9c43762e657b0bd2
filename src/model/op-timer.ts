// Times ops of a backend without the graph knowing: a Backend that forwards each call and adds up
// milliseconds by op name, for stats() and the latency breakdown. Every clock read leaves 16 bytes to the
// collector, 10 kB a token with 24 layers, so of the steps that only decode one in 16 is timed and
// counts for all of them.
import type {
  AttendSpec,
  Backend,
  Columns,
  Experts,
  Linear,
  Matrix,
  RoutedShape,
  Router,
  Slot,
  StepRows,
} from '../backend/backend.ts'
import type { OpTime } from '../types/index.ts'

/** The ops of the graph, with the linears told apart by what they compute. */
const OPS = [
  'embed',
  'norm',
  'qkv',
  'attend',
  'o',
  'gate_up',
  'gate',
  'down',
  'add',
  'bias',
  'router',
  'route',
  'expert_gate_up',
  'expert_down',
  'mix',
  'logits',
  'read',
] as const
export type OpName = (typeof OPS)[number]
const INDEX = Object.fromEntries(OPS.map((op, i) => [op, i])) as Record<OpName, number>

/** Steps of at most so many rows are taken for decoding. */
const DECODE_ROWS = 8
const SAMPLED = 16

export class OpTimer {
  readonly #backend: Backend
  /** Steps that the one which runs counts for; 0 when it is not timed. */
  #weight = 1
  #decodeSteps = 0
  // Typed arrays: a fraction that is passed on, or held by an object, may be boxed anew each time.
  readonly #calls = new Float64Array(OPS.length)
  readonly #ms = new Float64Array(OPS.length)
  readonly #began = new Float64Array(1)

  constructor(backend: Backend) {
    this.#backend = backend
  }

  /** A step of so many rows begins. */
  begin(rows: number): void {
    if (rows > DECODE_ROWS) this.#weight = 1
    else this.#weight = ++this.#decodeSteps % SAMPLED === 0 ? SAMPLED : 0
  }

  /** Totals since the start, slowest first; of short steps, estimates from one in 16. */
  times(): OpTime[] {
    return OPS.map((op, i) => ({ op, calls: this.#calls[i]!, ms: this.#ms[i]! }))
      .filter(({ calls }) => calls > 0)
      .sort((a, b) => b.ms - a.ms)
  }

  embed(out: Slot, table: Matrix, ids: Int32Array, count: number): void {
    this.#start()
    this.#backend.embed(out, table, ids, count)
    this.#stop('embed')
  }

  norm(out: Slot, x: Slot, gain: Slot, eps: number, count: number, n: number): void {
    this.#start()
    this.#backend.norm(out, x, gain, eps, count, n)
    this.#stop('norm')
  }

  linear(
    op: OpName,
    out: Slot,
    x: Slot,
    w: Linear,
    count: number,
    activations: 'int8' | 'float',
  ): void {
    this.#start()
    this.#backend.linear(out, x, w, count, activations)
    this.#stop(op)
  }

  attend(out: Slot, qkv: Slot, rows: StepRows, spec: AttendSpec): void {
    this.#start()
    this.#backend.attend(out, qkv, rows, spec)
    this.#stop('attend')
  }

  gate(out: Slot, x: Slot, activation: 'silu' | 'relu2', count: number, n: number): void {
    this.#start()
    this.#backend.gate(out, x, activation, count, n)
    this.#stop('gate')
  }

  add(out: Slot, x: Slot, count: number): void {
    this.#start()
    this.#backend.add(out, x, count)
    this.#stop('add')
  }

  bias(x: Slot, b: Slot, count: number, n: number): void {
    this.#start()
    this.#backend.experts!.bias(x, b, count, n)
    this.#stop('bias')
  }

  normColumns(x: Slot, gain: Slot, eps: number, count: number, columns: Columns): void {
    this.#start()
    this.#backend.experts!.normColumns(x, gain, eps, count, columns)
    this.#stop('norm')
  }

  route(routes: Slot, logits: Slot, router: Router, count: number): void {
    this.#start()
    this.#backend.experts!.route(routes, logits, router, count)
    this.#stop('route')
  }

  routedLinear(
    op: OpName,
    out: Slot,
    x: Slot,
    w: Experts,
    routes: Slot,
    shape: RoutedShape,
    activations: 'int8' | 'float',
  ): void {
    this.#start()
    this.#backend.experts!.routedLinear(out, x, w, routes, shape, activations)
    this.#stop(op)
  }

  mix(out: Slot, y: Slot, routes: Slot, pairs: number, n: number): void {
    this.#start()
    this.#backend.experts!.mix(out, y, routes, pairs, n)
    this.#stop('mix')
  }

  /** Values or a promise of them, as the backend gives them. */
  read(slot: Slot, first: number, count: number): Float32Array | Promise<Float32Array> {
    this.#start()
    const values = this.#backend.read(slot, first, count)
    if (values instanceof Promise) return this.#stopLater(values)
    this.#stop('read')
    return values
  }

  async #stopLater(reading: Promise<Float32Array>): Promise<Float32Array> {
    const values = await reading
    this.#stop('read')
    return values
  }

  #start(): void {
    if (this.#weight > 0) this.#began[0] = performance.now()
  }

  #stop(op: OpName): void {
    if (this.#weight === 0) return
    const i = INDEX[op]
    this.#calls[i]! += this.#weight
    this.#ms[i]! += this.#weight * (performance.now() - this.#began[0]!)
  }
}

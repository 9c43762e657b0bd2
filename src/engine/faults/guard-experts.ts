// The ops of mixtures of experts for a repair: operands are read out of the main backend, which experts compute
// which row is decided again, each expert's matrices go through the bench a slice at a time. See guard-backend.ts,
// which runs what is queued here and writes the results back.
import {
  type Backend,
  type Columns,
  type ExpertOps,
  type Experts,
  type Matrix,
  ROUTE_VALUES,
  type RoutedShape,
  type Router,
  type Slot,
} from '../../backend/backend.ts'
import { mixRows, RowRouter, runOf } from '../../backend/routing.ts'

/** What this needs of a bench. */
export interface ExpertBench {
  readonly backend: Backend
  readonly x: Slot
  readonly vector: Slot
  put(to: Slot, from: Backend, slot: Slot, count: number): Promise<void>
}

export interface GuardParts<B extends ExpertBench> {
  readonly main: Backend
  /** Queues an op whose result is written to `out`. */
  op(name: string, out: Slot, compute: (bench: B) => Promise<Float32Array>): void
  /** f32 [count][outputs] of the rows in the bench's x. */
  multiply(
    bench: B,
    parts: readonly Matrix[],
    outputs: number,
    count: number,
    activations: 'int8' | 'float',
  ): Promise<Float32Array>
}

export class GuardExperts<B extends ExpertBench> implements ExpertOps {
  readonly #parts: GuardParts<B>

  constructor(parts: GuardParts<B>) {
    this.#parts = parts
  }

  createRouter(): Router {
    throw new Error('routers are the main backend’s')
  }

  stackExperts(): Experts {
    throw new Error('experts are the main backend’s')
  }

  route(routes: Slot, logits: Slot, router: Router, count: number): void {
    const { experts, used } = router
    this.#parts.op(`route (${logits.label})`, routes, async () => {
      const values = await this.#read(logits, count * experts)
      const bias = router.bias && (await this.#read(router.bias, experts))
      const result = new Float32Array(count * used * ROUTE_VALUES)
      new RowRouter(router).route(result, 0, values, 0, count, bias)
      return result
    })
  }

  routedLinear(
    out: Slot,
    x: Slot,
    w: Experts,
    routes: Slot,
    { input, count, used }: RoutedShape,
    activations: 'int8' | 'float',
  ): void {
    const { cols, outputs } = w
    const pairs = count * used
    const { label } = w.experts[0]![0]!.weights
    this.#parts.op(`routed linear (${label} and on)`, out, async bench => {
      const entries = await this.#read(routes, pairs * ROUTE_VALUES)
      const inputs = await this.#read(x, (input === 'rows' ? count : pairs) * cols)
      const values = new Float32Array(pairs * outputs)
      for (let first = 0, n = 0; first < pairs; first += n) {
        n = runOf(entries, 0, first, pairs)
        const rows = new Float32Array(n * cols)
        for (let i = 0; i < n; i++) {
          const entry = ROUTE_VALUES * (first + i)
          const row = input === 'rows' ? entries[entry + 1]! : first + i
          rows.set(inputs.subarray(row * cols, (row + 1) * cols), i * cols)
        }
        bench.backend.writer(bench.x).write(0, new Uint8Array(rows.buffer))
        const parts = w.experts[entries[ROUTE_VALUES * first]!]!
        const y = await this.#parts.multiply(bench, parts, outputs, n, activations)
        values.set(y, first * outputs)
      }
      return values
    })
  }

  mix(out: Slot, y: Slot, routes: Slot, pairs: number, n: number): void {
    this.#parts.op('mix', out, async () => {
      const entries = await this.#read(routes, pairs * ROUTE_VALUES)
      let rows = 0
      for (let p = 0; p < pairs; p++) rows = Math.max(rows, entries[ROUTE_VALUES * p + 1]! + 1)
      const values = await this.#read(out, rows * n)
      mixRows(values, await this.#read(y, pairs * n), entries, pairs, n)
      return values
    })
  }

  normColumns(x: Slot, gain: Slot, eps: number, count: number, columns: Columns): void {
    const { main } = this.#parts
    const size = count * columns.stride
    this.#parts.op(`norm (${gain.label})`, x, async bench => {
      await bench.put(bench.x, main, x, size)
      await bench.put(bench.vector, main, gain, columns.n)
      bench.backend.experts!.normColumns(bench.x, bench.vector, eps, count, columns)
      return bench.backend.read(bench.x, 0, size)
    })
  }

  bias(x: Slot, b: Slot, count: number, n: number): void {
    this.#parts.op(`bias (${b.label})`, x, async () => {
      const values = await this.#read(x, count * n)
      const bias = await this.#read(b, n)
      for (let i = 0; i < values.length; i++) values[i]! += bias[i % n]!
      return values
    })
  }

  use(router: Router): number[] {
    return this.#parts.main.experts!.use(router)
  }

  /** A copy: the next read may overwrite what was read. */
  async #read(slot: Slot, count: number): Promise<Float32Array<ArrayBuffer>> {
    return new Float32Array(await this.#parts.main.read(slot, 0, count))
  }
}

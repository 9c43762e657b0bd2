// Mixtures of experts on the reference: the ops of ExpertOps as plain loops. Routing and mix are shared with
// the other backends of the host (routing.ts); a routed linear is a linear for each run of pairs of one expert.
import {
  type Columns,
  type ExpertOps,
  type Experts,
  type Linear,
  type Matrix,
  ROUTE_VALUES,
  type RoutedShape,
  type Router,
  type RouterSpec,
  type Slot,
} from '../backend.ts'
import { mixRows, RowRouter, runOf } from '../routing.ts'
import { normRow } from './norm.ts'

/** y f32 [count][outputs] = v f32 [count][cols] times the parts. */
export type Multiply = (
  y: Float32Array,
  v: Float32Array,
  w: Pick<Linear, 'parts' | 'cols' | 'outputs' | 'columns'>,
  count: number,
  activations: 'int8' | 'float',
) => void

export class ReferenceExperts implements ExpertOps {
  readonly #f32: (slot: Slot) => Float32Array
  readonly #multiply: Multiply
  readonly #routers: RowRouter[] = []

  constructor(f32: (slot: Slot) => Float32Array, multiply: Multiply) {
    this.#f32 = f32
    this.#multiply = multiply
  }

  createRouter(spec: RouterSpec): Router {
    this.#routers.push(new RowRouter(spec))
    return { ...spec, at: this.#routers.length - 1 }
  }

  stackExperts(experts: readonly (readonly Matrix[])[]): Experts {
    const first = experts[0]!
    const outputs = first.reduce((sum, part) => sum + part.rows, 0)
    return { experts, cols: first[0]!.cols, outputs }
  }

  route(routes: Slot, logits: Slot, router: Router, count: number): void {
    const bias = router.bias && this.#f32(router.bias)
    const [to, from] = [this.#f32(routes), this.#f32(logits)]
    this.#routers[router.at]!.route(to, 0, from, 0, count, bias)
  }

  routedLinear(
    out: Slot,
    x: Slot,
    w: Experts,
    routes: Slot,
    { input, count, used }: RoutedShape,
    activations: 'int8' | 'float',
  ): void {
    const [y, v, pairs] = [this.#f32(out), this.#f32(x), this.#f32(routes)]
    const { cols, outputs } = w
    for (let first = 0, n = 0; first < count * used; first += n) {
      n = runOf(pairs, 0, first, count * used)
      const rows = new Float32Array(n * cols)
      for (let i = 0; i < n; i++) {
        const from = input === 'rows' ? pairs[ROUTE_VALUES * (first + i) + 1]! : first + i
        rows.set(v.subarray(from * cols, (from + 1) * cols), i * cols)
      }
      const parts = w.experts[pairs[ROUTE_VALUES * first]!]!
      const to = y.subarray(first * outputs)
      this.#multiply(to, rows, { parts, cols, outputs }, n, activations)
    }
  }

  mix(out: Slot, y: Slot, routes: Slot, pairs: number, n: number): void {
    mixRows(this.#f32(out), this.#f32(y), this.#f32(routes), pairs, n)
  }

  normColumns(x: Slot, gain: Slot, eps: number, count: number, columns: Columns): void {
    const [v, g] = [this.#f32(x), this.#f32(gain)]
    const { stride, first, n } = columns
    for (let r = 0; r < count; r++) normRow(v, v, g, r * stride + first, n, eps)
  }

  bias(x: Slot, b: Slot, count: number, n: number): void {
    const [v, add] = [this.#f32(x), this.#f32(b)]
    for (let i = 0; i < count * n; i++) v[i]! += add[i % n]!
  }

  use(router: Router): number[] {
    return [...this.#routers[router.at]!.use]
  }
}

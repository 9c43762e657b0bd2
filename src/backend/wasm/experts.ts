// Mixtures of experts on the kernels: which expert computes which row is decided here (routing.ts), on linear
// memory; each expert's matrices then go through ryz_linear, those of a single row's experts in one call.
// Made by wasm-backend.ts.
import {
  type Columns,
  type ExpertOps,
  type Experts,
  type Matrix,
  ROUTE_VALUES,
  type RoutedShape,
  type Router,
  type RouterSpec,
  type Slot,
} from '../backend.ts'
import { RowRouter, runOf } from '../routing.ts'
import { LINEAR_WORDS, matrixWords, unitsOf } from './descriptors.ts'
import type { KernelExports } from './exports.ts'

/** What the backend lends. */
export interface ExpertParts {
  readonly kernels: KernelExports
  /** Views of linear memory. */
  readonly bytes: Uint8Array
  readonly i32: Int32Array
  readonly f32: Float32Array
  /** Addresses: a descriptor of all linears of one row; f32 [maxRows][maxCols] for rows of one expert. */
  readonly descriptor: number
  readonly gathered: number
  /** Throws what ended the backend; more rows than there is scratch for. */
  check(rows: number): void
  done(status: number): void
  trapped(caught: unknown, op: string): Error
}

/** Words of the matrices of each expert. */
interface StackedExperts extends Experts {
  readonly words: readonly Int32Array[]
  /** Of one expert. */
  readonly parts: number
  readonly units: number
}

export class WasmExperts implements ExpertOps {
  #parts: ExpertParts
  readonly #routers: RowRouter[] = []

  constructor(parts: ExpertParts) {
    this.#parts = parts
  }

  createRouter(spec: RouterSpec): Router {
    this.#routers.push(new RowRouter(spec))
    return { ...spec, at: this.#routers.length - 1 }
  }

  stackExperts(experts: readonly (readonly Matrix[])[]): StackedExperts {
    const first = experts[0]!
    return {
      experts,
      cols: first[0]!.cols,
      outputs: first.reduce((sum, part) => sum + part.rows, 0),
      words: experts.map(matrices => Int32Array.from(matrices.flatMap(matrixWords))),
      parts: first.length,
      units: unitsOf(first),
    }
  }

  route(routes: Slot, logits: Slot, router: Router, count: number): void {
    const { check, f32 } = this.#parts
    check(count)
    const own = this.#routers[router.at]!
    if (router.bias) {
      own.route(f32, routes.at / 4, f32, logits.at / 4, count, f32, router.bias.at / 4)
    } else own.route(f32, routes.at / 4, f32, logits.at / 4, count)
  }

  routedLinear(
    out: Slot,
    x: Slot,
    w: Experts,
    routes: Slot,
    { input, count, used }: RoutedShape,
    activations: 'int8' | 'float',
  ): void {
    const { kernels, f32, descriptor, check, done, trapped } = this.#parts
    check(count)
    const { cols, outputs } = w
    const round = activations === 'int8' ? 1 : 0
    const at = routes.at / 4
    const pairs = count * used
    try {
      if (count === 1 && input === 'rows') {
        this.#describe(w as StackedExperts, at, used)
        done(kernels.ryz_linear(out.at, x.at, descriptor, 1, round))
        return
      }
      for (let first = 0, n = 0; first < pairs; first += n) {
        n = runOf(f32, at, first, pairs)
        this.#describe(w as StackedExperts, at + ROUTE_VALUES * first, 1)
        const from =
          input === 'pairs'
            ? x.at + 4 * first * cols
            : this.#rowsOf(x.at, at + ROUTE_VALUES * first, n, cols)
        done(kernels.ryz_linear(out.at + 4 * first * outputs, from, descriptor, n, round))
      }
    } catch (caught) {
      throw trapped(caught, 'routed linear')
    }
  }

  mix(out: Slot, y: Slot, routes: Slot, pairs: number, n: number): void {
    const { kernels, check, done, trapped } = this.#parts
    check(0)
    try {
      done(kernels.ryz_mix(out.at, y.at, routes.at, pairs, n))
    } catch (caught) {
      throw trapped(caught, 'mix')
    }
  }

  normColumns(x: Slot, gain: Slot, eps: number, count: number, columns: Columns): void {
    const { kernels, check, done, trapped } = this.#parts
    check(0)
    const { stride, first, n } = columns
    try {
      done(kernels.ryz_norm_columns(x.at + 4 * first, gain.at, eps, count, stride, n))
    } catch (caught) {
      throw trapped(caught, 'norm of columns')
    }
  }

  bias(x: Slot, b: Slot, count: number, n: number): void {
    const { kernels, check, done, trapped } = this.#parts
    check(0)
    try {
      done(kernels.ryz_bias(x.at, b.at, count, n))
    } catch (caught) {
      throw trapped(caught, 'bias')
    }
  }

  use(router: Router): number[] {
    return [...this.#routers[router.at]!.use]
  }

  /** Drops the references to linear memory; every later call throws what `check` does. */
  close(): void {
    const none = { bytes: new Uint8Array(0), i32: new Int32Array(0), f32: new Float32Array(0) }
    this.#parts = { ...this.#parts, ...none, kernels: {} as KernelExports }
  }

  /** RyzLinear of the experts of `count` entries of routes, side by side. */
  #describe(w: StackedExperts, routesAt: number, count: number): void {
    const { i32, f32 } = this.#parts
    let at = this.#parts.descriptor / 4
    i32[at] = count * w.parts
    i32[at + 1] = w.cols
    i32[at + 2] = count * w.outputs
    i32[at + 3] = count * w.units
    at += LINEAR_WORDS
    for (let i = 0; i < count; i++) {
      const words = w.words[f32[routesAt + ROUTE_VALUES * i]!]!
      i32.set(words, at)
      at += words.length
    }
  }

  /** Address of the rows of `n` entries of routes: where they are, if they stand together; else of copies. */
  #rowsOf(x: number, routesAt: number, n: number, cols: number): number {
    const { bytes, f32, gathered } = this.#parts
    const first = f32[routesAt + 1]!
    // Rows of an expert ascend.
    if (f32[routesAt + ROUTE_VALUES * (n - 1) + 1] === first + n - 1) return x + 4 * first * cols
    for (let i = 0; i < n; i++) {
      const from = x + 4 * f32[routesAt + ROUTE_VALUES * i + 1]! * cols
      bytes.copyWithin(gathered + 4 * i * cols, from, from + 4 * cols)
    }
    return gathered
  }
}

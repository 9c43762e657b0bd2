// Mixtures of experts on the device: routing, routed linears and the mix are noted as the other ops are
// (steps.ts). The matrices of a layer's experts are moved into one buffer, as far as a binding holds them, so that a
// dispatch can find those that were chosen. How often each was chosen is counted on the device and comes
// back with what is read. Made by webgpu-backend.ts.
import { RyzError } from '../../errors.ts'
import type {
  BackendLimits,
  Columns,
  ExpertOps,
  Experts,
  Matrix,
  RoutedShape,
  Router,
  RouterSpec,
  Slot,
} from '../backend.ts'
import type { Buffers } from './buffers.ts'
import {
  type PlacedRouter,
  type RoutedOperands,
  type StackedExperts,
  stacked,
} from './expert-stacks.ts'
import type { Steps } from './steps.ts'

/** Rows that each expert of every router computed: words of one buffer. */
const USE_WORDS = 16_384
/** Above so many rows, four pairs share what is read of an expert. */
const FEW_ROWS = 4

/** What the backend lends. */
export interface ExpertParts {
  readonly steps: Steps
  readonly buffers: Buffers
  readonly limits: BackendLimits
  /** Throws what ended the backend; more rows than there is scratch for. */
  check(rows: number): void
}

export class WebGpuExperts implements ExpertOps {
  readonly #parts: ExpertParts
  readonly #routers: PlacedRouter[] = []
  /** Rows that were routed last, by slot of routes. */
  readonly #rows = new Map<number, number>()
  #uses: GPUBuffer | undefined
  #used = 0
  #counts = new Uint32Array(0)

  constructor(parts: ExpertParts) {
    this.#parts = parts
  }

  createRouter(spec: RouterSpec): Router {
    this.#parts.check(0)
    if (this.#used + spec.experts > USE_WORDS) {
      throw new RyzError(
        'UNSUPPORTED_FEATURE',
        `the GPU path counts ${USE_WORDS} experts in all layers together and this model has more; use the CPU backend`,
      )
    }
    this.#uses ??= this.#parts.buffers.create(4 * USE_WORDS, 'use of experts')
    const at = this.#routers.length
    const router = { ...spec, at, uses: this.#uses, usesAt: this.#used }
    this.#used += spec.experts
    this.#routers.push(router)
    return router
  }

  /** @throws RyzError GPU_OOM where one expert alone does not fit a binding */
  stackExperts(experts: readonly (readonly Matrix[])[]): StackedExperts {
    const { check, steps } = this.#parts
    check(0)
    steps.flush()
    return stacked(this.#parts.buffers, experts)
  }

  route(routes: Slot, logits: Slot, router: Router, count: number): void {
    const { check, steps } = this.#parts
    check(count)
    this.#rows.set(routes.at, count)
    steps.op('route', routes, logits, this.#routers[router.at]!, 0, 0, 0, count)
  }

  routedLinear(
    out: Slot,
    x: Slot,
    w: Experts,
    routes: Slot,
    { input, count, used }: RoutedShape,
    activations: 'int8' | 'float',
  ): void {
    const { check, steps } = this.#parts
    check(count)
    const operands = operandsOf(w as StackedExperts, routes)
    const int8 = activations === 'int8' ? 1 : 0
    const byPair = input === 'pairs' ? 1 : 0
    const many = count > FEW_ROWS ? 1 : 0
    const rows = byPair > 0 ? count * used : count
    steps.opOfPairs('routed', out, x, operands, int8, byPair, many, count * used, rows)
  }

  mix(out: Slot, y: Slot, routes: Slot, pairs: number, n: number): void {
    const { check, steps } = this.#parts
    check(0)
    const rows = this.#rows.get(routes.at) ?? pairs
    steps.opOfPairs('mix', out, y, routes, n, 0, 0, rows, pairs)
  }

  normColumns(x: Slot, gain: Slot, eps: number, count: number, columns: Columns): void {
    const { check, steps } = this.#parts
    check(count)
    steps.op('norm_columns', x, gain, columns, columns.n, eps, 0, count)
  }

  bias(x: Slot, b: Slot, count: number, n: number): void {
    const { check, steps } = this.#parts
    check(count)
    steps.op('bias', x, b, undefined, n, 0, 0, count)
  }

  use({ at }: Router): number[] {
    const { usesAt, experts } = this.#routers[at]!
    return Array.from({ length: experts }, (_, e) => this.#counts[usesAt + e] ?? 0)
  }

  /** Bytes of the counts that come back with what is read. */
  get countBytes(): number {
    return 4 * this.#used
  }

  copyCounts(encoder: GPUCommandEncoder, to: GPUBuffer, at: number): void {
    encoder.copyBufferToBuffer(this.#uses!, 0, to, at, this.countBytes)
  }

  /** The counts as they were read; copied. */
  counted(counts: Uint32Array): void {
    if (this.#counts.length !== counts.length) this.#counts = new Uint32Array(counts.length)
    this.#counts.set(counts)
  }

  destroy(): void {
    this.#uses?.destroy()
    this.#uses = undefined
    this.#used = 0
    this.#routers.length = 0
  }
}

function operandsOf(w: StackedExperts, routes: Slot): RoutedOperands {
  for (const operands of w.operands) if (operands.routes === routes) return operands
  const operands = { w, routes }
  w.operands.push(operands)
  return operands
}

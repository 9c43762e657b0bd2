// Which experts compute which rows, and how their results are added up: the routing and the mix of backend.ts,
// done on the host by every backend that is done when an op returns. A few thousand numbers a step, so there is
// no other version of it. Used by reference/ and wasm/, and by repairs (engine/faults).
import { ROUTE_VALUES, type RouterSpec } from './backend.ts'
import { exp32 } from './exp.ts'

const f = Math.fround
/** What chosen weights are divided by is at least this: sigmoids may all be next to 0. */
const LEAST_SUM = 2 ** -14

/** The choices of one layer; allocates nothing between two steps of the same size. */
export class RowRouter {
  /** Rows that each expert computed so far. */
  readonly use: Float64Array
  readonly #spec: RouterSpec
  readonly #scores: Float32Array
  /** What the choice goes by; -Infinity for a chosen one. */
  readonly #keys: Float32Array
  /** Where the pairs of an expert begin. */
  readonly #starts: Int32Array
  #chosen = new Int32Array(0)
  #weights = new Float32Array(0)

  constructor(spec: RouterSpec) {
    this.#spec = spec
    this.use = new Float64Array(spec.experts)
    this.#scores = new Float32Array(spec.experts)
    this.#keys = new Float32Array(spec.experts)
    this.#starts = new Int32Array(spec.experts + 1)
  }

  /**
   * Writes the pairs of `count` rows: expert, row, weight.
   * @param logits  f32 [count][experts] from `logitsAt` on
   * @param bias    f32 [experts] from `biasAt` on, where the router has one
   */
  route(
    routes: Float32Array,
    routesAt: number,
    logits: Float32Array,
    logitsAt: number,
    count: number,
    bias?: Float32Array,
    biasAt = 0,
  ): void {
    const { experts, used } = this.#spec
    const starts = this.#starts.fill(0)
    if (this.#chosen.length < count * used) {
      this.#chosen = new Int32Array(count * used)
      this.#weights = new Float32Array(count * used)
    }
    for (let r = 0; r < count; r++) {
      this.#choose(logits, logitsAt + r * experts, r * used, bias, biasAt)
      for (let i = r * used; i < (r + 1) * used; i++) starts[this.#chosen[i]! + 1]!++
    }
    for (let e = 0; e < experts; e++) {
      this.use[e]! += starts[e + 1]!
      starts[e + 1]! += starts[e]!
    }
    for (let i = 0; i < count * used; i++) {
      const expert = this.#chosen[i]!
      const at = routesAt + ROUTE_VALUES * starts[expert]!++
      routes[at] = expert
      routes[at + 1] = Math.floor(i / used)
      routes[at + 2] = this.#weights[i]!
    }
  }

  /** The experts of one row in ascending order, and their weights. */
  #choose(
    logits: Float32Array,
    at: number,
    to: number,
    bias: Float32Array | undefined,
    biasAt: number,
  ): void {
    const { experts, used, normalise, scale } = this.#spec
    const [keys, chosen, weights] = [this.#keys, this.#chosen, this.#weights]
    if (!this.#score(logits, at, bias, biasAt)) {
      for (let j = 0; j < used; j++) {
        chosen[to + j] = j
        weights[to + j] = Number.NaN
      }
      return
    }
    for (let j = 0; j < used; j++) {
      let best = -1
      let most = Number.NEGATIVE_INFINITY
      for (let e = 0; e < experts; e++) {
        if (keys[e]! <= most) continue
        most = keys[e]!
        best = e
      }
      keys[best] = Number.NEGATIVE_INFINITY
    }
    let sum = 0
    let i = to
    for (let e = 0; e < experts; e++) {
      if (keys[e] !== Number.NEGATIVE_INFINITY) continue
      chosen[i] = e
      weights[i] = this.#scores[e]!
      sum = f(sum + weights[i]!)
      i++
    }
    if (!normalise && scale === 1) return
    const by = Math.max(sum, LEAST_SUM)
    for (i = to; i < to + used; i++) {
      if (normalise) weights[i]! /= by
      weights[i]! *= f(scale)
    }
  }

  /** Scores and keys of a row. @returns false when a logit is not finite */
  #score(
    logits: Float32Array,
    at: number,
    bias: Float32Array | undefined,
    biasAt: number,
  ): boolean {
    const { experts, scores: kind } = this.#spec
    const [scores, keys] = [this.#scores, this.#keys]
    let max = Number.NEGATIVE_INFINITY
    for (let e = 0; e < experts; e++) {
      const z = logits[at + e]!
      if (!Number.isFinite(z)) return false
      if (z > max) max = z
    }
    let sum = 0
    for (let e = 0; e < experts; e++) {
      const z = logits[at + e]!
      const p = kind === 'softmax' ? exp32(f(z - max)) : f(1 / f(1 + exp32(f(-z))))
      scores[e] = p
      sum = f(sum + p)
    }
    for (let e = 0; e < experts; e++) {
      if (kind === 'softmax') scores[e]! /= sum
      if (bias) keys[e] = scores[e]! + bias[biasAt + e]!
      // Logits that differ may have one score, next to 0.
      else keys[e] = kind === 'softmax' ? logits[at + e]! : scores[e]!
    }
    return true
  }
}

/** How many pairs from `first` on have the same expert. */
export function runOf(routes: Float32Array, at: number, first: number, pairs: number): number {
  const expert = routes[at + ROUTE_VALUES * first]
  let end = first + 1
  while (end < pairs && routes[at + ROUTE_VALUES * end] === expert) end++
  return end - first
}

/** out[row] += weight * y[pair], pair after pair. */
export function mixRows(
  out: Float32Array,
  y: Float32Array,
  routes: Float32Array,
  pairs: number,
  n: number,
): void {
  for (let p = 0; p < pairs; p++) {
    const row = routes[ROUTE_VALUES * p + 1]!
    const weight = routes[ROUTE_VALUES * p + 2]!
    for (let i = 0; i < n; i++) out[row * n + i]! += f(weight * y[p * n + i]!)
  }
}

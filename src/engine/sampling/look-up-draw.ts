// A draw under a filter without its mask: the likeliest tokens are looked up one by one, until what is left cannot
// change the draw any more. A model that is sure of the next token is asked for one or two. Comes to the token that a draw of
// all masked logits comes to, or to none. Called by sampler.ts.
import { heapify, popBest, selectBest } from './select.ts'

/** How a token is drawn; see Sampler. */
export interface Cut {
  /** 0 for the likeliest token. */
  readonly temperature: number
  /** Only so many of the likeliest tokens that are allowed can be drawn. */
  readonly wanted: number
  readonly topP: number
  readonly minP: number
  /** Of the draw, in [0, 1). */
  readonly random: number
}

/** Sums of so few numbers in f64 are right to 1e-13; what is closer than this is left to the whole draw. */
const CLOSE = 1e-9

/** After each of so many tokens that are allowed it is looked whether they decide, then once in so many. */
const OFTEN = 16

/** Looks up and draws; its arrays are kept. */
export class LookUpDraw {
  /** By rank: weights of the likeliest tokens. */
  #weights = new Float64Array(0)
  /** Weights of those that are allowed. */
  #found = new Float64Array(0)
  readonly #ids: number[] = []
  /** Of the last draw: tokens that were looked up, and those that were allowed. */
  asked = 0
  allowed = 0

  /**
   * @param logits  those of tokens that are not allowed become -Infinity, as far as they were looked up
   * @param ids     work space, one number for each logit
   * @param most    tokens that are looked up at most
   * @param allows  whether a token may come
   * @returns the token; undefined where that is not certain
   */
  draw(
    logits: Float32Array,
    ids: Int32Array,
    cut: Cut,
    most: number,
    allows: (token: number) => boolean,
  ): number | undefined {
    const { temperature, wanted } = cut
    const count = selectBest(logits, 0, logits.length, most + wanted, ids)
    heapify(logits, 0, ids, count)
    for (let left = count; left > 0; left--) popBest(logits, 0, ids, left)
    // The first stands last: by rank r it is ids[count - 1 - r].
    this.#weigh(logits, ids, count, temperature)
    this.#ids.length = 0
    this.asked = 0
    this.allowed = 0
    for (let rank = 0; rank < count && this.asked < most; rank++) {
      const id = ids[count - 1 - rank]!
      // All that can be drawn was looked up.
      if (logits[id] === Number.NEGATIVE_INFINITY) return this.#decide(cut, 0)
      this.asked++
      if (!allows(id)) {
        logits[id] = Number.NEGATIVE_INFINITY
        continue
      }
      if (temperature === 0) return id
      this.#found[this.allowed++] = this.#weights[rank]!
      this.#ids.push(id)
      const left = wanted - this.allowed
      // Each decision walks what was found and what is left.
      if (left > 0 && this.allowed > OFTEN && this.allowed % OFTEN !== 0) continue
      const token = this.#decide(cut, this.#rest(rank, count, left))
      if (token !== undefined || left === 0) return token
    }
    return undefined
  }

  #weigh(logits: Float32Array, ids: Int32Array, count: number, temperature: number): void {
    if (this.#weights.length < count) {
      this.#weights = new Float64Array(count)
      this.#found = new Float64Array(count)
    }
    if (temperature === 0) return
    const max = logits[ids[count - 1]!]!
    for (let rank = 0; rank < count; rank++) {
      this.#weights[rank] = Math.exp((logits[ids[count - 1 - rank]!]! - max) / temperature)
    }
  }

  /** What so many tokens behind this rank weigh at most. */
  #rest(rank: number, count: number, tokens: number): number {
    const listed = Math.min(tokens, count - 1 - rank)
    // Beyond the list none weighs more than its last.
    let sum = (tokens - listed) * this.#weights[count - 1]!
    for (let r = rank + listed; r > rank; r--) sum += this.#weights[r]!
    return sum
  }

  /** @param rest  what tokens that were not looked up, and can be drawn, weigh at most */
  #decide({ topP, minP, random }: Cut, rest: number): number | undefined {
    const found = this.#found
    const count = this.allowed
    // Far below what may not come, weights lose their digits.
    if (count === 0 || found[0]! < 1e-200) return undefined
    const least = minP * found[0]!
    let total = 0
    for (let i = 0; i < count; i++) {
      total += found[i]!
      if (i > 0 && Math.abs(found[i]! - least) < CLOSE * least) return undefined
    }
    // The draw takes the first token at which the sum passes random * kept.
    const low = this.#kept(topP * total * (1 - CLOSE), least, 0)
    const high = this.#kept(topP * (total + rest) * (1 + CLOSE), least, rest)
    let sum = 0
    for (let i = 0; i < count; i++) {
      if (found[i]! < least) continue
      const before = sum
      sum += found[i]!
      if (random * high * (1 + CLOSE) >= sum) continue
      return before === 0 || random * low > before * (1 + CLOSE) ? this.#ids[i] : undefined
    }
    return undefined
  }

  /** What is kept of the tokens that were found where top-p cuts behind so much. */
  #kept(wanted: number, least: number, rest: number): number {
    let kept = 0
    let mass = 0
    for (let i = 0; i < this.allowed; i++) {
      const weight = this.#found[i]!
      mass += weight
      if (weight >= least) kept += weight
      if (mass >= wanted) return kept
    }
    return kept + rest
  }
}

// From logits to a token: penalties, bias, temperature, top-k, top-p, min-p, in that order, then one
// draw from a seeded stream. Pure: same logits, options and seed give the same tokens. Nothing is
// allocated between tokens; the vocabulary is never sorted as a whole. Called by generate.ts.
import { type Drawing, MOST_DRAWN } from '../../backend/backend.ts'
import { RyzError } from '../../errors.ts'
import type { ResolvedSampling } from '../tasks/options.ts'
import type { LogitFilter } from './logit-filter.ts'
import { LookUpDraw } from './look-up-draw.ts'
import { Random } from './random.ts'
import { heapify, popBest, selectBest } from './select.ts'

const GREEDY: Drawing = { temperature: 0, topK: 1, topP: 1, minP: 0, random: 0 }
/** Below this quotients leave the range of f32. */
const LEAST_TEMPERATURE = 1e-3
/**
 * A mask that takes longer is left, as far as looking up the likeliest tokens one by one can stand for it: of 151,936 tokens
 * some grammars' masks take up to 40 ms. Both come to the same token.
 */
export const PATIENCE_MS = 3
/**
 * Tokens that are looked up before a mask is tried, and where it was given up: of a model that is sure, the first few decide.
 */
const FEW = 48
const MANY = 1024
/** Where these did not decide, so many draws begin with the mask; twice as many each time that it happens again. */
const UNSURE = 3
const LONGEST_UNSURE = 48
/** The largest f32. */
const LARGEST = 3.4028234663852886e38

/** Work space of one vocabulary; shared by all samplers of an engine, which run one at a time. */
export class SamplerScratch {
  readonly logits: Float32Array
  readonly weights: Float64Array
  readonly ids: Int32Array
  readonly counts: Int32Array
  readonly lookUp = new LookUpDraw()

  constructor(vocab: number) {
    this.logits = new Float32Array(vocab)
    this.weights = new Float64Array(vocab)
    this.ids = new Int32Array(vocab)
    this.counts = new Int32Array(vocab)
  }
}

/** The sampler of one request. */
export class Sampler {
  readonly #o: ResolvedSampling
  readonly #s: SamplerScratch
  readonly #random: Random
  /** Random numbers of the tokens to come that were asked for already. */
  readonly #coming: number[] = []
  readonly #biasIds: Int32Array
  readonly #biasValues: Float64Array
  readonly #penalises: boolean
  readonly #filters: LogitFilter[] = []
  /** Nothing but the likeliest token is asked for. */
  readonly #greedy: boolean
  /** The last penaltyWindow tokens, prompt included, as a ring that grows to that size. */
  #window = new Int32Array(0)
  #seen = 0
  #unsure = 0
  #unsureFor = UNSURE

  constructor(options: ResolvedSampling, scratch: SamplerScratch) {
    this.#o = options
    this.#s = scratch
    this.#random = new Random(options.seed)
    this.#biasIds = Int32Array.from(Object.keys(options.logitBias), Number)
    this.#biasValues = Float64Array.from(Object.values(options.logitBias))
    this.#penalises =
      options.repetitionPenalty !== 1 ||
      options.frequencyPenalty !== 0 ||
      options.presencePenalty !== 0
    this.#greedy = options.temperature === 0 && !this.#penalises && this.#biasIds.length === 0
  }

  /** Notes a token of the prompt or the answer for the penalties. */
  accept(token: number): void {
    const most = this.#penalises ? this.#o.penaltyWindow : 0
    if (most === 0) return
    if (this.#seen === this.#window.length && this.#seen < most) {
      const grown = new Int32Array(Math.min(most, Math.max(64, 2 * this.#seen)))
      grown.set(this.#window)
      this.#window = grown
    }
    this.#window[this.#seen++ % this.#window.length] = token
  }

  /**
   * How a backend may draw the token that comes `ahead` tokens after the next one, to the same effect as sample();
   * in words why it may not.
   */
  drawing(ahead: number): Drawing | string {
    const { temperature, topK, topP, minP } = this.#o
    if (this.#filters.length > 0) return 'responseFormat'
    if (this.#penalises) return 'penalties'
    if (this.#biasIds.length > 0) return 'logitBias'
    if (this.#greedy) return GREEDY
    const cut = topK > 0 && topK < this.#s.logits.length
    if (cut && topK > MOST_DRAWN) return `topK above ${MOST_DRAWN}`
    if (!cut && topP >= 1) return 'neither topK nor topP'
    if (temperature < LEAST_TEMPERATURE) return 'a temperature next to 0'
    const most = Math.min(this.#s.logits.length, MOST_DRAWN)
    if (!cut && most < MOST_DRAWN) return 'a small vocabulary'
    while (this.#coming.length <= ahead) this.#coming.push(this.#random.uniform())
    return { temperature, topK: cut ? topK : 0, topP, minP, random: this.#coming[ahead]! }
  }

  /** The next token was drawn as drawing(0) says: its random number is used up. */
  drew(): void {
    this.#coming.shift()
  }

  /** The next token is known: what drawing it would take of the random numbers is used up. */
  skip(): void {
    if (this.#o.temperature !== 0) this.#uniform()
  }

  #uniform(): number {
    return this.#coming.length > 0 ? this.#coming.shift()! : this.#random.uniform()
  }

  /** From now on only what the filter lets pass is drawn. */
  addFilter(filter: LogitFilter): void {
    this.#filters.push(filter)
  }

  /** Notes a token of the answer, for the penalties and the filters. */
  answered(token: number): void {
    this.accept(token)
    for (const filter of this.#filters) filter.accept(token)
  }

  /**
   * Draws the next token from the row of logits that begins at `at`; the row is left as it is.
   * At temperature 0 the likeliest token, of equal ones the lowest id.
   * @throws RyzError BAD_WEIGHTS when a logit is NaN or +Infinity; BAD_OPTION when nothing is left to draw
   */
  sample(row: Float32Array, at = 0): number {
    const { logits } = this.#s
    const vocab = logits.length
    const best = likeliest(row, at, vocab)
    // The likeliest of all that is allowed: nothing has to be copied and masked.
    if (this.#greedy && this.#filters.every(filter => filter.allows(best))) return best
    logits.set(row.subarray(at, at + vocab))
    if (this.#penalises) this.#penalise()
    for (let i = 0; i < this.#biasIds.length; i++) {
      const id = this.#biasIds[i]!
      logits[id] = held(logits[id]!, logits[id]! + this.#biasValues[i]!, this.#biasValues[i]!)
    }
    const random = this.#o.temperature === 0 ? 0 : this.#uniform()
    const token = this.#filters.length === 0 ? undefined : this.#filtered(random)
    if (token !== undefined) return token
    const left = argMax(logits)
    if (logits[left] === Number.NEGATIVE_INFINITY) {
      const what =
        this.#filters.length === 0
          ? 'logitBias forbids every token'
          : 'no token is left that responseFormat allows here and logitBias does not forbid'
      throw new RyzError('BAD_OPTION', `${what}; allow at least one`)
    }
    return this.#o.temperature === 0 ? left : this.#draw(logits[left]!, random)
  }

  /** The token that is drawn of what the filters allow, or undefined where they were masked and it has to be drawn. */
  #filtered(random: number): number | undefined {
    const { logits, lookUp, ids } = this.#s
    const { temperature, topK, topP, minP } = this.#o
    const cut = topK > 0 && topK < logits.length
    const wanted = temperature === 0 ? 1 : cut ? topK : logits.length
    // A draw of all tokens walks them by id: #draw.
    if (wanted <= MANY && (temperature === 0 || cut || topP < 1)) {
      const how = { temperature, wanted, topP, minP, random }
      const allows = (id: number) => this.#filters.every(filter => filter.allows(id))
      const looked = (most: number) => lookUp.draw(logits, ids, how, most, allows)
      // Few tokens are allowed: their mask is a short walk.
      const hopeless = () => lookUp.allowed * MANY < wanted * lookUp.asked
      const first = this.#unsure === 0
      if (!first) this.#unsure--
      let token = first ? looked(FEW) : undefined
      if (token !== undefined) {
        this.#unsureFor = UNSURE
        return token
      }
      if (first) {
        this.#unsure = this.#unsureFor
        this.#unsureFor = Math.min(LONGEST_UNSURE, 2 * this.#unsureFor)
      }
      if (this.#masked(first && hopeless() ? undefined : PATIENCE_MS)) return undefined
      if (!first) token = looked(FEW)
      if (token === undefined && !hopeless()) token = looked(MANY)
      if (token !== undefined) return token
    }
    this.#masked()
    return undefined
  }

  #masked(patienceMs?: number): boolean {
    return this.#filters.every(filter => filter.mask(this.#s.logits, patienceMs))
  }

  #penalise(): void {
    const { logits, counts } = this.#s
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = this.#o
    const filled = Math.min(this.#seen, this.#window.length)
    for (let i = 0; i < filled; i++) counts[this.#window[i]!]!++
    for (let i = 0; i < filled; i++) {
      const id = this.#window[i]!
      const count = counts[id]!
      if (count === 0) continue // met before in this loop
      counts[id] = 0
      const x = logits[id]!
      const repeated = x > 0 ? x / repetitionPenalty : x * repetitionPenalty
      logits[id] = held(x, repeated - frequencyPenalty * count - presencePenalty)
    }
  }

  /**
   * One draw. Candidates are walked best first, or by id when neither top-k nor top-p is on; they
   * stand at the end of ids, the first one last, as popBest leaves them.
   */
  #draw(max: number, random: number): number {
    const { logits, weights, ids } = this.#s
    const { temperature, topK, topP, minP } = this.#o
    const vocab = logits.length
    const cut = topK > 0 && topK < vocab
    const count = cut ? selectBest(logits, 0, vocab, topK, ids) : vocab
    if (!cut) for (let i = 0; i < vocab; i++) ids[i] = vocab - 1 - i
    let total = 0 // the likeliest weighs exp(0) = 1
    for (let i = 0; i < count; i++) {
      const id = ids[i]!
      weights[id] = Math.exp((logits[id]! - max) / temperature)
      total += weights[id]!
    }
    let first = 0
    if (cut || topP < 1) {
      const wanted = topP < 1 ? topP * total : Number.POSITIVE_INFINITY
      heapify(logits, 0, ids, count)
      let mass = 0
      first = count
      do mass += weights[popBest(logits, 0, ids, first--)]!
      while (first > 0 && mass < wanted) // one at least, for topP 0 too
    }
    let kept = 0
    for (let i = count - 1; i >= first; i--) {
      const w = weights[ids[i]!]!
      if (w >= minP) kept += w
    }
    let left = random * kept
    let last = ids[count - 1]!
    for (let i = count - 1; i >= first; i--) {
      const w = weights[ids[i]!]!
      if (w === 0 || w < minP) continue
      last = ids[i]!
      left -= w
      if (left < 0) break // else rounding left a crumb, and the last one kept stands
    }
    return last
  }
}

export interface LogprobEntry {
  token: number
  logprob: number
}

/**
 * Log-probabilities of the model's own distribution: before penalties, bias, temperature and cuts.
 * @returns the chosen token first, then the `likeliest` best, best first
 * @throws RyzError BAD_WEIGHTS when a logit is NaN or +Infinity
 */
export function logprobsOf(
  row: Float32Array,
  at: number,
  chosen: number,
  likeliest: number,
  scratch: SamplerScratch,
): LogprobEntry[] {
  const norm = logNorm(row, at, scratch.logits.length)
  const found: LogprobEntry[] = [{ token: chosen, logprob: row[at + chosen]! - norm }]
  let count = selectBest(row, at, scratch.logits.length, likeliest, scratch.ids)
  heapify(row, at, scratch.ids, count)
  for (; count > 0; count--) {
    const token = popBest(row, at, scratch.ids, count)
    found.push({ token, logprob: row[at + token]! - norm })
  }
  return found
}

/** log(sum(exp(logit))) of the row of `vocab` logits at `at`. @throws RyzError BAD_WEIGHTS */
export function logNorm(row: Float32Array, at: number, vocab: number): number {
  let max = Number.NEGATIVE_INFINITY
  for (let i = 0; i < vocab; i++) {
    const x = row[at + i]!
    if (!(x < Number.POSITIVE_INFINITY)) throw badLogit(i, x)
    if (x > max) max = x
  }
  let sum = 0
  for (let i = 0; i < vocab; i++) sum += Math.exp(row[at + i]! - max)
  return max + Math.log(sum)
}

/**
 * A changed logit: within f32, so that only what was -Infinity, or is told to be, is forbidden, and nothing
 * is certain beyond comparison.
 */
function held(from: number, to: number, by = 0): number {
  if (from === Number.NEGATIVE_INFINITY || by === Number.NEGATIVE_INFINITY) {
    return Number.NEGATIVE_INFINITY
  }
  return to > LARGEST ? LARGEST : to < -LARGEST ? -LARGEST : to
}

function argMax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

/** Index of the largest of `vocab` logits at `at`, the lowest of equals. @throws RyzError BAD_WEIGHTS, also where all are -Infinity */
function likeliest(row: Float32Array, at: number, vocab: number): number {
  let best = 0
  let max = Number.NEGATIVE_INFINITY
  for (let i = 0; i < vocab; i++) {
    const x = row[at + i]!
    if (x <= max) continue // the usual case; NaN does not come here
    if (!(x < Number.POSITIVE_INFINITY)) throw badLogit(i, x)
    max = x
    best = i
  }
  if (max === Number.NEGATIVE_INFINITY) throw badLogit(0, max)
  return best
}

function badLogit(token: number, value: number): RyzError {
  return new RyzError(
    'BAD_WEIGHTS',
    `the model gave the logit ${value} for token ${token}; its weights are damaged or its scales overflow`,
    { token },
  )
}

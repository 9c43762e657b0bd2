// One score request: the log-probability of every token of a text given those before it, and the raw
// logits when asked for. What is before the first token asked for is only read, or found in the KV cache.
// Called by scheduler.ts.
import { RyzError } from '../../errors.ts'
import { SCORE_RULES } from '../../options/generate.ts'
import { badOption, check } from '../../options/rules.ts'
import type { ScoreOptions, ScoreResult } from '../../types/index.ts'
import { logNorm } from '../sampling/sampler.ts'
import type { Next, Task } from '../schedule/task.ts'

export interface ScoreEvents {
  scored(result: ScoreResult): void
  error(error: RyzError): void
}

/** Logits returned by one call at most, in bytes: they count against the page's memory. */
const MAX_LOGIT_BYTES = 128e6

type Wants = Pick<ScoreOptions, 'from' | 'alternatives' | 'logits'>

/** Scores tokens; every position that is asked for goes through the network once, in pieces. */
export class Scoring implements Task {
  /** All tokens; the last one only where its logits are asked for. */
  readonly prompt: readonly number[]
  readonly answer: readonly number[] = []
  readonly wants = 'logits'
  readonly grows = false
  readonly reuse: boolean
  readonly #tokens: readonly number[]
  /** The first row that is wanted: it says how likely token `#first + 1` is. */
  readonly #first: number
  readonly #vocab: number
  readonly #events: ScoreEvents
  readonly #logprobs: Float32Array
  readonly #likeliest: Int32Array
  readonly #others: readonly number[]
  readonly #alternatives: Float32Array | undefined
  readonly #logits: Float32Array | undefined
  #done = 0

  /** @throws RyzError BAD_OPTION; also when the logits asked for are too many */
  constructor(tokens: readonly number[], vocab: number, options: Wants, events: ScoreEvents) {
    const { from, alternatives, logits = false } = options
    const n = tokens.length
    if (from !== undefined && !(Number.isInteger(from) && from >= 1 && from < n)) {
      const wanted = n < 2 ? 'left out for a single token' : `a whole number from 1 to ${n - 1}`
      throw badOption('from', from, wanted)
    }
    if (alternatives !== undefined) {
      check('alternatives', alternatives, SCORE_RULES.alternatives)
      const id = alternatives.find(other => other >= vocab)
      if (id !== undefined) throw badOption('alternatives', id, `token ids below ${vocab}`)
      if (n < 2) throw badOption('alternatives', alternatives, 'left out for a single token')
    }
    this.#first = (from ?? 1) - 1
    const bytes = (n - this.#first) * vocab * 4
    if (logits && bytes > MAX_LOGIT_BYTES) {
      throw new RyzError(
        'BAD_OPTION',
        `logits of ${n - this.#first} tokens take ${Math.ceil(bytes / 1e6)} MB, the limit is ${MAX_LOGIT_BYTES / 1e6}; score fewer tokens at a time`,
        { bytes, limit: MAX_LOGIT_BYTES },
      )
    }
    this.prompt = logits || n === 1 ? tokens : tokens.slice(0, -1)
    // Whole texts are not kept: a long one would push out the prompts that are used again.
    this.reuse = this.#first > 0
    this.#tokens = tokens
    this.#vocab = vocab
    this.#events = events
    this.#logprobs = new Float32Array(n)
    this.#likeliest = new Int32Array(n).fill(-1)
    this.#others = alternatives ?? []
    this.#alternatives = alternatives && new Float32Array(alternatives.length)
    this.#logits = logits ? new Float32Array((n - this.#first) * vocab) : undefined
  }

  /** After the loss of a network its tokens are fed again; what was scored stays. */
  get wantedFrom(): number {
    return this.#first + this.#done
  }

  accept(row: Float32Array, at: number): Next {
    const i = this.#done++
    const position = this.#first + i
    const norm = logNorm(row, at, this.#vocab)
    const next = this.#tokens[position + 1]
    if (next !== undefined) {
      this.#logprobs[position + 1] = row[at + next]! - norm
      this.#likeliest[position + 1] = likeliest(row, at, this.#vocab)
    }
    if (i === 0) {
      for (let a = 0; a < this.#others.length; a++) {
        this.#alternatives![a] = row[at + this.#others[a]!]! - norm
      }
    }
    this.#logits?.set(row.subarray(at, at + this.#vocab), i * this.#vocab)
    return position === this.prompt.length - 1 ? 'end' : 'more'
  }

  cutShort(): 'end' {
    return 'end'
  }

  complete(): void {
    const result: ScoreResult = {
      tokens: [...this.#tokens],
      logprobs: this.#logprobs,
      likeliest: this.#likeliest,
      vocabSize: this.#vocab,
    }
    if (this.#alternatives !== undefined) result.alternatives = this.#alternatives
    if (this.#logits !== undefined) result.logits = this.#logits
    this.#events.scored(result)
  }

  fail(error: RyzError): void {
    this.#events.error(error)
  }
}

/** The token that greedy sampling takes: of equals the lowest id. */
function likeliest(row: Float32Array, at: number, vocab: number): number {
  let best = 0
  for (let i = 1; i < vocab; i++) if (row[at + i]! > row[at + best]!) best = i
  return best
}

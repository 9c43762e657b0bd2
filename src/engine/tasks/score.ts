// One score request: the log-probability of every token of a text given those before it, and the raw
// logits when asked for. Called by scheduler.ts.
import { RyzError } from '../../errors.ts'
import type { ScoreResult } from '../../types/index.ts'
import { logNorm } from '../sampling/sampler.ts'
import type { Next, Task } from '../schedule/task.ts'

export interface ScoreEvents {
  scored(result: ScoreResult): void
  error(error: RyzError): void
}

/** Logits returned by one call at most, in bytes: they count against the page's memory. */
const MAX_LOGIT_BYTES = 128e6

/** Scores tokens; every position goes through the network once, in pieces. */
export class Scoring implements Task {
  readonly prompt: readonly number[]
  readonly answer: readonly number[] = []
  readonly wants = 'logits'
  readonly grows = false
  /** Every position's logits are wanted, so every position is computed. */
  readonly reuse = false
  readonly #vocab: number
  readonly #events: ScoreEvents
  readonly #logprobs: Float32Array
  readonly #logits: Float32Array | undefined
  #done = 0

  /** @throws RyzError BAD_OPTION when the logits asked for are too many */
  constructor(prompt: readonly number[], vocab: number, logits: boolean, events: ScoreEvents) {
    const bytes = prompt.length * vocab * 4
    if (logits && bytes > MAX_LOGIT_BYTES) {
      throw new RyzError(
        'BAD_OPTION',
        `logits of ${prompt.length} tokens take ${Math.ceil(bytes / 1e6)} MB, the limit is ${MAX_LOGIT_BYTES / 1e6}; score fewer tokens at a time`,
        { bytes, limit: MAX_LOGIT_BYTES },
      )
    }
    this.prompt = prompt
    this.#vocab = vocab
    this.#events = events
    this.#logprobs = new Float32Array(prompt.length)
    this.#logits = logits ? new Float32Array(prompt.length * vocab) : undefined
  }

  /** After the loss of a network its tokens are fed again; what was scored stays. */
  get wantedFrom(): number {
    return this.#done
  }

  accept(row: Float32Array, at: number): Next {
    const position = this.#done++
    const norm = logNorm(row, at, this.#vocab)
    const next = this.prompt[position + 1]
    if (next !== undefined) this.#logprobs[position + 1] = row[at + next]! - norm
    this.#logits?.set(row.subarray(at, at + this.#vocab), position * this.#vocab)
    return next === undefined ? 'end' : 'more'
  }

  cutShort(): 'end' {
    return 'end'
  }

  complete(): void {
    const result: ScoreResult = {
      tokens: [...this.prompt],
      logprobs: this.#logprobs,
      vocabSize: this.#vocab,
    }
    if (this.#logits !== undefined) result.logits = this.#logits
    this.#events.scored(result)
  }

  fail(error: RyzError): void {
    this.#events.error(error)
  }
}

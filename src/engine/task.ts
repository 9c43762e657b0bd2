// What the scheduler runs: something with tokens to feed, which takes logits and says whether
// it goes on. Implemented by generate.ts and score.ts; the scheduler knows nothing of sampling or text.
import type { RyzError } from '../errors.ts'

/** Milliseconds on the engine's clock. */
export interface TaskTimes {
  submitted: number
  started: number
  /** The first logits of the last prompt token. */
  prefilled: number
  ended: number
}

export interface Task {
  /** Tokens to feed first, at least one. */
  readonly prompt: readonly number[]
  /** Tokens to feed after them; accept() adds to it. */
  readonly answer: readonly number[]
  /** Logits after each prompt token, or only after the last. */
  readonly everyLogits: boolean
  /**
   * Takes the logits at row[at..at+vocab) that follow the tokens fed so far.
   * @returns true to go on (generating: one token was added to `answer`), false at the end; throwing
   *   ends this task alone
   */
  accept(row: Float32Array, at: number): boolean
  /** Called when memory ran out with no other task to wait for; complete() follows. */
  cutShort(): void
  /** Called once, after the end. */
  complete(times: TaskTimes): void
  /** Called once, instead of complete(). */
  fail(error: RyzError): void
}

// What the scheduler runs: something with tokens to feed, which takes logits and says whether
// it goes on. Implemented by generate.ts, score.ts and embed.ts; the scheduler knows nothing of sampling or text.
import type { Drawing } from '../../backend/backend.ts'
import type { RyzError } from '../../errors.ts'
import type { QueueEvent } from '../../types/index.ts'
import type { Guess } from '../draft/prompt-lookup.ts'
import type { LogitFilter } from '../sampling/logit-filter.ts'

/** Milliseconds on the engine's clock. */
export interface TaskTimes {
  submitted: number
  started: number
  /** The first logits of the last prompt token. */
  prefilled: number
  ended: number
  /** Prompt tokens whose K and V were found instead of computed. */
  reusedTokens: number
}

/**
 * What a task wants after its logits: 'more' (generating: one token was added to `answer`), 'end', or
 * 'again': its tokens were replaced by fewer, which are fed from the first.
 */
export type Next = 'more' | 'end' | 'again'

export interface Task {
  /** Tokens to feed first, at least one; changes only when accept() or cutShort() say 'again'. */
  readonly prompt: readonly number[]
  /** Tokens to feed after them; accept() adds to it. */
  readonly answer: readonly number[]
  /** What accept() gets of a token: the logits after it, or its hidden state. */
  readonly wants: 'logits' | 'hidden'
  /**
   * The first of its tokens (prompt, then answer) of which it still wants that; it gets it of every later
   * one, too.
   */
  readonly wantedFrom: number
  /** False while the first of what it wants must not be computed yet; what is before may be. */
  readonly ready?: boolean
  /**
   * Whether an answer is added to the prompt: its memory grows, so it may be asked to wait, or be cut short.
   * One that does not grow keeps its memory to the end.
   */
  readonly grows: boolean
  /** Begin with KV blocks that were computed before, and leave its own for others. */
  readonly reuse: boolean
  /**
   * Takes what it wants of the next token: row[at..at+vocab) or row[at..at+hidden).
   * Throwing ends this task alone.
   */
  accept(row: Float32Array, at: number): Next
  /** How many tokens may be guessed, `most` at most: none behind the end of the request or of the context. */
  guessable?(most: number): number
  /**
   * At most `most` tokens that may follow, with their chances, where its text has a guess: they are computed
   * along with the last one, and accept() gets their rows as long as it draws what was guessed.
   * @param least  what is less likely is of no use
   */
  guess?(most: number, least: number): Guess | undefined
  /** Tokens that end it, and need no row: neither is guessed what follows one. */
  readonly endTokens?: ReadonlySet<number>
  /** What lets only some tokens follow; a guess looks ahead with a fork. */
  readonly filter?: LogitFilter
  /**
   * How the network may draw the token that comes `ahead` tokens after the next one; in words why it may not;
   * undefined where there is none, or none is drawn.
   */
  drawing?(ahead: number): Drawing | string | undefined
  /** Takes the next token, which was drawn that way. */
  acceptDrawn?(token: number): Next
  /** Memory ran out with no other task to wait for: 'again' with fewer tokens, or complete() follows. */
  cutShort(): Exclude<Next, 'more'>
  /** Told when it has to wait and whenever its position changes. */
  queued?(event: QueueEvent): void
  /** Called once, after the end. */
  complete(times: TaskTimes): void
  /** Called once, instead of complete(). */
  fail(error: RyzError): void
}

export interface SubmitOptions {
  queueTimeoutMs?: number
  /** Higher starts earlier; see queue.ts. */
  priority?: number
  /** When the caller asked, on the scheduler's clock. */
  submitted?: number
  part?: Part
  /** Of an engine before this one, which had given it a place: no limit of the queue refuses it. */
  resent?: boolean
}

/**
 * One of the tasks of a request that has several: their outcome is counted by who made them. The later ones
 * have the place of the first, whatever the limit of the queue.
 */
export type Part = 'first' | 'later'

/** A request that was accepted. */
export interface Submitted {
  /** Fails it with ABORTED and frees its memory, at the latest when the step that runs is over. */
  cancel(): void
}

/** A request in the scheduler. */
export interface Placed extends Submitted {
  /** Ends it with this error, unless it is over. */
  fail(error: RyzError): void
}

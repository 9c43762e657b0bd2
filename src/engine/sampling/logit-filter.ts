// What may stand between logits and the draw: a filter forbids tokens and is told the one that was
// drawn. The sampler holds a list of them. The grammar's is grammar/run/filter.ts; speculation forks one
// to look ahead and drops the fork.

/** What may come next, and how often it did. */
export interface Usual {
  readonly token: number
  readonly chance: number
}

/** A text that the form of an answer nearly leaves no choice about. */
export interface LikelyText {
  /** Texts, and tokens that are none. */
  readonly pieces: readonly (string | { readonly token: number })[]
  /** It follows if what stands before it is at its end: a number, or a string. */
  readonly ends: boolean
  /** It does not stop within a word, which a token may go beyond. */
  readonly whole: boolean
}

/** A place in an answer whose form is known, for guesses: forbids nothing. */
export interface Outlook {
  /** Goes on with this token, where the form allows it; else false, and nothing has changed. */
  take(token: number): boolean
  /** A copy that goes on by itself. Cheap: states are shared and never change. */
  fork(): Outlook
  /** What came last where the form stood as it does now, in whichever request; undefined where none was here. */
  usual?(): Usual | undefined
  /** The text from here to the next choice. */
  likely?(): LikelyText
  /** In free text: the text that ends it, and goes on to the next choice. */
  closing?(): LikelyText
  /** It is inside free text of a value, which is often copied from the prompt. */
  readonly inText?: boolean
  /** No token may follow but an end token. */
  readonly ended: boolean
}

/** The same, that also follows an answer as it comes. */
export interface Guide extends Outlook {
  /** take(), of a token that was drawn: it is remembered what came where. */
  follow(token: number): boolean
}

export interface LogitFilter extends Outlook {
  /**
   * Sets the logits of all tokens that may not come next to -Infinity. Never changes the filter.
   * @param patienceMs  it may give up after so long: then logits are as they were, and tokens can be looked up one by one
   * @returns false where it gave up
   */
  mask(logits: Float32Array, patienceMs?: number): boolean
  /** Whether mask() would leave this token, without the work of a mask. Never changes the filter. */
  allows(token: number): boolean
  /**
   * The token was drawn (or is being tried, on a fork); end tokens are not told.
   * @throws RyzError BAD_OPTION when the token was not allowed
   */
  accept(token: number): void
  /** A copy that goes on by itself. Cheap: states are shared and never change. */
  fork(): LogitFilter
  /** Goes back to where the fork stands. */
  restore(fork: LogitFilter): void
  /** What was accepted may end here. */
  readonly complete: boolean
}

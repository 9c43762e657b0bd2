// What may stand between logits and the draw: a filter forbids tokens and is told the one that was
// drawn. The sampler holds a list of them. The grammar's is grammar/run/filter.ts; speculation forks one
// to look ahead and drops the fork.

/** What may come next, and how often it did. */
export interface Usual {
  readonly token: number
  readonly chance: number
}

export interface LogitFilter {
  /** Sets the logits of all tokens that may not come next to -Infinity. Never changes the filter. */
  mask(logits: Float32Array): void
  /** Whether mask() would leave this token. Never changes the filter. */
  allows(token: number): boolean
  /**
   * The token was drawn (or is being tried, on a fork); end tokens are not told.
   * @throws RyzError BAD_OPTION when the token was not allowed
   */
  accept(token: number): void
  /** accept(), where the token is allowed; else false, and nothing has changed. */
  take(token: number): boolean
  /** A copy that goes on by itself. Cheap: states are shared and never change. */
  fork(): LogitFilter
  /** Goes back to where the fork stands. */
  restore(fork: LogitFilter): void
  /** What came last where the grammar stood as it does now, in whichever request; undefined where none was here. */
  usual?(): Usual | undefined
  /** What was accepted may end here. */
  readonly complete: boolean
  /** What was accepted has to end here: no token may follow but an end token. */
  readonly ended: boolean
}

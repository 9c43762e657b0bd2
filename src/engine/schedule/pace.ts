// How many steps run ahead of the one whose tokens are read: as many as fit into the wait for an answer, which is
// 0.3 to 3 ms in Chrome and 100 ms in Firefox, whatever the answer is. Called by ahead.ts.

/** Steps ahead of the read one at most: tokens that a stop throws away. */
const MOST = 16
/**
 * Milliseconds of work ahead at most: a new request waits behind it, and a cancel is heard within 250 ms of which a
 * read and a step take the rest.
 */
const MOST_MS = 100
/** A wait that is a smaller part of a step than this is not worth steps that may be thrown away. */
const WORTH = 0.05

export class Pace {
  #waitMs: number | undefined
  #tokenMs: number | undefined

  /** What one answer takes where nothing is computed; the least of several. */
  learnWait(ms: number): void {
    this.#waitMs = Math.min(ms, this.#waitMs ?? ms)
  }

  /**
   * A step was answered.
   * @param ms      since it was sent
   * @param before  steps that were under way when it was sent
   */
  learnStep(ms: number, before: number): void {
    const token = Math.max(0, (ms - (this.#waitMs ?? 0)) / (before + 1))
    this.#tokenMs = this.#tokenMs === undefined ? token : (this.#tokenMs + token) / 2
  }

  /** Another backend computes from now on. */
  forget(): void {
    this.#waitMs = undefined
    this.#tokenMs = undefined
  }

  get waitMs(): number {
    return this.#waitMs ?? 0
  }

  get tokenMs(): number {
    return this.#tokenMs ?? 0
  }

  /** Steps ahead; 0 until both are known, and where waiting costs next to nothing. */
  get steps(): number {
    if (this.#waitMs === undefined || this.#tokenMs === undefined) return 0
    const token = Math.max(this.#tokenMs, 0.1)
    if (this.#waitMs < WORTH * token) return 0
    return Math.min(MOST, Math.ceil(this.#waitMs / token), Math.floor(MOST_MS / token))
  }
}

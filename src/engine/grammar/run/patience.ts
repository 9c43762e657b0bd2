// How long the walk for one mask may take: some grammars lead it through hundreds of thousands of nodes. Who asks with
// patience looks tokens up one by one instead. Used by mask.ts and terminal-walk.ts.

/** Work between two looks at the clock: some microseconds, in code that is not optimised yet some tenths of a millisecond. */
const LOOK = 64

/** Thrown by step() when time is up; what was made so far may stay unfinished. */
export class OutOfPatience extends Error {}

export class Patience {
  #until = Number.POSITIVE_INFINITY
  #steps = 0

  /**
   * Runs what calls step().
   * @returns undefined where it takes longer
   */
  limit<T>(ms: number, run: () => T): T | undefined {
    this.#until = performance.now() + ms
    try {
      return run()
    } catch (caught) {
      if (caught instanceof OutOfPatience) return undefined
      throw caught
    } finally {
      this.#until = Number.POSITIVE_INFINITY
    }
  }

  /** @param weight  of work: a node through an automaton is 1 */
  step(weight = 1): void {
    this.#steps += weight
    if (this.#steps < LOOK) return
    this.#steps = 0
    if (performance.now() > this.#until) throw new OutOfPatience()
  }
}

// How long the walk for one mask may take: some grammars lead it through hundreds of thousands of nodes. Who asks with
// patience looks tokens up one by one instead. Used by mask.ts and terminal-walk.ts.

/** Steps between two looks at the clock; some microseconds, in code that is not optimised yet some tenths of a millisecond. */
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

  step(): void {
    if ((++this.#steps & (LOOK - 1)) !== 0 || this.#until === Number.POSITIVE_INFINITY) return
    if (performance.now() > this.#until) throw new OutOfPatience()
  }
}

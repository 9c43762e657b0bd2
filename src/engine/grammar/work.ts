// Long work in small pieces: compiling is written as generators that yield often, so that whoever drives
// them can let other requests run, stop at a cancel, and refuse what takes too long. No clock is read
// here: limits are counts, so that the same grammar is refused on every machine. Used by all of grammar/.

/** Work that can be paused at every yield. */
export type Work<T> = Generator<undefined, T, undefined>

/** What is wrong with a grammar or schema; becomes BAD_OPTION with the place. */
export class GrammarFault extends Error {
  /** JSON pointer into the schema, or line:column of a text. */
  readonly place: string
  /** The keyword of a schema that cannot be enforced, where that is the fault. */
  readonly keyword: string | undefined
  /** True where the schema is right and only this engine cannot enforce it: `strict: false` passes it. */
  readonly unsupported: boolean

  constructor(message: string, place: string, keyword?: string, unsupported = false) {
    super(message)
    this.place = place
    this.keyword = keyword
    this.unsupported = unsupported
  }
}

/** Counts the steps of one compilation and refuses at the limit. */
export class Budget {
  /** Steps until work is refused: 20 M take between one and two seconds. */
  readonly limit: number
  steps = 0
  /** What is compiled just now, for the message. */
  place = ''
  #sinceYield = 0

  constructor(limit = 20_000_000) {
    this.limit = limit
  }

  /** Whether so much was done since the last time that the work should yield: a millisecond or so. */
  due(): boolean {
    if (this.#sinceYield < 10_000) return false
    this.#sinceYield = 0
    return true
  }

  /** @throws GrammarFault when the limit is passed */
  spend(steps: number): void {
    this.steps += steps
    this.#sinceYield += steps
    if (this.steps <= this.limit) return
    throw new GrammarFault(
      `takes more than ${this.limit / 1e6} million steps to compile; make it simpler`,
      this.place,
    )
  }
}

/** Runs work to its end without a pause. For tests and for work that is known to be small. */
export function finish<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value as T
  }
}

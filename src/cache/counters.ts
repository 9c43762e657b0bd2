// What the cache did during one load: chunks from the store and from the network, repairs, retries, and the
// time that verification took. Read by sessions.ts for stats().

/** Counts of one load; all files of the model together. */
export class Counters {
  hits = 0
  hitBytes = 0
  fetched = 0
  /** Bytes that came over the network, broken tries included. */
  fetchedBytes = 0
  repaired = 0
  retries = 0
  readonly verify = new Stopwatch()
}

/** Time during which at least one of several overlapping works was under way. */
export class Stopwatch {
  ms = 0
  #active = 0
  #since = 0

  /** @param work begun inside: Chromium computes digests before it returns the promise */
  async time<T>(work: () => Promise<T>): Promise<T> {
    if (this.#active++ === 0) this.#since = performance.now()
    try {
      return await work()
    } finally {
      if (--this.#active === 0) this.ms += performance.now() - this.#since
    }
  }
}

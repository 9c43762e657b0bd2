// Finds stop strings in streamed text and never lets a part of one out: what could still become a
// stop string is held back. The outcome does not depend on how the text was cut. Called by generate.ts.

/** Watches one stream for the first stop string to be complete; of two that end together, the longer. */
export class StopMatcher {
  readonly #stops: readonly string[]
  #held = ''
  /** The stop string that was found. */
  found: string | undefined

  constructor(stops: readonly string[]) {
    this.#stops = stops
  }

  /** Takes more text and returns what may be shown; after a stop string, nothing more. */
  push(text: string): string {
    if (this.found !== undefined) return ''
    if (this.#stops.length === 0) return text
    const all = this.#held + text
    let end = Number.POSITIVE_INFINITY
    let start = 0
    for (const stop of this.#stops) {
      const at = all.indexOf(stop)
      if (at < 0) continue
      const stopEnd = at + stop.length
      if (stopEnd < end || (stopEnd === end && at < start)) {
        end = stopEnd
        start = at
        this.found = stop
      }
    }
    if (this.found !== undefined) {
      this.#held = ''
      return all.slice(0, start)
    }
    const keep = this.#longestBeginning(all)
    this.#held = all.slice(all.length - keep)
    return all.slice(0, all.length - keep)
  }

  /** The text ends here: what was held back is no stop string after all. */
  flush(): string {
    const rest = this.#held
    this.#held = ''
    return rest
  }

  /** Length of the longest end of `text` that begins a stop string. */
  #longestBeginning(text: string): number {
    let longest = 0
    for (const stop of this.#stops) {
      for (let n = Math.min(stop.length - 1, text.length); n > longest; n--) {
        if (text.endsWith(stop.slice(0, n))) longest = n
      }
    }
    return longest
  }
}

// When tokens of several streams arrived in the page, and the rates that follow from it. Pure.

export interface Timeline {
  /** When the request was made. */
  readonly start: number
  /** When the engine had the first token; a busy page may hear of it later, with others in one go. */
  readonly firstAt: number
  /** Arrival of each token, in order. */
  readonly arrivals: readonly number[]
}

/** Submission to the first token. */
export function firstTokenMs({ start, arrivals }: Timeline): number {
  return arrivals[0] - start
}

/**
 * Tokens per second of all streams together, over the time in which all of them were decoding: from the
 * latest first token to the earliest last one. NaN when there is no such time.
 */
export function decodeRate(timelines: readonly Timeline[]): number {
  const from = Math.max(...timelines.map(t => Math.min(t.firstAt, t.arrivals[0])))
  const to = Math.min(...timelines.map(t => t.arrivals[t.arrivals.length - 1]))
  if (!(to > from)) return Number.NaN
  let tokens = 0
  for (const { arrivals } of timelines) {
    for (const at of arrivals.slice(1)) if (at > from && at <= to) tokens++
  }
  return (tokens * 1000) / (to - from)
}

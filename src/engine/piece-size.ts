// How many prompt tokens go into one step: as many as take about 100 ms, learned from the steps
// before, so that running streams never stall longer and a cancel is heard. Called by scheduler.ts.

import type { NetworkLike } from './network.ts'

/** A step with a prefill piece should take this long at most. */
export const PIECE_MS = 100
/** Tokens of the first piece of an engine that has not measured anything yet. */
const FIRST_PIECE = 8

/** Learns the time per prompt token; results do not depend on how a prompt is cut. */
export class PieceSize {
  readonly #most: number
  #msPerToken: number | undefined
  /** The longest step so far, in milliseconds. */
  longestMs = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Tokens the next piece may have, at least 1. */
  get tokens(): number {
    const rate = this.#msPerToken
    const fits = rate === undefined ? FIRST_PIECE : Math.floor(PIECE_MS / Math.max(rate, 1e-6))
    return Math.max(1, Math.min(this.#most, fits))
  }

  /** A step with `prefillTokens` tokens of a prompt (0: none) took `ms`. */
  learn(prefillTokens: number, ms: number): void {
    this.longestMs = Math.max(this.longestMs, ms)
    if (prefillTokens === 0) return
    const rate = ms / prefillTokens
    // Half old, half new: one hiccup halves the next piece at most, the one after recovers.
    this.#msPerToken = this.#msPerToken === undefined ? rate : (this.#msPerToken + rate) / 2
  }
}

/** Milliseconds of a step of one token; its memory is given back. */
export async function measureToken(network: NetworkLike, now: () => number): Promise<number> {
  const seq = network.kv.open()
  try {
    network.kv.reserve(seq, 1)
    const began = now()
    await network.forward([{ seq, token: 0, wantsLogits: true }])
    return now() - began
  } finally {
    network.kv.close(seq)
  }
}

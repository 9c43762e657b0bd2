// How many prompt tokens go into one step, learned from the steps before: as many as take 100 ms while
// streams run, so that none stalls much longer, and 200 ms when nothing else does, so that a cancel is still
// heard within 250. Whole blocks of 32 cost less a token than small pieces. Called by scheduler.ts.

import type { Network } from '../../model/network.ts'

/** A step with a prefill piece should take this long at most while other requests generate. */
export const PIECE_MS = 100
/** The same when the prompt is alone. */
export const ALONE_MS = 200
/** The kernels for many tokens work on this many at once. */
const BLOCK = 32
/** Tokens of the first piece of an engine that has not measured anything yet. */
const FIRST_PIECE = 8
/** Guess before the first whole block: a token of it costs this share of a token in a small piece. */
const BLOCK_SHARE = 0.4

/** More than half a block takes as long as a whole one, which may take this much more than the limit for it. */
const BLOCK_EXCESS = 1.2

/** What a block took is old after so many small pieces, at first and at most. */
const OLD = 8
const OLDEST = 64

/** Learns the time per prompt token; results do not depend on how a prompt is cut. */
export class PieceSize {
  readonly #most: number
  #msPerToken: number | undefined
  #msPerBlockToken: number | undefined
  /** Small pieces since the last block, and after how many it is old: twice as many after each that is late. */
  #since = 0
  #retry = OLD
  /** What the piece that was asked for last may take. */
  #limit = ALONE_MS
  /** The longest step so far, in milliseconds. */
  longestMs = 0

  constructor(most: number) {
    this.#most = most
  }

  /**
   * Tokens the next piece may have, at least 1.
   * @param alone   no other request generates
   * @param stepMs  a step should take no longer
   */
  tokens(alone: boolean, stepMs = Number.POSITIVE_INFINITY): number {
    const own = alone ? ALONE_MS : PIECE_MS
    const limit = Math.min(stepMs, own)
    this.#limit = limit
    if (this.#msPerToken === undefined) return Math.min(this.#most, FIRST_PIECE)
    const single = Math.max(this.#msPerToken, 1e-6)
    const perBlockToken = Math.max(this.#msPerBlockToken ?? single * BLOCK_SHARE, 1e-6)
    const fitting = Math.floor(limit / perBlockToken / BLOCK)
    // One block first: the guess may be wrong by its whole factor.
    const blocks = this.#msPerBlockToken === undefined ? Math.min(fitting, 1) : fitting
    if (blocks > 0 && this.#most >= BLOCK) {
      return Math.min(Math.floor(this.#most / BLOCK), blocks) * BLOCK
    }
    const fits = Math.max(1, Math.min(this.#most, BLOCK - 1, Math.floor(limit / single)))
    // What a block took is old when it has not run for long: then the guess counts, or one that was slow for a moment would
    // never be seen again. Not where the network says what a step may take.
    const isOld = this.#since >= this.#retry && stepMs >= own
    const each = isOld ? single * BLOCK_SHARE : perBlockToken
    const isLate = BLOCK * each > BLOCK_EXCESS * limit
    const isKnown = this.#msPerBlockToken !== undefined
    return (isKnown || fits > BLOCK / 2) && this.#most >= BLOCK && !isLate ? BLOCK : fits
  }

  /** Other kernels compute from now on. */
  forget(): void {
    this.#msPerToken = undefined
    this.#msPerBlockToken = undefined
    this.#since = 0
    this.#retry = OLD
  }

  /** A step with `prefillTokens` tokens of a prompt (0: none) took `ms`. */
  learn(prefillTokens: number, ms: number): void {
    if (ms > this.longestMs) this.longestMs = ms
    if (prefillTokens === 0) return
    const rate = ms / prefillTokens
    // Half old, half new: one hiccup halves the next piece at most, the one after recovers.
    const mixed = (old: number | undefined) => (old === undefined ? rate : (old + rate) / 2)
    if (prefillTokens >= BLOCK) {
      const isLate = BLOCK * rate > BLOCK_EXCESS * this.#limit
      // Of an old one nothing is kept.
      this.#msPerBlockToken = this.#since < this.#retry ? mixed(this.#msPerBlockToken) : rate
      this.#retry = isLate ? Math.min(OLDEST, 2 * this.#retry) : OLD
      this.#since = 0
    } else {
      this.#msPerToken = mixed(this.#msPerToken)
      this.#since++
    }
  }
}

/** Milliseconds of a step of one token; its memory is given back. */
export async function measureToken(network: Network, now: () => number): Promise<number> {
  const seq = network.kv.open()
  try {
    network.kv.reserve(seq, 1)
    const began = now()
    await network.forward([{ seq, token: 0, wants: 'logits' }])
    return now() - began
  } finally {
    network.kv.close(seq)
  }
}

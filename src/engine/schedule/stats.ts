// Counts what the engine did: tokens and time of prefill and decode, and what became of each request.
// Filled by scheduler.ts, read by engine.ts for stats().
import type { EngineStats } from '../../types/index.ts'

/** What can become of a request. */
export type Outcome = 'served' | 'refused' | 'timedOut' | 'cancelled' | 'failed'

/** Every request counts under exactly one outcome once it is over. */
export class Counters {
  readonly outcomes: Record<Outcome, number> = {
    served: 0,
    refused: 0,
    timedOut: 0,
    cancelled: 0,
    failed: 0,
  }
  readonly #prefill = { tokens: 0, ms: 0 }
  readonly #decode = { tokens: 0, ms: 0 }
  /** Tokens found in the KV cache instead of computed, and requests that began with some. */
  readonly reuse = { tokens: 0, requests: 0 }

  count(outcome: Outcome): void {
    this.outcomes[outcome]++
  }

  /** A step; its time is shared between prefill and decode by the rows of each. */
  step(prefillRows: number, decodeRows: number, ms: number): void {
    const rows = prefillRows + decodeRows
    if (rows === 0) return
    if (prefillRows === 0) {
      this.#decode.tokens += decodeRows
      this.#decode.ms += ms
      return
    }
    this.#prefill.tokens += prefillRows
    this.#prefill.ms += (ms * prefillRows) / rows
    this.#decode.tokens += decodeRows
    this.#decode.ms += (ms * decodeRows) / rows
  }

  get prefill(): EngineStats['prefill'] {
    return withRate(this.#prefill)
  }

  get decode(): EngineStats['decode'] {
    return withRate(this.#decode)
  }
}

function withRate({ tokens, ms }: { tokens: number; ms: number }): EngineStats['prefill'] {
  return { tokens, ms, tokensPerSecond: ms > 0 ? (tokens * 1000) / ms : 0 }
}

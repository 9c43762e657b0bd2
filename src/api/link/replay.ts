// A request that is asked again of another engine: what its reader has already is held back, and what
// comes must be the same text. Pieces may be cut differently each time; tokens and text count.
import { RyzError } from '../../errors.ts'
import type { TokenChunk } from '../../types/index.ts'

export class Replay {
  /** What the reader has. */
  readonly #tokens: number[] = []
  #text = ''
  /** Characters of reasoning, and calls. */
  #reasoning = 0
  #calls = 0
  /** How far the engine of this attempt has come. */
  #at = 0
  #textAt = 0
  #reasoningAt = 0

  /** What the reader has, for the next engine to begin with. */
  get tokens(): readonly number[] {
    return [...this.#tokens]
  }

  /** The request begins again. */
  restart(): void {
    this.#at = 0
    this.#textAt = 0
    this.#reasoningAt = 0
  }

  /**
   * @returns the part of a piece that is new; undefined when there is none
   * @throws RyzError WORKER_DIED when the part that is known was another text
   */
  take(chunk: TokenChunk): TokenChunk | undefined {
    const known = Math.min(chunk.tokens.length, this.#tokens.length - this.#at)
    const knownText = Math.min(chunk.text.length, this.#text.length - this.#textAt)
    const same =
      chunk.tokens.slice(0, known).every((token, i) => token === this.#tokens[this.#at + i]) &&
      this.#text.startsWith(chunk.text.slice(0, knownText), this.#textAt)
    if (!same) throw notTheSame(this.#at)
    this.#at += chunk.tokens.length
    this.#textAt += chunk.text.length
    const tokens = chunk.tokens.slice(known)
    const text = chunk.text.slice(knownText)
    for (const token of tokens) this.#tokens.push(token)
    this.#text += text
    const fresh: TokenChunk = { text, tokens }
    if (chunk.logprobs) fresh.logprobs = chunk.logprobs.slice(known)
    // Reasoning and calls follow from the tokens: where those are the same, so are these.
    if (chunk.reasoning !== undefined) {
      this.#reasoningAt += chunk.reasoning.length
      const more = Math.max(0, this.#reasoningAt - this.#reasoning)
      if (more > 0) fresh.reasoning = chunk.reasoning.slice(-more)
      this.#reasoning += more
    }
    if (chunk.toolCalls !== undefined) {
      const calls = chunk.toolCalls.filter(call => call.index >= this.#calls)
      if (calls.length > 0) fresh.toolCalls = calls
      this.#calls += calls.length
    }
    const { reasoning, toolCalls } = fresh
    return tokens.length > 0 || text !== '' || reasoning || toolCalls ? fresh : undefined
  }
}

function notTheSame(token: number): RyzError {
  return new RyzError(
    'WORKER_DIED',
    `the engine ended and the next one writes another text from token ${token} on; ask again`,
    { token },
  )
}

// A request that is asked again of another engine: what its reader has already is held back, and what
// comes must be the same text. Pieces may be cut differently each time; tokens and text count.
import { RyzError } from '../../errors.ts'
import type { TokenChunk } from '../../types/index.ts'

export class Replay {
  /** What the reader has. */
  readonly #tokens: number[] = []
  #text = ''
  /** How far the engine of this attempt has come. */
  #at = 0
  #textAt = 0

  /** The request begins again. */
  restart(): void {
    this.#at = 0
    this.#textAt = 0
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
    if (tokens.length === 0 && text === '') return undefined
    const { logprobs } = chunk
    return { ...chunk, text, tokens, ...(logprobs && { logprobs: logprobs.slice(known) }) }
  }
}

function notTheSame(token: number): RyzError {
  return new RyzError(
    'WORKER_DIED',
    `the engine ended and the next one writes another text from token ${token} on; ask again`,
    { token },
  )
}

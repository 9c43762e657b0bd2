// The stream that generate() and chat() return: chunks for `for await`, or the whole text. Knows no
// worker; ryzanstein.ts feeds it.
import { RyzError } from '../errors.ts'
import type { GenerateResult, TokenChunk } from '../types/index.ts'
import { ChunkQueue } from './chunk-queue.ts'

/** What feeds a stream. */
export interface StreamInput {
  push(chunk: TokenChunk): void
  done(result: GenerateResult): void
  fail(error: RyzError): void
}

/**
 * The answer to one request, as it comes. Iterate it once, or await `text()` or `result`; leaving the
 * loop early cancels the request. The engine never waits for a reader: what nobody has read yet is
 * kept in the page, at most 256 chunks of it, behind which more tokens join the last chunk.
 * @example
 * for await (const { text } of engine.generate('Once')) show(text)
 */
export class TokenStream implements AsyncIterable<TokenChunk> {
  /** The whole answer and its figures; rejects with the RyzError that ended the request. */
  readonly result: Promise<GenerateResult>
  readonly #cancel: () => void
  readonly #chunks = new ChunkQueue(() => this.cancel())
  #over = false
  #iterated = false

  /** @param start  begins the request and returns what cancels it */
  constructor(start: (input: StreamInput) => () => void) {
    let resolve!: (result: GenerateResult) => void
    let reject!: (error: RyzError) => void
    this.result = new Promise((yes, no) => {
      resolve = yes
      reject = no
    })
    this.result.catch(() => undefined) // a reader of the chunks sees the error there
    this.#cancel = start({
      push: chunk => this.#chunks.push(chunk),
      done: result => {
        this.#end(undefined)
        resolve(result)
      },
      fail: error => {
        this.#end(error)
        reject(error)
      },
    })
  }

  /** The whole text. @throws RyzError what ended the request */
  async text(): Promise<string> {
    return (await this.result).text
  }

  /** Ends the request; its `result` rejects with ABORTED. Nothing happens when it is over already. */
  cancel(): void {
    if (!this.#over) this.#cancel()
  }

  /** The pieces as they come; leaving the loop cancels the request. */
  [Symbol.asyncIterator](): AsyncGenerator<TokenChunk, void, undefined> {
    if (this.#iterated) {
      throw new RyzError(
        'BAD_OPTION',
        'a TokenStream can be iterated once; keep the chunks you need',
      )
    }
    this.#iterated = true
    return this.#chunks
  }

  #end(error: RyzError | undefined): void {
    this.#over = true
    this.#chunks.end(error)
  }
}

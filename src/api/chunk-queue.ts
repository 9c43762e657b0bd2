// What waits between an engine and the loop that reads its stream: chunks that came and nobody asked for,
// or questions that nothing has come for. An iterator by hand, as an async generator leaves three times
// as much a token to the collector (1.7 kB). Used by token-stream.ts.
import type { RyzError } from '../errors.ts'
import type { TokenChunk } from '../types/index.ts'
import { joinChunk } from '../worker/protocol.ts'

/** Chunks kept for a reader that is slow; what comes then joins the last one. */
const MAX_UNREAD = 256

type Result = IteratorResult<TokenChunk, void>
type Asking = (result: Result | Promise<Result>) => void

/** Chunks in the order pushed, then the error if one ended them. */
export class ChunkQueue implements AsyncGenerator<TokenChunk, void, undefined> {
  readonly #left: () => void
  /** A ring: `#unread` chunks from `#first` on. */
  readonly #ring: (TokenChunk | undefined)[] = []
  #first = 0
  #unread = 0
  #asking: Asking | undefined
  /** More of them; a loop never asks twice. */
  readonly #alsoAsking: Asking[] = []
  #over = false
  #error: RyzError | undefined

  /** @param left  called when the reader leaves */
  constructor(left: () => void) {
    this.#left = left
  }

  /** One more chunk; it may be changed. */
  push(chunk: TokenChunk): void {
    if (this.#over) return
    if (this.#asking !== undefined) this.#answer({ value: chunk, done: false })
    else if (this.#unread === MAX_UNREAD) {
      joinChunk(this.#ring[(this.#first + MAX_UNREAD - 1) % MAX_UNREAD]!, chunk)
    } else {
      this.#ring[(this.#first + this.#unread++) % MAX_UNREAD] = chunk
    }
  }

  /** Nothing follows; an error is thrown after what is unread. Only the first call counts. */
  end(error: RyzError | undefined): void {
    if (this.#over) return
    this.#over = true
    this.#error = error
    while (this.#asking !== undefined) this.#answer(this.#last())
  }

  next(): Promise<Result> {
    const value = this.#take()
    if (value !== undefined) return Promise.resolve({ value, done: false })
    if (this.#over) return Promise.resolve(this.#last())
    return new Promise(asking => {
      if (this.#asking === undefined) this.#asking = asking
      else this.#alsoAsking.push(asking)
    })
  }

  /** The reader leaves: what is unread is dropped. */
  return(): Promise<Result> {
    this.#unread = 0
    this.#ring.length = 0
    this.end(undefined)
    this.#left()
    return Promise.resolve({ value: undefined, done: true })
  }

  async throw(caught: unknown): Promise<Result> {
    await this.return()
    throw caught
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #take(): TokenChunk | undefined {
    if (this.#unread === 0) return undefined
    const chunk = this.#ring[this.#first]
    this.#ring[this.#first] = undefined
    this.#first = (this.#first + 1) % MAX_UNREAD
    this.#unread--
    return chunk
  }

  #answer(result: Result | Promise<Result>): void {
    const asking = this.#asking
    this.#asking = this.#alsoAsking.length > 0 ? this.#alsoAsking.shift() : undefined
    asking?.(result)
  }

  /** The error goes to one reader; then it is over. */
  #last(): Result | Promise<Result> {
    const error = this.#error
    this.#error = undefined
    return error === undefined ? { value: undefined, done: true } : Promise.reject(error)
  }
}

// Brings ranges of one file from the network: by Range requests, several at once, or (from a server that has
// no ranges) out of one answer read from the start. Retries until the patience of net/retry.ts ends. Called by
// cached-file.ts.
import { RyzError, throwIfAborted } from '../errors.ts'
import {
  type Answer,
  ask,
  changed,
  differs,
  statusError,
  type Validators,
} from '../net/range-reader.ts'
import { CONNECTIONS, type NetworkOptions, persist } from '../net/retry.ts'
import type { Counters } from './counters.ts'

/** The file as it was at first contact; all that follows must be of the same. */
export interface Origin extends Validators {
  readonly url: string
  readonly size: number
}

/** Answers for the first range that break before their first byte; then the whole file is asked for. */
const RANGE_TRIES = 2

interface Feed {
  readonly answer: Answer
  at: number
  rest: Uint8Array | undefined
}

/** The network's side of one file. */
export class ChunkFetcher {
  readonly #origin: Origin
  readonly #options: NetworkOptions
  readonly #counters: Counters
  readonly #signal: AbortSignal
  readonly #offline: boolean
  /** The answer of the first contact, for whoever reads from byte 0. */
  #first: Answer | undefined
  #ranged = true
  #feed: Feed | undefined
  #feedTurn: Promise<void> = Promise.resolve()
  #free: number
  readonly #waiting: (() => void)[] = []
  /** See ByteSource.origin. */
  origin: string | undefined

  /** @param network undefined: every fetch fails with NETWORK */
  constructor(
    origin: Origin,
    network: NetworkOptions | undefined,
    counters: Counters,
    signal: AbortSignal,
  ) {
    this.#origin = origin
    this.#offline = network === undefined
    this.#options = { ...network, onRetry: reason => this.#retried(network, reason) }
    this.#counters = counters
    this.#signal = signal
    this.#free = network?.connections ?? CONNECTIONS
  }

  /** Takes over the answer of the first contact, which begins at byte 0. */
  adopt(answer: Answer): void {
    this.origin = answer.origin
    if (answer.kind === 'whole') this.#fromNowOn(answer)
    else this.#first = answer
  }

  /** The server was seen to have no ranges. */
  withoutRanges(): void {
    this.#ranged = false
  }

  close(): void {
    this.#first?.stop()
    this.#feed?.answer.stop()
  }

  /**
   * Fills `into` with the bytes from `start` on.
   * @throws RyzError NETWORK | ABORTED
   */
  async fetch(start: number, into: Uint8Array, signal: AbortSignal): Promise<void> {
    if (this.#offline) {
      throw new RyzError('NETWORK', 'loading was restricted to what is stored', { offline: true })
    }
    if (this.#ranged && (await this.#byRange(start, into, signal))) return
    await this.#inTurn(() => this.#byFeed(start, into, signal))
  }

  /** False when the server turned out to have no ranges. */
  async #byRange(start: number, into: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const { url } = this.#origin
    await this.#connection()
    let got = 0
    let emptyHanded = 0
    try {
      return await persist(
        async () => {
          if (emptyHanded++ >= RANGE_TRIES && start + got === 0) return this.#doWithoutRanges()
          const answer = await this.#answerAt(start + got, start + into.length, signal)
          if (answer === undefined || answer.kind === 'whole') {
            answer?.stop()
            return this.#doWithoutRanges()
          }
          try {
            while (got < into.length) {
              const piece = await answer.read()
              throwIfAborted(signal, `Reading ${url}`)
              if (!piece) {
                const at = start + got
                throw new RyzError('NETWORK', `the answer of ${url} ended at byte ${at}`, { at })
              }
              const part = piece.subarray(0, into.length - got)
              into.set(part, got)
              got += part.length
              this.#arrived(part.length)
            }
          } finally {
            answer.stop()
          }
          return true
        },
        () => got,
        { ...this.#options, signal },
      )
    } finally {
      this.#free++
      this.#waiting.shift()?.()
    }
  }

  #doWithoutRanges(): false {
    this.#ranged = false
    return false
  }

  /** Undefined where the server answers another range than the one that was asked for. */
  async #answerAt(start: number, end: number, signal: AbortSignal): Promise<Answer | undefined> {
    const first = this.#first
    if (start === 0 && first) {
      this.#first = undefined
      return first
    }
    const known = this.#origin
    try {
      return this.#same(await ask(known.url, start, end, { ...this.#options, known, signal }))
    } catch (caught) {
      if (caught instanceof RyzError && caught.detail.wrongRange) return undefined
      throw caught
    }
  }

  /** Refuses an answer of another file than the one at first contact. */
  #same(answer: Answer): Answer {
    const { url } = this.#origin
    if (answer.kind === 'absent') {
      const { status } = answer
      throw statusError(url, status, null, this.#options.headers)
    }
    if (answer.kind === 'empty' || differs(this.#origin, answer)) {
      answer.stop()
      throw changed(url)
    }
    return answer
  }

  async #connection(): Promise<void> {
    if (this.#free === 0) await new Promise<void>(resolve => this.#waiting.push(resolve))
    this.#free--
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#feedTurn.then(work)
    this.#feedTurn = turn.catch(() => undefined)
    return turn
  }

  #fromNowOn(answer: Answer): void {
    this.#ranged = false
    this.#feed = { answer, at: 0, rest: undefined }
  }

  /** Reads on in the one answer; a broken one begins again and skips what is known. */
  async #byFeed(start: number, into: Uint8Array, signal: AbortSignal): Promise<void> {
    const { url } = this.#origin
    let reached = 0
    await persist(
      async () => {
        throwIfAborted(signal, `Reading ${url}`)
        if (!this.#feed || this.#feed.at > start) {
          this.#feed?.answer.stop()
          this.#feed = undefined
          const known = this.#origin
          const options = { ...this.#options, known, plain: true, signal: this.#signal }
          this.#fromNowOn(this.#same(await ask(url, 0, undefined, options)))
        }
        const feed = this.#feed!
        try {
          while (feed.at < start + into.length) {
            const piece = feed.rest ?? (await this.#nextOf(feed))
            feed.rest = undefined
            if (!piece) {
              throw new RyzError('NETWORK', `the answer of ${url} ended at byte ${feed.at}`)
            }
            // A piece ends where it lies wholly before the range, or at the end of the range.
            const limit = feed.at < start ? start : start + into.length
            const part = piece.subarray(0, limit - feed.at)
            if (feed.at >= start) into.set(part, feed.at - start)
            feed.at += part.length
            if (part.length < piece.length) feed.rest = piece.subarray(part.length)
            reached = Math.max(reached, feed.at)
          }
        } catch (caught) {
          this.#feed = undefined
          feed.answer.stop()
          throw caught
        }
      },
      () => reached,
      { ...this.#options, signal },
    )
  }

  async #nextOf(feed: Feed): Promise<Uint8Array | undefined> {
    const piece = await feed.answer.read()
    if (piece) this.#arrived(piece.length)
    return piece
  }

  #arrived(bytes: number): void {
    this.#counters.fetchedBytes += bytes
    this.#options.onBytes?.(bytes)
  }

  #retried(network: NetworkOptions | undefined, reason: string): void {
    this.#counters.retries++
    network?.onRetry?.(reason)
  }
}

// One file over HTTP as a ByteSource. Asks for ranges; a server without them is read once from the
// start, and its open answer waits ("parked") for the next stream that continues behind it. Leaves
// retries, hashes and storage to the cache. Made by open.ts.

import { asRyzError, RyzError, throwIfAborted } from '../errors.ts'
import { type BodyReader, readBody } from '../net/body-reader.ts'
import type { ByteSource } from './model-file.ts'

export type FetchLike = (url: string, init: RequestInit) => Promise<Response>

/** An HTTP source whose existence can be asked before it is read. */
export interface HttpSource extends ByteSource {
  /**
   * Sends the first request and keeps its answer for the first stream.
   * @returns false when the server has no such file (403, 404, 410)
   * @throws RyzError NETWORK | ABORTED
   */
  connect(signal?: AbortSignal): Promise<boolean>
  /** Drops an answer that is kept for a later stream; may be called twice. */
  close(): void
}

/** Bytes worth skipping rather than asking again. */
const SKIP_BYTES = 256 * 1024

/** Silence that counts as a broken connection, as for src/cache/http.ts. */
const STALL_MS = 20_000

interface Connection {
  readonly reader: BodyReader
  readonly ranged: boolean
  /** Offset in the file of the first byte of `rest`, or of the next piece. */
  at: number
  rest: Uint8Array | undefined
  readonly drop: () => void
}

const decimal = (text: string | null | undefined): number | undefined =>
  text && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/**
 * @param url absolute URL
 * @param options.fetch replaces the global fetch, for tests and custom headers
 * @param options.stallMs silence that counts as a broken connection
 */
export function httpSource(
  url: string,
  options: { fetch?: FetchLike; stallMs?: number } = {},
): HttpSource {
  const { stallMs = STALL_MS } = options
  const doFetch: FetchLike = options.fetch ?? ((address, init) => fetch(address, init))
  let size: number | undefined
  let noRanges = false
  let parked: Connection | undefined

  /** Ends the connection when the server says nothing for too long. */
  async function patiently<T>(work: Promise<T>, drop: () => void): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new RyzError('NETWORK', `${url} was silent for ${stallMs} ms; try again`))
        drop()
      }, stallMs)
    })
    try {
      return await Promise.race([work, silence])
    } finally {
      clearTimeout(timer)
      work.catch(() => undefined) // what it says after the silence is over and done
    }
  }

  function absent(response: Response): boolean {
    return response.status === 404 || response.status === 410 || response.status === 403
  }

  async function request(
    start: number,
    end: number | undefined,
    signal: AbortSignal | undefined,
    optional: boolean,
  ): Promise<Connection | undefined> {
    throwIfAborted(signal, `Reading ${url}`)
    const from = noRanges ? 0 : start
    const last = end === undefined || noRanges ? '' : String(end - 1)
    const controller = new AbortController()
    const onAbort = () => controller.abort()
    signal?.addEventListener('abort', onAbort, { once: true })
    const drop = () => {
      signal?.removeEventListener('abort', onAbort)
      controller.abort()
    }
    try {
      const asked = doFetch(url, {
        headers: { Range: `bytes=${from}-${last}` },
        signal: controller.signal,
      })
      const response = await patiently(asked, drop)
      if (optional && absent(response)) {
        drop()
        return undefined
      }
      return accept(response, from, drop)
    } catch (caught) {
      drop()
      throwIfAborted(signal, `Reading ${url}`)
      throw asRyzError(caught, 'NETWORK', `${url} could not be fetched`)
    }
  }

  function accept(response: Response, from: number, drop: () => void): Connection {
    const encoded = (response.headers.get('content-encoding') ?? 'identity') !== 'identity'
    const length = encoded ? undefined : decimal(response.headers.get('content-length'))
    let at = from
    if (response.status === 206) {
      const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(
        response.headers.get('content-range') ?? '',
      )
      if (encoded && from > 0) throw new RyzError('NETWORK', `${url} is a range of encoded bytes`)
      if (range && Number(range[1]) !== from) {
        throw new RyzError('NETWORK', `${url}: asked for byte ${from}, got byte ${range[1]}`)
      }
      if (!encoded) learnSize(decimal(range?.[3]) ?? (from === 0 ? length : undefined))
    } else if (response.status === 200) {
      noRanges = true
      at = 0
      learnSize(length)
    } else if (response.status === 416 && from === 0) {
      learnSize(0)
    } else {
      throw new RyzError(
        'NETWORK',
        `${url} answered with status ${response.status}; check the URL`,
        {
          status: response.status,
        },
      )
    }
    const body = response.status === 416 ? null : response.body
    const reader = readBody(body ?? new Blob([]).stream())
    return { reader, ranged: response.status === 206, at, rest: undefined, drop }
  }

  function learnSize(bytes: number | undefined): void {
    if (bytes === undefined) return
    if (size !== undefined && size !== bytes) {
      throw new RyzError('NETWORK', `${url} changed from ${size} to ${bytes} bytes; load it again`)
    }
    size = bytes
  }

  function takeParked(start: number): Connection | undefined {
    const found = parked
    if (!found) return undefined
    const usable = found.at <= start && (!found.ranged || start - found.at <= SKIP_BYTES)
    parked = undefined
    if (usable) return found
    close(found)
    return undefined
  }

  function close(connection: Connection): void {
    connection.drop()
    connection.reader.cancel()
  }

  async function* stream(
    start: number,
    end: number | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    throwIfAborted(signal, `Reading ${url}`)
    if (end !== undefined && start >= end) return
    const connection = takeParked(start) ?? (await request(start, end, signal, false))!
    const onAbort = () => connection.drop()
    signal?.addEventListener('abort', onAbort, { once: true })
    let finished = false
    let failed = true
    try {
      while (end === undefined || connection.at < end) {
        const piece = connection.rest ?? (await read(connection, signal))
        connection.rest = undefined
        if (!piece) {
          finished = true
          const expected = end ?? size
          if (expected !== undefined && connection.at < expected) {
            throw new RyzError(
              'TRUNCATED',
              `${url} ends at byte ${connection.at} of ${expected}; download it again`,
            )
          }
          break
        }
        const pieceAt = connection.at
        const stop = Math.min(piece.length, end === undefined ? piece.length : end - pieceAt)
        const first = Math.min(Math.max(start - pieceAt, 0), stop)
        connection.at = pieceAt + stop
        if (stop < piece.length) connection.rest = piece.subarray(stop)
        failed = false
        if (first < stop) yield piece.subarray(first, stop)
        failed = true
      }
      failed = false
    } finally {
      signal?.removeEventListener('abort', onAbort)
      if (failed || finished || connection.ranged || signal?.aborted) close(connection)
      else parked = connection
    }
  }

  async function read(
    connection: Connection,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    try {
      const piece = await patiently(connection.reader.read(), connection.drop)
      throwIfAborted(signal, `Reading ${url}`)
      return piece
    } catch (caught) {
      throwIfAborted(signal, `Reading ${url}`)
      throw asRyzError(caught, 'NETWORK', `The connection to ${url} broke at ${connection.at}`)
    }
  }

  return {
    name: url,
    get size() {
      return size
    },
    stream,
    async connect(signal) {
      parked ??= await request(0, undefined, signal, true)
      return parked !== undefined
    },
    close() {
      if (parked) close(parked)
      parked = undefined
    },
  }
}

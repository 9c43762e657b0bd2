// One file over HTTP as a ByteSource, without a store: broken connections are continued where they broke. A
// server without ranges is read once from the start, and its open answer waits ("parked") for the next stream
// that goes on behind it. Used by format/open.ts where the cache has no part.
import { RyzError, throwIfAborted } from '../errors.ts'
import type { ByteSource } from './byte-source.ts'
import { type Answer, ask, changed, differs, statusError, type Validators } from './range-reader.ts'
import { type NetworkOptions, persist } from './retry.ts'

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

export interface HttpSourceOptions extends NetworkOptions {
  /**
   * Asks for the front of the file piece by piece where no end is given, so that a server never begins to send
   * weights that nobody asked for.
   */
  readonly bounded?: boolean
}

/** Bytes worth skipping rather than asking again. */
const SKIP_BYTES = 256 * 1024
/** Bounded: the first request; most headers of small vocabularies fit. Then doubled up to the last. */
const FIRST_BYTES = 64 * 1024
const LAST_BYTES = 1024 * 1024

interface Connection {
  readonly answer: Answer
  /** Offset in the file of the first byte of `rest`, or of the next piece. */
  at: number
  rest: Uint8Array | undefined
  /** It has given something. */
  gave: boolean
}

/** @param url absolute URL */
export function httpSource(url: string, options: HttpSourceOptions = {}): HttpSource {
  let size: number | undefined
  let known: Validators | undefined
  let origin: string | undefined
  let plain = false
  let step = FIRST_BYTES
  let parked: Connection | undefined

  async function connect(
    start: number,
    end: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Connection> {
    let stop = end
    if (end === undefined && options.bounded) {
      stop = start + step
      step = Math.min(2 * step, LAST_BYTES)
    }
    const answer = await ask(url, start, stop, { ...options, known, plain, signal })
    origin ??= answer.origin
    const now = { ...answer, size: answer.size }
    if (known !== undefined && differs({ ...known, size }, now)) {
      answer.stop()
      throw changed(url)
    }
    known ??= { etag: answer.etag, lastModified: answer.lastModified }
    size ??= answer.size
    if (answer.kind === 'whole') plain = true
    return { answer, at: answer.kind === 'whole' ? 0 : start, rest: undefined, gave: false }
  }

  function present(connection: Connection): Connection {
    const { kind, status } = connection.answer
    if (kind !== 'absent') return connection
    throw statusError(url, status, null, options.headers)
  }

  function takeParked(start: number): Connection | undefined {
    const found = parked
    parked = undefined
    if (!found) return undefined
    const ranged = found.answer.kind === 'range'
    if (found.at <= start && (!ranged || start - found.at <= SKIP_BYTES)) return found
    found.answer.stop()
    return undefined
  }

  /** The next bytes from `at` on; undefined at the end of the answer. */
  async function next(connection: Connection, at: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = connection.rest ?? (await connection.answer.read())
      connection.rest = undefined
      if (!piece) return undefined
      connection.gave = true
      const from = Math.max(0, at - connection.at)
      connection.at += piece.length
      if (from < piece.length) return piece.subarray(from)
    }
  }

  async function* stream(
    start: number,
    end: number | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    throwIfAborted(signal, `Reading ${url}`)
    let at = start
    let open = end === undefined || start < end ? takeParked(start) : undefined
    const onAbort = () => open?.answer.stop()
    signal?.addEventListener('abort', onAbort, { once: true })
    /** A piece that was asked for has come; what failed is dropped, so that the next try connects anew. */
    const piece = () =>
      persist(
        async () => {
          try {
            open ??= present(await connect(at, end, signal))
            return await next(open, at)
          } catch (caught) {
            open?.answer.stop()
            open = undefined
            throw caught
          }
        },
        () => 0,
        { ...options, signal },
      )
    try {
      while (end === undefined || at < end) {
        const bytes = await piece()
        throwIfAborted(signal, `Reading ${url}`)
        if (bytes) {
          const used = end === undefined ? bytes : bytes.subarray(0, end - at)
          if (used.length < bytes.length) {
            open!.rest = bytes.subarray(used.length)
            open!.at -= bytes.length - used.length
          }
          at += used.length
          yield used
          continue
        }
        const { answer, gave } = open!
        open = undefined
        answer.stop()
        const expected = end ?? size
        if (expected !== undefined ? at >= expected : answer.kind !== 'range' || !options.bounded)
          break
        // A range may be shorter than was asked for; one without a byte is the end.
        if (gave && answer.kind === 'range') continue
        if (expected === undefined) break
        throw new RyzError(
          'TRUNCATED',
          `${url} ends at byte ${at} of ${expected}; download it again`,
        )
      }
    } catch (caught) {
      open?.answer.stop()
      open = undefined
      throw caught
    } finally {
      signal?.removeEventListener('abort', onAbort)
      if (open && open.answer.kind === 'whole' && !signal?.aborted) parked = open
      else open?.answer.stop()
    }
  }

  return {
    name: url,
    get size() {
      return size
    },
    get origin() {
      return origin
    },
    stream,
    async connect(signal) {
      parked ??= await persist(
        () => connect(0, undefined, signal),
        () => 0,
        { ...options, signal },
      )
      if (parked.answer.kind !== 'absent') return true
      parked.answer.stop()
      parked = undefined
      return false
    },
    close() {
      parked?.answer.stop()
      parked = undefined
    },
  }
}

// Ranges of one file over HTTP that arrive whatever happens: broken connections are continued where they
// broke, silence counts as broken, a busy server is asked again later and later. Says when the file is no
// longer the one it began with. Knows no store; used by cached-file.ts.

import { asRyzError, RyzError, throwIfAborted } from '../errors.ts'
import { type BodyReader, readBody } from '../net/body-reader.ts'
import type { Validators } from './records.ts'

export type FetchLike = (url: string, init: RequestInit) => Promise<Response>

/** How patient the network is; tests bring their own clock. */
export interface NetworkOptions {
  readonly fetch?: FetchLike
  /** Tries without any progress before NETWORK (default 5). */
  readonly attempts?: number
  /** Silence that counts as a broken connection, ms (default 20,000). */
  readonly stallMs?: number
  /** Connections at once (default 3). */
  readonly connections?: number
  /** Waits between tries; the default keeps real time and ends early when the signal fires. */
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>
  /** Every piece of the file as it arrives. */
  readonly onBytes?: (bytes: number) => void
  readonly onRetry?: (reason: string) => void
}

export const ATTEMPTS = 5
export const STALL_MS = 20_000
export const CONNECTIONS = 3
const BACKOFF_MS = 300

/** An open answer. */
export interface Answer extends Validators {
  /** 'range' answers what was asked; 'whole' is the file from its first byte; 'empty' has none. */
  readonly kind: 'range' | 'whole' | 'absent' | 'empty'
  readonly status: number
  /** Total bytes of the file; undefined when the server does not say. */
  readonly size: number | undefined
  /** The next piece, valid until the next read; undefined at the end. @throws RyzError NETWORK | ABORTED */
  read(): Promise<Uint8Array | undefined>
  stop(): void
}

export function changed(url: string): RyzError {
  return new RyzError('NETWORK', `${url} changed while it was read; load it again`, {
    changed: true,
  })
}

/** True when the file may have become another since: a validator or the size differs. */
export function differs(
  known: Validators & { readonly size: number },
  now: Validators & { readonly size?: number },
): boolean {
  const other = (a: string | undefined, b: string | undefined) =>
    a !== undefined && b !== undefined && a.replace(/^W\//, '') !== b.replace(/^W\//, '')
  if (now.size !== undefined && now.size !== known.size) return true
  if (known.etag !== undefined && now.etag !== undefined) return other(known.etag, now.etag)
  return other(known.lastModified, now.lastModified)
}

/**
 * One request, one answer; no second try.
 * @param end one past the last byte, undefined for all that follow
 * @throws RyzError NETWORK (detail.status, where the server gave one) | ABORTED
 */
export async function ask(
  url: string,
  start: number,
  end: number | undefined,
  options: NetworkOptions & { readonly known?: Validators; readonly signal?: AbortSignal },
): Promise<Answer> {
  const { signal, known, stallMs = STALL_MS } = options
  throwIfAborted(signal, `Reading ${url}`)
  const controller = new AbortController()
  let stalled = false
  const onAbort = () => controller.abort()
  signal?.addEventListener('abort', onAbort, { once: true })
  let body: BodyReader | undefined
  const stop = () => {
    signal?.removeEventListener('abort', onAbort)
    body?.cancel()
    controller.abort()
  }
  const patiently = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => {
      stalled = true
      controller.abort()
    }, stallMs)
    try {
      return await work
    } catch (caught) {
      stop()
      throwIfAborted(signal, `Reading ${url}`)
      const what = stalled ? `${url} was silent for ${stallMs} ms` : `${url} could not be fetched`
      throw asRyzError(caught, 'NETWORK', what)
    } finally {
      clearTimeout(timer)
    }
  }

  const headers: Record<string, string> = {
    Range: `bytes=${start}-${end === undefined ? '' : end - 1}`,
  }
  const validator = known?.etag?.startsWith('W/') ? undefined : (known?.etag ?? known?.lastModified)
  // If-Range is not on the safelist of CORS: elsewhere the answer's validators are compared instead.
  if (validator !== undefined && start > 0 && sameOrigin(url)) headers['If-Range'] = validator
  const doFetch = options.fetch ?? fetch
  const response = await patiently(
    doFetch(url, { headers, signal: controller.signal, cache: 'no-store' }),
  )
  const kind = kindOf(url, response, start, stop)
  body = response.body ? readBody(response.body) : undefined
  return {
    kind,
    status: response.status,
    size: sizeOf(response, kind, start, end),
    etag: response.headers.get('etag') ?? undefined,
    lastModified: response.headers.get('last-modified') ?? undefined,
    async read() {
      if (!body || kind === 'empty') return undefined
      const piece = await patiently(body.read())
      throwIfAborted(signal, `Reading ${url}`)
      if (!piece) stop()
      return piece
    },
    stop,
  }
}

function kindOf(url: string, response: Response, start: number, stop: () => void): Answer['kind'] {
  const { status } = response
  if (status === 200) return 'whole'
  if (status === 206) {
    const first = /^bytes (\d{1,15})-/.exec(response.headers.get('content-range') ?? '')?.[1]
    if (first === undefined || Number(first) === start) return 'range'
    stop()
    throw new RyzError('NETWORK', `${url}: asked for byte ${start}, got byte ${first}`)
  }
  stop()
  if (status === 416 && start === 0) return 'empty'
  if (status === 404 || status === 410 || status === 403) return 'absent'
  throw new RyzError('NETWORK', `${url} answered with status ${status}; check the URL`, { status })
}

function sizeOf(
  response: Response,
  kind: Answer['kind'],
  start: number,
  end: number | undefined,
): number | undefined {
  const number = (text: string | null | undefined) =>
    text && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  if (kind === 'empty') return 0
  if ((response.headers.get('content-encoding') ?? 'identity') !== 'identity') return undefined
  const length = number(response.headers.get('content-length'))
  if (kind === 'whole') return length
  const total = /\/(\d{1,15})$/.exec(response.headers.get('content-range') ?? '')?.[1]
  if (total !== undefined) return Number(total)
  // Without Content-Range (hidden by CORS) a short answer still tells where the file ends.
  const short = length !== undefined && end !== undefined && length < end - start
  return short ? start + length : undefined
}

function sameOrigin(url: string): boolean {
  try {
    const own = globalThis.location?.origin
    return own === undefined || new URL(url).origin === own
  } catch {
    return false
  }
}

/** Whether another try can help: not when the server said no, nor when the file is another. */
export function worthRetrying(caught: unknown): boolean {
  if (!(caught instanceof RyzError) || caught.code !== 'NETWORK' || caught.detail.changed)
    return false
  const { status } = caught.detail
  return typeof status !== 'number' || status >= 500 || status === 408 || status === 429
}

/**
 * Calls `attempt` until it succeeds; tries that made progress do not count.
 * @param progress a number that grows with what has arrived
 * @throws RyzError the last failure
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  progress: () => number,
  options: NetworkOptions & { readonly signal?: AbortSignal },
): Promise<T> {
  const { attempts = ATTEMPTS, sleep = realSleep, signal, onRetry } = options
  let failures = 0
  for (;;) {
    const before = progress()
    try {
      return await attempt()
    } catch (caught) {
      throwIfAborted(signal, 'loading')
      if (!worthRetrying(caught)) throw caught
      failures = progress() > before ? 1 : failures + 1
      // A browser that knows itself offline need not be waited for.
      if (failures >= attempts || globalThis.navigator?.onLine === false) throw caught
      onRetry?.(caught instanceof Error ? caught.message : String(caught))
      await sleep(BACKOFF_MS * 2 ** (failures - 1), signal)
      throwIfAborted(signal, 'loading')
    }
  }
}

function realSleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(done, ms)
    function done() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    signal?.addEventListener('abort', done, { once: true })
  })
}

// One request for a range of one file, and the judgement of its answer: the range, the whole file, nothing. Takes
// no header at its word that another contradicts. One try; retry.ts tries again. Used by http-source.ts and
// src/cache.
import { asRyzError, RyzError, throwIfAborted } from '../errors.ts'
import { type BodyReader, readBody } from './body-reader.ts'
import { type FetchLike, type NetworkOptions, STALL_MS } from './retry.ts'
import { sameOrigin, unreachable } from './unreachable.ts'
import { watched } from './watch.ts'

/** By what a server says that a file is still the same. */
export interface Validators {
  readonly etag?: string
  readonly lastModified?: string
}

/** An open answer. */
export interface Answer extends Validators {
  /**
   * 'range' answers what was asked; 'whole' is the file from its first byte; 'empty': there is nothing at the
   * place that was asked for.
   */
  readonly kind: 'range' | 'whole' | 'absent' | 'empty'
  readonly status: number
  /** Total bytes of the file; undefined when the server does not say, or says it of other bytes. */
  readonly size: number | undefined
  /** Where the answer came from and as what, where that is odd; see ByteSource.origin. */
  readonly origin: string | undefined
  /** The next piece, valid until the next read; undefined at the end. @throws RyzError NETWORK | ABORTED */
  read(): Promise<Uint8Array | undefined>
  stop(): void
}

export interface AskOptions extends NetworkOptions {
  /** The file as it was at first contact; absent when this is it. */
  readonly known?: Validators
  readonly signal?: AbortSignal
  /** Asks for the whole file, without Range. */
  readonly plain?: boolean
}

export function changed(url: string): RyzError {
  return new RyzError('NETWORK', `${url} changed while it was read; load it again`, {
    changed: true,
    final: true,
  })
}

/** True when the file may have become another since: a validator or the size differs. */
export function differs(
  known: Validators & { readonly size?: number },
  now: Validators & { readonly size?: number },
): boolean {
  const other = (a: string | undefined, b: string | undefined) =>
    a !== undefined && b !== undefined && a.replace(/^W\//, '') !== b.replace(/^W\//, '')
  if (now.size !== undefined && known.size !== undefined && now.size !== known.size) return true
  if (known.etag !== undefined && now.etag !== undefined) return other(known.etag, now.etag)
  return other(known.lastModified, now.lastModified)
}

/**
 * One request, one answer. Where the server cannot do ranges although it tries (it compresses them, says 416 to
 * all, or its CORS rules refuse the header), the whole file is asked for once instead.
 * @param end one past the last byte, undefined for all that follow
 * @throws RyzError NETWORK (detail.status, where the server gave one) | ABORTED
 */
export async function ask(
  url: string,
  start: number,
  end: number | undefined,
  options: AskOptions,
): Promise<Answer> {
  const { signal, known, stallMs = STALL_MS } = options
  throwIfAborted(signal, `Reading ${url}`)
  const controller = new AbortController()
  const onAbort = () => controller.abort()
  signal?.addEventListener('abort', onAbort, { once: true })
  let body: BodyReader | undefined
  const stop = () => {
    signal?.removeEventListener('abort', onAbort)
    body?.cancel()
    controller.abort()
  }
  const doFetch: FetchLike = options.fetch ?? ((address, init) => fetch(address, init))
  const patiently = async <T>(work: Promise<T>, what: string): Promise<T> => {
    try {
      return await watched(work, { what, ms: stallMs, giveUp: () => controller.abort() })
    } catch (caught) {
      stop()
      throwIfAborted(signal, `Reading ${url}`)
      throw caught
    }
  }

  const headers = new Headers(options.headers)
  if (!options.plain) headers.set('Range', `bytes=${start}-${end === undefined ? '' : end - 1}`)
  const validator = known?.etag?.startsWith('W/') ? undefined : (known?.etag ?? known?.lastModified)
  // If-Range is not on the safelist of CORS: elsewhere the answer's validators are compared instead.
  if (validator !== undefined && start > 0 && !options.plain && sameOrigin(url)) {
    headers.set('If-Range', validator)
  }
  const wholeInstead = () => ask(url, 0, undefined, { ...options, plain: true })
  let response: Response
  try {
    const init: RequestInit = { headers, signal: controller.signal }
    if (options.httpCache) init.cache = options.httpCache
    response = await patiently(doFetch(url, init), `an answer of ${url}`)
  } catch (caught) {
    if (caught instanceof RyzError) throw caught
    if (known !== undefined) throw asRyzError(caught, 'NETWORK', `${url} could not be fetched`)
    // Some servers allow other origins to read, but not to send a Range header.
    if (!options.plain && !sameOrigin(url)) return wholeInstead()
    const names = [...new Headers(options.headers).keys()]
    const failure = await unreachable(url, caught, doFetch, names)
    // Chromium fails the fetch itself when a range of compressed bytes cannot be unpacked.
    if (failure.detail.answers && !options.plain) return wholeInstead()
    throw failure
  }
  try {
    if (!options.plain && noRangeDespiteTrying(response, start)) {
      stop()
      return await wholeInstead()
    }
    const kind = kindOf(url, response, start, options)
    const empty = kind === 'empty' || kind === 'absent'
    body = response.body && !empty ? readBody(response.body) : undefined
    if (empty) stop()
    return {
      kind,
      status: response.status,
      size: sizeOf(response, kind, start, end),
      origin: originOf(url, response),
      etag: response.headers.get('etag') ?? undefined,
      lastModified: response.headers.get('last-modified') ?? undefined,
      async read() {
        if (!body) return undefined
        const piece = await patiently(body.read(), `the next bytes of ${url}`).catch(
          (caught: unknown) => {
            throw asRyzError(caught, 'NETWORK', `the connection to ${url} broke`)
          },
        )
        throwIfAborted(signal, `Reading ${url}`)
        if (!piece) stop()
        return piece
      },
      stop,
    }
  } catch (caught) {
    stop()
    throw caught
  }
}

function isEncoded(response: Response): boolean {
  return (response.headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity'
}

/** A range of compressed bytes is of no use; 416 for the first byte may be meant for every range. */
function noRangeDespiteTrying(response: Response, start: number): boolean {
  return (
    (response.status === 206 && isEncoded(response)) || (response.status === 416 && start === 0)
  )
}

interface ContentRange {
  readonly first: number
  readonly last: number
  /** Undefined where the server leaves it open. */
  readonly total: number | undefined
}

/** Undefined without the header, or where CORS hides it; null when it says nothing sensible. */
function contentRange(response: Response): ContentRange | undefined | null {
  const text = response.headers.get('content-range')
  if (text === null) return undefined
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(text.trim())
  if (!match) return null
  const [first, last] = [Number(match[1]), Number(match[2])]
  const total = match[3] === '*' ? undefined : Number(match[3])
  if (last < first || (total !== undefined && last >= total)) return null
  return { first, last, total }
}

function kindOf(
  url: string,
  response: Response,
  start: number,
  { plain, headers }: AskOptions,
): Answer['kind'] {
  const { status } = response
  if (status === 200 || status === 203) return 'whole'
  if (status === 206) {
    const range = contentRange(response)
    const from = plain ? 0 : start
    if (range === undefined || range?.first === from) return plain ? 'whole' : 'range'
    const told = response.headers.get('content-range')
    throw new RyzError(
      'NETWORK',
      `${url} was asked for bytes from ${from} on and answers with Content-Range: ${told}; its server or a proxy before it gets ranges wrong`,
      { wrongRange: true, final: true },
    )
  }
  if (status === 416) return 'empty'
  if (status === 404 || status === 410 || status === 403) return 'absent'
  throw statusError(url, status, response.headers.get('retry-after'), headers)
}

/** The error of an answer that is no file. */
export function statusError(
  url: string,
  status: number,
  retryAfter: string | null = null,
  headers: AskOptions['headers'] = undefined,
): RyzError {
  const sent = [...new Headers(headers)].length > 0
  const advice =
    status === 401 || status === 403 || status === 407
      ? `access is refused; ${sent ? 'check what the option headers sends' : "give the option headers, { Authorization: 'Bearer ...' } for most hosts"}`
      : status === 429 || status >= 500
        ? 'its server is busy or broken; try again later'
        : 'check the URL'
  const seconds = /^\d{1,6}$/.exec(retryAfter ?? '')?.[0]
  return new RyzError('NETWORK', `${url} answered with status ${status}: ${advice}`, {
    status,
    ...(seconds !== undefined && { retryAfterMs: 1000 * Number(seconds) }),
  })
}

function sizeOf(
  response: Response,
  kind: Answer['kind'],
  start: number,
  end: number | undefined,
): number | undefined {
  if (kind === 'empty') {
    const told = /^bytes \*\/(\d{1,15})$/i.exec(response.headers.get('content-range') ?? '')?.[1]
    return told !== undefined ? Number(told) : start === 0 ? 0 : undefined
  }
  // A server that compresses counts the compressed bytes.
  if (isEncoded(response)) return undefined
  const text = response.headers.get('content-length')
  const length = text && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  const range = contentRange(response)
  if (range?.total !== undefined) return range.total
  if (kind === 'whole') return response.status === 206 ? undefined : length
  // Without Content-Range (hidden by CORS) a short answer still tells where the file ends.
  const short = length !== undefined && (end === undefined || length < end - start)
  return short && range === undefined ? start + length : undefined
}

/** A file is served from its own URL, as bytes: what else there is belongs into the message about a bad file. */
function originOf(url: string, response: Response): string | undefined {
  const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  const odd = type !== undefined && /^(text|application\/(json|xml|xhtml\+xml))/.test(type)
  const parts = [
    response.redirected && response.url !== url ? `was redirected to ${response.url}` : '',
    odd ? `was answered with Content-Type: ${type}` : '',
  ].filter(part => part !== '')
  return parts.length > 0 ? parts.join(' and ') : undefined
}

// Why a request had no answer. fetch says "Failed to fetch" for a server that is gone, for a missing CORS header
// and for a blocked address alike; this asks further and says which it is and what would help. Called by
// range-reader.ts, after a failure only.
import { RyzError } from '../errors.ts'
import type { FetchLike } from './retry.ts'
import { watched } from './watch.ts'

const PROBE_MS = 5000

/** True for a URL of the page's own origin; relative ones are. */
export function sameOrigin(url: string): boolean {
  try {
    const own = globalThis.location?.origin ?? globalThis.origin
    return (
      own === undefined || own === 'null' || new URL(url, globalThis.location?.href).origin === own
    )
  } catch {
    return false
  }
}

/**
 * The error for a request that had no answer at all.
 * @param caught what fetch threw
 * @returns detail.final where another try cannot help, detail.doubtful where it hardly can, detail.answers where
 *   the server is there and lets itself be read
 */
export async function unreachable(
  url: string,
  caught: unknown,
  doFetch: FetchLike,
  headers: readonly string[],
): Promise<RyzError> {
  const why = caught instanceof Error ? caught.message : String(caught)
  const error = (what: string, detail: Record<string, string | boolean>): RyzError =>
    new RyzError('NETWORK', `${url} could not be fetched: ${what}`, detail, { cause: caught })
  const blocked = whatBlocks(url)
  if (blocked !== undefined) return error(blocked, { final: true })
  if (globalThis.navigator?.onLine === false) return error(`${why}; this device is offline`, {})
  const answered = await answersWithoutCors(url, doFetch)
  if (answered === 'other origin') {
    return error(
      `its server answers, but without the CORS headers that another origin's page needs; ${corsAdvice(headers)}`,
      { final: true, cors: true },
    )
  }
  if (answered === 'no' && !sameOrigin(url)) {
    return error(
      `${why}; either its server cannot be reached, or it sends no CORS headers: ${corsAdvice(headers)}`,
      { doubtful: true },
    )
  }
  return error(why, answered === 'own origin' ? { answers: true } : {})
}

function corsAdvice(headers: readonly string[]): string {
  const origin = globalThis.location?.origin ?? globalThis.origin
  const allow = `send Access-Control-Allow-Origin: ${origin ?? '*'}`
  const names = ['range', ...headers.map(name => name.toLowerCase())].join(', ')
  return `${allow} and Access-Control-Allow-Headers: ${names}, or serve the model from the page's own origin`
}

/** Addresses that a browser refuses before it asks anyone. */
function whatBlocks(url: string): string | undefined {
  const { protocol, hostname } = new URL(url, globalThis.location?.href)
  if (protocol === 'file:') {
    return 'a page may not read file: URLs; let the user choose the file, or serve it over HTTP'
  }
  if (['ftp:', 'ws:', 'wss:'].includes(protocol)) {
    return `browsers do not read ${protocol} URLs; serve the model over HTTP`
  }
  const local =
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '127.0.0.1' ||
    hostname === '[::1]'
  const page = globalThis.location?.origin ?? globalThis.origin ?? ''
  if (protocol === 'http:' && page.startsWith('https:') && !local) {
    return 'a page of https may not read http (mixed content); serve the model over https'
  }
  return undefined
}

/** Asks without reading: the answer is opaque, but it is one. Under COEP a server without CORP seems silent. */
async function answersWithoutCors(
  url: string,
  doFetch: FetchLike,
): Promise<'no' | 'own origin' | 'other origin'> {
  const controller = new AbortController()
  try {
    const asked = doFetch(url, {
      method: 'HEAD',
      mode: 'no-cors',
      cache: 'no-store',
      signal: controller.signal,
    })
    const response = await watched(asked, {
      what: `an answer of ${url}`,
      ms: PROBE_MS,
      giveUp: () => controller.abort(),
    })
    return response.type === 'opaque' ? 'other origin' : 'own origin'
  } catch {
    return 'no'
  }
}

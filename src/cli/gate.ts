// Who may ask: a server of this machine must not answer every page that its user opens. Names of the host
// (against DNS rebinding), origins of pages, and a key. Used by server.ts.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Refused } from './refused.ts'

export interface Gate {
  /** The address that is bound. */
  readonly host: string
  /** Origins of pages that may ask, or '*'. */
  readonly cors: readonly string[]
  /** What `Authorization: Bearer` must carry. */
  readonly apiKey?: string
}

const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1', '[::1]'])

/**
 * @returns 'preflight' for a question of a browser that needs no key
 * @throws Refused 401 | 403
 */
export function allowed(asked: IncomingMessage, gate: Gate): 'preflight' | 'request' {
  const { origin, host = '' } = asked.headers
  const name = host.replace(/:\d+$/, '').toLowerCase()
  if (LOOPBACK.has(gate.host) && !LOOPBACK.has(name)) {
    throw new Refused(403, `this server answers localhost only, not ${JSON.stringify(host)}`)
  }
  const own = origin === undefined || origin === `http://${host}`
  if (!own && !grants(gate, origin)) {
    throw new Refused(403, `pages of ${origin} may not ask; start it with --cors ${origin}`)
  }
  if (asked.method === 'OPTIONS') return 'preflight'
  if (gate.apiKey !== undefined && !isKey(asked.headers.authorization, gate.apiKey)) {
    throw new Refused(401, 'the key is missing or wrong; send Authorization: Bearer <key>')
  }
  return 'request'
}

function grants({ cors }: Gate, origin: string): boolean {
  return cors.includes('*') || cors.includes(origin)
}

/** Hashes have one length, so that the time of the comparison tells nothing. */
function isKey(sent: string | undefined, key: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(sent ?? ''), hash(`Bearer ${key}`))
}

/** Of every answer to a page that may ask. */
export function corsHeaders(asked: IncomingMessage, gate: Gate): [string, string][] {
  const { origin } = asked.headers
  if (origin === undefined || !grants(gate, origin)) return []
  const wanted = asked.headers['access-control-request-headers']
  return [
    ['access-control-allow-origin', origin],
    ['vary', 'Origin'],
    ['access-control-expose-headers', 'retry-after'],
    ['access-control-allow-methods', 'GET, POST, OPTIONS'],
    ['access-control-allow-headers', String(wanted ?? 'authorization, content-type')],
    ['access-control-max-age', '600'],
    // Chrome asks this of servers on the user's own machine.
    ['access-control-allow-private-network', 'true'],
  ]
}

/** Headers of the request for the answer: the key stays here. */
export function answerHeaders(asked: IncomingMessage): Headers {
  const headers = new Headers()
  for (const name of ['content-type', 'accept']) {
    const value = asked.headers[name]
    if (typeof value === 'string') headers.set(name, value)
  }
  return headers
}

// How patient the network is: which failures are worth another try, how often, and with which pauses between.
// Used by all that read over HTTP.
import { RyzError, throwIfAborted } from '../errors.ts'

export type FetchLike = (url: string, init: RequestInit) => Promise<Response>

/** How requests are made; tests bring their own clock. */
export interface NetworkOptions {
  readonly fetch?: FetchLike
  /** Sent with every request, beside Range and If-Range. */
  readonly headers?: Readonly<Record<string, string>> | Headers
  /** What the browser's own HTTP cache does; left to the browser when absent. */
  readonly httpCache?: RequestCache
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
/** A server that asks for a longer pause is not waited for that long. */
const MOST_PAUSE_MS = 30_000

/** Tries that a failure is worth which most often lasts: a server of another origin that may lack CORS. */
const DOUBTFUL_ATTEMPTS = 2

/** How often the same failure may come before it is final. */
function attemptsFor(caught: unknown, attempts: number): number {
  if (!(caught instanceof RyzError) || caught.code !== 'NETWORK') return 0
  const { status, final, doubtful } = caught.detail
  if (final) return 0
  if (doubtful) return Math.min(attempts, DOUBTFUL_ATTEMPTS)
  const passing = typeof status !== 'number' || status >= 500 || status === 408 || status === 429
  return passing ? attempts : 0
}

/**
 * Calls `attempt` until it succeeds; tries that made progress do not count. Errors of code NETWORK are tried
 * again, unless their detail says `final` or has a status that will not change.
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
      failures = progress() > before ? 1 : failures + 1
      if (failures >= attemptsFor(caught, attempts)) throw caught
      // A browser that knows itself offline need not be waited for.
      if (globalThis.navigator?.onLine === false) throw caught
      const { message, detail } = caught as RyzError
      onRetry?.(message)
      const asked = typeof detail.retryAfterMs === 'number' ? detail.retryAfterMs : 0
      const pause = Math.max(BACKOFF_MS * 2 ** (failures - 1), Math.min(asked, MOST_PAUSE_MS))
      await sleep(pause, signal)
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

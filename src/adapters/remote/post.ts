// One POST to a server of OpenAI's protocol: tried again where it was refused for now, and every way it can fail
// as a RyzError. Used by remote.ts.
import { RyzError } from '../../errors.ts'
import { watched } from '../../net/watch.ts'
import type { RemoteOptions } from './remote-options.ts'

export interface Server extends RemoteOptions {
  /** baseURL with one slash at its end. */
  readonly base: string
}

const TIMEOUT_MS = 60_000
const RETRIES = 2
/** Between two tries where the server does not say: doubled each time. */
const PAUSE_MS = 500
/** A server that wants longer is not waited for. */
const LONGEST_PAUSE_MS = 20_000

/** An answer whose every piece comes within the time limit, or its reading fails with NETWORK. */
export interface OpenAnswer {
  readonly url: string
  readonly contentType: string
  /** The next bytes; undefined at the end. @throws RyzError NETWORK */
  read(): Promise<Uint8Array | undefined>
}

/** @throws RyzError NETWORK | QUEUE_FULL | CONTEXT_FULL | BAD_OPTION; what `signal` ends is nobody's business */
export async function post(
  server: Server,
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<OpenAnswer> {
  const { base, retries = RETRIES } = server
  const url = new URL(path, base).href
  for (let attempt = 0; ; attempt++) {
    let failure: RyzError
    let pause = PAUSE_MS * 2 ** attempt
    try {
      const response = await send(server, url, body, signal)
      if (response.ok) return opened(server, url, response)
      failure = await refused(url, response)
      pause = pauseOf(response) ?? pause
      const again = response.status === 429 || response.status === 503
      if (!again) throw failure
    } catch (caught) {
      if (signal.aborted) throw new RyzError('ABORTED', 'the request was cancelled')
      if (!(caught instanceof RyzError) || caught.code !== 'NETWORK') throw caught
      if (caught.detail.status !== undefined) throw caught
      failure = caught
    }
    if (attempt >= retries || pause > LONGEST_PAUSE_MS) throw failure
    await sleep(pause, signal)
  }
}

async function send(
  { apiKey, headers, fetch: own, timeoutMs = TIMEOUT_MS }: Server,
  url: string,
  body: object,
  signal: AbortSignal,
): Promise<Response> {
  const init: RequestInit = {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      ...headers,
    },
    body: JSON.stringify(body),
    signal,
  }
  const sent = own ? own(url, init) : fetch(url, init)
  try {
    return await watched(sent, { what: `an answer of ${url}`, ms: timeoutMs })
  } catch (caught) {
    if (caught instanceof RyzError) throw caught
    const why = caught instanceof Error ? caught.message : String(caught)
    throw new RyzError(
      'NETWORK',
      `${url} could not be reached (${why}); the server must be up and allow this page (CORS)`,
      {},
      { cause: caught },
    )
  }
}

function opened({ timeoutMs = TIMEOUT_MS }: Server, url: string, response: Response): OpenAnswer {
  const reader = response.body?.getReader()
  return {
    url,
    contentType: response.headers.get('content-type') ?? '',
    async read() {
      if (reader === undefined) return undefined
      try {
        const next = await watched(
          reader.read(),
          { what: `the next bytes of ${url}`, ms: timeoutMs },
          reader,
        )
        return next.done ? undefined : next.value
      } catch (caught) {
        void reader.cancel().catch(() => undefined)
        if (caught instanceof RyzError) throw caught
        const why = caught instanceof Error ? caught.message : String(caught)
        throw new RyzError(
          'NETWORK',
          `the answer of ${url} broke off (${why})`,
          {},
          { cause: caught },
        )
      }
    },
  }
}

/** What the server said, under the code of this package. */
async function refused(url: string, response: Response): Promise<RyzError> {
  const { status } = response
  const text = await response.text().catch(() => '')
  const said = messageOf(text)
  const message = `${url} answered ${status}${said.message ? `: ${said.message}` : ''}`
  const detail = { status }
  if (status === 429) return new RyzError('QUEUE_FULL', message, detail)
  if (said.code === 'context_length_exceeded') return new RyzError('CONTEXT_FULL', message, detail)
  if (status === 400 || status === 422) return new RyzError('BAD_OPTION', message, detail)
  if (status === 401 || status === 403) {
    return new RyzError('NETWORK', `${message}; check apiKey`, detail)
  }
  return new RyzError('NETWORK', message, detail)
}

/** OpenAI's `{ error: { message, code } }`; FastAPI's `{ detail }`; or the text itself. */
function messageOf(text: string): { message: string; code?: unknown } {
  try {
    const { error, detail, message } = JSON.parse(text)
    const found = error?.message ?? error ?? detail ?? message
    return {
      message: typeof found === 'string' ? found : JSON.stringify(found ?? ''),
      code: error?.code,
    }
  } catch {
    return { message: text.slice(0, 200) }
  }
}

/** Milliseconds of Retry-After: seconds, or a date. */
function pauseOf(response: Response): number | undefined {
  const told = response.headers.get('retry-after')
  if (told === null) return undefined
  const ms = /^\d+$/.test(told) ? Number(told) * 1000 : Date.parse(told) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        reject(new RyzError('ABORTED', 'the request was cancelled'))
      },
      { once: true },
    )
  })
}

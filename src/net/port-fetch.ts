// A page's own fetch function, called from the worker: functions cannot be sent, so requests and answers go over a
// port. Bodies are pulled piece by piece, so that nothing piles up. serveFetch() is the page's side, portFetch() the
// worker's.
import { RyzError } from '../errors.ts'
import { readBody } from './body-reader.ts'
import type { FetchLike } from './retry.ts'

/** Worker -> page. */
type Asked =
  | { readonly type: 'fetch'; readonly id: number; readonly url: string; readonly init: SentInit }
  | { readonly type: 'pull' | 'abort'; readonly id: number }

/** Of a RequestInit, what can be sent. */
interface SentInit {
  readonly method?: string
  readonly mode?: RequestMode
  readonly cache?: RequestCache
  readonly headers: [string, string][]
}

/** Page -> worker. */
type Told =
  | { readonly type: 'head'; readonly id: number; readonly head: Head }
  /** Absent at the end. */
  | { readonly type: 'piece'; readonly id: number; readonly bytes?: Uint8Array }
  | { readonly type: 'error'; readonly id: number; readonly message: string }

interface Head {
  readonly status: number
  readonly headers: [string, string][]
  readonly url: string
  readonly redirected: boolean
  readonly type: ResponseType
  readonly empty: boolean
}

/** Serves requests that come over the port with `doFetch`, until the port is closed. */
export function serveFetch(port: MessagePort, doFetch: FetchLike): void {
  const open = new Map<number, { abort(): void; pull(): Promise<Uint8Array | undefined> }>()
  const tell = (told: Told) => port.postMessage(told)
  const fail = (id: number, caught: unknown) => {
    open.delete(id)
    tell({ type: 'error', id, message: caught instanceof Error ? caught.message : String(caught) })
  }

  async function answer({ id, url, init }: Extract<Asked, { type: 'fetch' }>): Promise<void> {
    const controller = new AbortController()
    const abort = () => controller.abort()
    open.set(id, { abort, pull: async () => undefined })
    const response = await doFetch(url, { ...init, signal: controller.signal })
    if (!(Object(response).headers instanceof Headers)) {
      throw new TypeError('the option fetch gave no Response')
    }
    const reader = response.body ? readBody(response.body) : undefined
    const pull = async () => (await reader?.read())?.slice()
    open.set(id, {
      abort: () => {
        controller.abort()
        reader?.cancel()
      },
      pull,
    })
    const { status, redirected, type } = response
    const headers = [...response.headers]
    const head = { status, headers, url: response.url, redirected, type, empty: !reader }
    tell({ type: 'head', id, head })
  }

  async function pull(id: number): Promise<void> {
    const bytes = await open.get(id)?.pull()
    if (!bytes) open.delete(id)
    port.postMessage({ type: 'piece', id, bytes } satisfies Told, bytes ? [bytes.buffer] : [])
  }

  port.onmessage = ({ data }: MessageEvent<Asked>) => {
    if (data.type === 'fetch') answer(data).catch(caught => fail(data.id, caught))
    else if (data.type === 'pull') pull(data.id).catch(caught => fail(data.id, caught))
    else {
      open.get(data.id)?.abort()
      open.delete(data.id)
    }
  }
}

interface Waiting {
  resolve(told: Told): void
  reject(error: Error): void
}

/** A fetch whose requests the other end of the port makes. */
export function portFetch(port: MessagePort): FetchLike {
  const waiting = new Map<number, Waiting>()
  let next = 0
  const ask = (asked: Asked): Promise<Told> =>
    new Promise((resolve, reject) => {
      waiting.set(asked.id, { resolve, reject })
      port.postMessage(asked)
    })
  port.onmessage = ({ data }: MessageEvent<Told>) => {
    const found = waiting.get(data.id)
    waiting.delete(data.id)
    if (data.type === 'error') found?.reject(new TypeError(data.message))
    else found?.resolve(data)
  }

  return async (url, init) => {
    const { method, mode, cache, signal } = init
    const id = next++
    const onAbort = () => {
      port.postMessage({ type: 'abort', id } satisfies Asked)
      waiting.get(id)?.reject(new RyzError('ABORTED', `Reading ${url} was cancelled`))
      waiting.delete(id)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    const headers = [...new Headers(init.headers)]
    const told = await ask({ type: 'fetch', id, url, init: { method, mode, cache, headers } })
    if (told.type !== 'head') throw new TypeError('the answer of the option fetch has no head')
    const { head } = told
    const over = () => signal?.removeEventListener('abort', onAbort)
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const piece = await ask({ type: 'pull', id })
          if (piece.type === 'piece' && piece.bytes) return controller.enqueue(piece.bytes)
          over()
          controller.close()
        },
        cancel: onAbort,
      },
      { highWaterMark: 0 },
    )
    const bare = head.empty || head.status < 200
    const response = new Response(bare ? null : body, {
      status: head.status < 200 ? 200 : head.status,
      headers: head.headers,
    })
    const { status, redirected, type } = head
    return Object.defineProperties(response, {
      status: { value: status },
      url: { value: head.url },
      redirected: { value: redirected },
      type: { value: type },
    })
  }
}

// The side of a tab: takes requests that a service worker passes on and answers them by engineFetch(). What they say
// to each other is in wire.ts; the worker's side is answer.ts.
import { RyzError } from '../../errors.ts'
import { check } from '../../options/rules.ts'
import type { EngineFetch } from '../openai/engine-fetch.ts'
import { faultOf } from '../openai/http-errors.ts'
import {
  ANSWER,
  ASK,
  type Asked,
  type FromTab,
  hold,
  READY,
  TAB,
  type ToTab,
  whenFree,
} from './wire.ts'

/** Milliseconds between signs of life to the service worker: browsers stop one after 30 s without an event. */
const PING_MS = 10_000

/** What engineFetch() gave, or how to get it: called with the first request, and again after it failed. */
export type EngineSource = EngineFetch | EngineOpener

/** An engine that is loaded when it is first needed. */
export interface EngineOpener {
  /** Loads it, and gives engineFetch() of it. */
  readonly open: () => EngineFetch | Promise<EngineFetch>
}

const isSource = (value: unknown) =>
  typeof value === 'function' || typeof (value as { open?: unknown } | null)?.open === 'function'
    ? undefined
    : 'what engineFetch() gave, or { open }'

/**
 * Lets this tab answer `fetch('/v1/...')` of all pages of the origin, until it is closed. Of several tabs one answers,
 * sooner one whose engine is loaded.
 * @returns resolves when requests are answered, with a function that ends it and what it is answering
 * @throws RyzError BAD_OPTION; NO_WORKER where there are no Web Locks (plain http, Node)
 * @example
 * await provide({ open: async () => engineFetch(await load(url, { share: true })) })
 */
export async function provide(source: EngineSource): Promise<() => void> {
  check('source', source, isSource)
  if (typeof BroadcastChannel === 'undefined' || !globalThis.navigator?.locks) {
    throw new RyzError('NO_WORKER', 'provide() needs Web Locks, which a page over https has')
  }
  const provider = new Provider(source)
  await provider.start()
  const { document } = globalThis
  if (document === undefined) return () => provider.stop()
  // A page in the back-forward cache answers nothing, and would lose its place there by a lock.
  const away = () => provider.stop()
  const back = ({ persisted }: PageTransitionEvent) => void (persisted && provider.start())
  addEventListener('pagehide', away)
  addEventListener('pageshow', back)
  return () => {
    removeEventListener('pagehide', away)
    removeEventListener('pageshow', back)
    provider.stop()
  }
}

class Provider {
  readonly #source: EngineSource
  #fetch: Promise<EngineFetch> | undefined
  /** Of the time between start() and stop(); undefined when stopped. */
  #round: { readonly tab: string; readonly ended: AbortController } | undefined

  constructor(source: EngineSource) {
    this.#source = source
  }

  async start(): Promise<void> {
    if (this.#round) return
    const round = { tab: crypto.randomUUID(), ended: new AbortController() }
    this.#round = round
    const channel = new BroadcastChannel(ASK + round.tab)
    channel.onmessage = ({ data }: MessageEvent<Asked>) =>
      void answer(data, () => this.#open(), round.ended.signal)
    round.ended.signal.addEventListener('abort', () => channel.close())
    if (typeof this.#source === 'function') this.#fetch = Promise.resolve(this.#source)
    if (this.#fetch) await holdUntil(READY + round.tab, round.ended.signal)
    await holdUntil(TAB + round.tab, round.ended.signal)
  }

  stop(): void {
    this.#round?.ended.abort()
    this.#round = undefined
  }

  #open(): Promise<EngineFetch> {
    if (this.#fetch) return this.#fetch
    const { open } = this.#source as EngineOpener
    const opening = Promise.resolve().then(open)
    this.#fetch = opening
    opening.then(
      () => this.#round && void holdUntil(READY + this.#round.tab, this.#round.ended.signal),
      // The next request tries again.
      () => {
        this.#fetch = undefined
      },
    )
    return opening
  }
}

async function holdUntil(name: string, ended: AbortSignal): Promise<void> {
  const release = await hold(name)
  if (ended.aborted) release()
  else ended.addEventListener('abort', release)
}

/** @param ended  when the tab answers no more */
async function answer(
  asked: Asked,
  open: () => Promise<EngineFetch>,
  ended: AbortSignal,
): Promise<void> {
  const abort = new AbortController()
  const channel = new BroadcastChannel(ANSWER + asked.id)
  const tell = (message: FromTab) => channel.postMessage(message)
  let wanted: () => void = () => undefined
  let pulls = 0
  channel.onmessage = ({ data }: MessageEvent<ToTab>) => {
    if (data.kind === 'cancel') return abort.abort()
    pulls++
    wanted()
  }
  const leave = () => abort.abort()
  ended.addEventListener('abort', leave)
  abort.signal.addEventListener('abort', () => wanted())
  // The browser may stop the worker, and whoever asked with it.
  whenFree(ANSWER + asked.id, abort.signal, leave)
  const worker = globalThis.navigator.serviceWorker?.controller
  const ping = setInterval(() => worker?.postMessage({ ryzanstein: 'busy' }), PING_MS)
  try {
    tell({ kind: 'taken' })
    const response = await respond(asked, open, abort.signal)
    const { status } = response
    const headers = [...response.headers]
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      return tell({ kind: 'whole', status, headers, body: await response.arrayBuffer() })
    }
    tell({ kind: 'head', status, headers })
    const reader = response.body!.getReader()
    for (;;) {
      while (pulls === 0 && !abort.signal.aborted) {
        await new Promise<void>(resolve => {
          wanted = resolve
        })
      }
      pulls--
      const { done, value } = await reader.read()
      if (done) return tell({ kind: 'end' })
      tell({ kind: 'piece', bytes: value as Uint8Array<ArrayBuffer> })
    }
  } catch (caught) {
    if (!abort.signal.aborted) tell({ kind: 'broken', message: String(caught) })
  } finally {
    clearInterval(ping)
    ended.removeEventListener('abort', leave)
    channel.close()
    abort.abort()
  }
}

/** What cannot be opened is an answer too, with the status of its reason. */
async function respond(
  { url, method, headers, body }: Asked,
  open: () => Promise<EngineFetch>,
  signal: AbortSignal,
): Promise<Response> {
  let fetch: EngineFetch
  try {
    fetch = await open()
  } catch (caught) {
    const { status, headers, error } = faultOf(caught)
    return Response.json({ error }, { status, headers })
  }
  const init = { method, headers: headers.map(([k, v]): [string, string] => [k, v]), signal }
  return fetch(url, body === undefined ? init : { ...init, body })
}

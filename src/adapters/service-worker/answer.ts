// The side of the service worker: `/v1/...` is answered by a tab that has an engine, or can load one. It keeps
// nothing between requests. How a tab is asked: ask.ts; the tab's side: provide.ts.
import { RyzError } from '../../errors.ts'
import { check, checkOptions, text } from '../../options/rules.ts'
import { ask } from './ask.ts'
import { fault } from './fault.ts'
import { READY, TAB } from './wire.ts'

/** Of answerFromTabs(). */
export interface AnswerOptions {
  /** Where the path of a request has to begin (default `/v1/`), whatever the worker's scope. */
  path?: string
}

/** As much of a FetchEvent as is used; TypeScript has it in a library that excludes the DOM's. */
interface FetchEventLike extends Event {
  readonly request: Request
  respondWith(response: Promise<Response>): void
  waitUntil(done: Promise<unknown>): void
}

/** Above every text of a chat; what is longer would hold up the messages of all tabs. */
const MOST_BYTES = 16 * 2 ** 20

const OPTION_RULES = { path: text }
const isPath = (value: unknown) =>
  String(value).startsWith('/') ? undefined : 'a path that begins with /'

const NO_ENGINE =
  'no open tab of this site has an engine: open a page that calls provide() of ryzanstein/service-worker'

/**
 * In a service worker: answers every `fetch()` of this origin below `path` by a tab that called provide(). Call it
 * while the worker's script runs first, before listeners that answer everything.
 * @throws RyzError BAD_OPTION; NO_WORKER where no service worker is around it
 */
export function answerFromTabs(options: AnswerOptions = {}): void {
  const { path = '/v1/' } = checkOptions(OPTION_RULES, options, 'answerFromTabs()')
  check('path', path, isPath)
  if (!('skipWaiting' in globalThis)) {
    const message = 'answerFromTabs() is for the script of a service worker; a page calls provide()'
    throw new RyzError('NO_WORKER', message)
  }
  globalThis.addEventListener('fetch', caught => {
    const event = caught as FetchEventLike
    const url = new URL(event.request.url)
    if (url.origin !== location.origin || !url.pathname.startsWith(path)) return
    // Or a listener of the app that answers everything would try to, and throw.
    event.stopImmediatePropagation()
    // The browser may stop a worker whose events are over, and a stream with it.
    event.waitUntil(new Promise<void>(over => event.respondWith(answer(event.request, over))))
  })
  // A message is an event, after which the worker may go on for a while: tabs send some during long answers.
  globalThis.addEventListener('message', () => undefined)
}

async function answer(request: Request, over: () => void): Promise<Response> {
  try {
    return await fromSomeTab(request, over)
  } catch (caught) {
    over()
    // The page left; it sees its own reason.
    if (request.signal.aborted) return Response.error()
    return fault(500, `the service worker failed: ${String(caught)}`, 'internal')
  }
}

async function fromSomeTab(request: Request, over: () => void): Promise<Response> {
  const { method, url, headers, signal } = request
  const bare = method === 'GET' || method === 'HEAD'
  const body = bare ? undefined : await bodyOf(request)
  if (body === null) {
    over()
    const message = `the body has more than ${MOST_BYTES} bytes`
    return fault(413, message, 'request_too_large', 'invalid_request_error')
  }
  const asked = { method, url, headers: [...headers], body }
  let last: Response | undefined
  const before = new Set<string>()
  for (;;) {
    // Each time anew: tabs come and go while one answers.
    const { ready, others } = await tabs()
    // Another tab may have another model, but none is loaded to find out.
    const tab = (last ? ready : [...ready, ...others]).find(one => !before.has(one))
    if (tab === undefined) break
    before.add(tab)
    const given = await ask(tab, asked, signal, over)
    if (!given) continue
    last = given
    if (!(await isForAnother(given))) return given
  }
  over()
  return last ?? fault(503, NO_ENGINE, 'no_engine')
}

/** The bytes of a request, read no further than they may go; null for more. */
async function bodyOf(request: Request): Promise<ArrayBuffer | null> {
  // Firefox knows no request.body.
  if (!request.body) {
    const all = await request.arrayBuffer()
    return all.byteLength > MOST_BYTES ? null : all
  }
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let length = 0
  const reader = request.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return new Blob(chunks).arrayBuffer()
    length += value.length
    if (length > MOST_BYTES) {
      reader.cancel().catch(() => undefined)
      return null
    }
    chunks.push(value as Uint8Array<ArrayBuffer>)
  }
}

/** Tabs that answer, by whether their engine is loaded. */
async function tabs(): Promise<{ ready: string[]; others: string[] }> {
  const { held = [] } = await navigator.locks.query()
  const named = (prefix: string) =>
    held.flatMap(({ name }) => (name?.startsWith(prefix) ? [name.slice(prefix.length)] : []))
  const all = named(TAB)
  const ready = named(READY).filter(tab => all.includes(tab))
  return { ready, others: all.filter(tab => !ready.includes(tab)) }
}

/** Whether another tab may answer better: this one has another model, or its engine is closed. */
async function isForAnother(response: Response): Promise<boolean> {
  if (response.status !== 404 && response.status !== 503) return false
  const { error } = (await response.clone().json()) as { error?: { code?: string } }
  return error?.code === 'model_not_found' || error?.code === 'closed'
}

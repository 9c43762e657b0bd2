// A loaded engine as a server that is not there: a `fetch` that answers the paths of OpenAI's API, so that clients
// written for it work unchanged and no request leaves the page. The file `openai.js` of the package. Knows HTTP;
// what is asked and answered is openai.ts's, completions.ts's and embeddings.ts's.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import { check, checkOptions, listOf, reading, shown, text } from '../../options/rules.ts'
import { readBody } from './body.ts'
import { complete } from './completions.ts'
import { embeddings } from './embeddings.ts'
import { faultOf, Refusal } from './http-errors.ts'
import { openai } from './openai.ts'
import type {
  ChatCompletionRequest,
  EmbeddingRequest,
  TextCompletionRequest,
} from './openai-types.ts'
import { serverSentEvents } from './sse.ts'

export { type OpenAiFacade, openai } from './openai.ts'
export type * from './openai-types.ts'

/** `fetch`, as clients take it. */
export type EngineFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/** What engineFetch() may be told. */
export interface EngineFetchOptions {
  /** Names that a request may give beside the model's own, such as the one that an app has built in. */
  models?: readonly string[]
}

type Engine = Pick<Ryzanstein, 'chat' | 'embed' | 'generate' | 'model' | 'stats'>

/** What a route gives: a body, or a stream of them. */
type Answer = object | AsyncGenerator<object, void, undefined>
interface Route {
  /** The field that holds what the model reads, to be named when it is too long. */
  readonly content: string
  run(body: Record<string, unknown>, signal: AbortSignal | undefined): Promise<Answer>
}

const OPTION_RULES = { models: listOf(text, 'names', 1000) }

/**
 * A fetch over a loaded engine. It answers POST .../chat/completions and .../completions, streamed or not,
 * .../embeddings, and GET .../models and .../models/NAME, whatever host and path stand before; errors have OpenAI's shape and status.
 * It rejects only as fetch does: with the signal's reason, or a TypeError for what is no request.
 * @throws RyzError BAD_OPTION
 * @example
 * const client = new OpenAI({ baseURL: 'http://local/v1', apiKey: '-', fetch: engineFetch(engine), dangerouslyAllowBrowser: true })
 */
export function engineFetch(engine: Engine, options: EngineFetchOptions = {}): EngineFetch {
  const facade = openai(engine)
  check(
    'engine.generate',
    reading('engine', () => engine.generate),
    isCall,
  )
  const names = [
    engine.model.name,
    ...(checkOptions(OPTION_RULES, options, 'engineFetch()').models ?? []),
  ]
  const since = Math.floor(Date.now() / 1000)
  const noModel = (model: string) => {
    const message = `there is no model ${shown(model)} here; there is ${names.map(shown).join(', ')}`
    return new Refusal(404, message, 'model_not_found', { param: 'model' })
  }
  const modelOf = (id: string) => ({ id, object: 'model', created: since, owned_by: 'ryzanstein' })

  const posts: Readonly<Record<string, Route>> = {
    'chat/completions': {
      content: 'messages',
      run: (body, signal) => {
        const request = body as never as ChatCompletionRequest & { stream: false }
        return facade.chat.completions.create(request, { signal })
      },
    },
    completions: {
      content: 'prompt',
      run: (body, signal) => complete(engine, body as never as TextCompletionRequest, signal),
    },
    embeddings: {
      content: 'input',
      run: (body, signal) => embeddings(engine, body as never as EmbeddingRequest, signal),
    },
  }

  const post = async (route: Route, request: Request, signal: AbortSignal | undefined) => {
    const body = await readBody(request, signal)
    const { model } = body
    if (typeof model === 'string' && !names.includes(model)) throw noModel(model)
    const answer = await route.run(body, signal)
    if (!(Symbol.asyncIterator in answer)) return json(200, answer)
    return new Response(serverSentEvents(answer, signal), {
      headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' },
    })
  }

  const answer = (
    request: Request,
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<Response> | Response => {
    const { method } = request
    const name = path.startsWith('models/') ? decoded(path.slice('models/'.length)) : undefined
    const route = Object.hasOwn(posts, path) ? posts[path] : undefined
    const allowed = route ? 'POST' : path === 'models' || name ? 'GET' : undefined
    if (allowed === undefined)
      throw new Refusal(404, `there is no ${method} /v1/${path} here`, 'unknown_url')
    if (method !== allowed) {
      const message = `/v1/${path} takes ${allowed}, not ${method}`
      throw new Refusal(405, message, 'method_not_allowed', { headers: { allow: allowed } })
    }
    if (route) return post(route, request, signal)
    if (name === undefined) return json(200, { object: 'list', data: names.map(modelOf) })
    if (!names.includes(name)) throw noModel(name)
    return json(200, modelOf(name))
  }

  return async (input, init) => {
    const request = new Request(input, init)
    const signal =
      init?.signal ?? (input instanceof Request ? input.signal : undefined) ?? undefined
    signal?.throwIfAborted()
    const path = pathOf(request.url)
    try {
      return await answer(request, path, signal)
    } catch (caught) {
      signal?.throwIfAborted()
      const content = Object.hasOwn(posts, path) ? posts[path]!.content : null
      const { status, headers, error } = faultOf(caught, content)
      return json(status, { error }, headers)
    }
  }
}

const isCall = (value: unknown) => (typeof value === 'function' ? undefined : 'what load() gave')

/** The route: what stands behind `/v1/`, or the whole path where there is none. */
function pathOf(url: string): string {
  const { pathname } = new URL(url)
  const at = pathname.indexOf('/v1/')
  return pathname.slice(at < 0 ? 1 : at + '/v1/'.length).replace(/\/$/, '')
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

function json(
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  })
}

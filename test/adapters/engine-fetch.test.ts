// engineFetch(): the paths of OpenAI's API over a loaded chat model, streamed and not; statuses, shapes, aborts, and
// bodies that no client sends.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { type EngineFetch, engineFetch } from '../../src/adapters/openai/engine-fetch.ts'
import { openai } from '../../src/adapters/openai/openai.ts'
import type { Ryzanstein } from '../../src/api/ryzanstein.ts'
import { chatEngine } from '../support/chat-engine.ts'

const BASE = 'http://local.test/v1/'
const messages = [{ role: 'user', content: 'Hello! What is your name?' }]
const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'The weather in a city',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
        additionalProperties: false,
      },
    },
  },
]
/** What is heard of an abort that nobody told, in milliseconds. */
const ABORT_MS = 250

let engine: Ryzanstein
let ask: EngineFetch
let model: string
/** A request that goes on for seconds: it never ends by itself. */
let long: object
beforeAll(async () => {
  engine = await chatEngine({ maxSequences: 3, queueLimit: 2 })
  ask = engineFetch(engine, { models: ['gpt-x/y'] })
  model = engine.model.name
  const logit_bias = Object.fromEntries(engine.model.endTokens.map(id => [id, -100]))
  long = { prompt: 'Once', max_tokens: 900, temperature: 1, logit_bias }
})
afterAll(() => engine.close())
// Nothing may go on behind a test.
afterEach(() => idle())

const idle = () =>
  vi.waitFor(async () => {
    expect((await engine.stats()).queue).toMatchObject({ running: 0, waiting: 0 })
  })
const post = (path: string, body: unknown, init: RequestInit = {}) =>
  ask(BASE + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  })

// biome-ignore lint/suspicious/noExplicitAny: what a server sends is looked at field by field
type Json = Record<string, any>

async function events(response: Response): Promise<Json[]> {
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  const text = await response.text()
  expect(text).toMatch(/^(data: .+\n\n)+$/)
  const data = text
    .trimEnd()
    .split('\n\n')
    .map(event => event.slice('data: '.length))
  expect(data.pop()).toBe('[DONE]')
  return data.map(one => JSON.parse(one))
}

describe('chat/completions', () => {
  const request = { messages, temperature: 0, max_tokens: 30, seed: 1 }

  it('is what the facade gives', async () => {
    const {
      id: _,
      created: __,
      ...told
    } = await openai(engine).chat.completions.create({
      ...request,
      model,
    })
    const response = await post('chat/completions', { ...request, model })
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toEqual({
      ...{ id: expect.stringMatching(/^chatcmpl-/), created: expect.any(Number) },
      ...told,
      usage: { ...told.usage, prompt_tokens_details: expect.anything() },
    })
  })

  it('streams the same text, and usage where it is asked for', async () => {
    const whole = (await (await post('chat/completions', request)).json()) as Json
    const stream_options = { include_usage: true }
    const body = { ...request, stream: true, stream_options }
    const chunks = await events(await post('chat/completions', body))
    const text = chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').join('')
    expect(text).toBe(whole.choices[0].message.content)
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { completion_tokens: whole.usage.completion_tokens },
    })
    expect(chunks[0]).toMatchObject({ object: 'chat.completion.chunk', model })
  })

  it('calls tools and fills in schemas', async () => {
    const weather = [{ role: 'user', content: 'What is the weather in Oslo?' }]
    for (const tool_choice of [
      'required',
      { type: 'function', function: { name: 'get_weather' } },
    ]) {
      const response = await post('chat/completions', {
        ...request,
        messages: weather,
        tools,
        tool_choice,
      })
      const { choices } = (await response.json()) as Json
      const [call] = choices[0].message.tool_calls
      expect(call.function.name).toBe('get_weather')
      expect(JSON.parse(call.function.arguments)).toEqual({ city: expect.any(String) })
    }
    const schema = {
      type: 'object',
      properties: { n: { type: 'integer', maximum: 9 } },
      required: ['n'],
      additionalProperties: false,
    }
    const response_format = {
      type: 'json_schema',
      json_schema: { name: 'n', schema, strict: true },
    }
    const answer = (await (
      await post('chat/completions', { ...request, response_format })
    ).json()) as Json
    expect(JSON.parse(answer.choices[0].message.content).n).toBeLessThan(10)
  })

  it('gives as many answers as there are seats', async () => {
    const body = { ...request, temperature: 1, n: 3, max_tokens: 8 }
    const { choices } = (await (await post('chat/completions', body)).json()) as Json
    expect(choices.map((choice: Json) => choice.index)).toEqual([0, 1, 2])
    const seen = await events(await post('chat/completions', { ...body, stream: true }))
    for (const [i, choice] of choices.entries()) {
      const mine = seen.map(chunk => chunk.choices[0]).filter(one => one.index === i)
      expect(mine.map(one => one.delta.content ?? '').join('')).toBe(choice.message.content)
    }
  })

  it('takes a Request, relative bases, bytes, a stream, and no model', async () => {
    const body = JSON.stringify(request)
    const texts = new Set<string>()
    const bytes = new TextEncoder().encode(body)
    const pieces = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    for (const response of [
      await ask(new Request(`${BASE}chat/completions`, { method: 'POST', body })),
      await ask(new URL('http://elsewhere/api/v1/chat/completions?x=1'), {
        method: 'POST',
        body: bytes,
      }),
      await ask('http://local/chat/completions/', { method: 'POST', body: new Blob([body]) }),
      await ask(`${BASE}chat/completions`, {
        method: 'POST',
        body: pieces,
        duplex: 'half',
      } as RequestInit),
    ]) {
      expect(response.status).toBe(200)
      texts.add(((await response.json()) as Json).choices[0].message.content)
    }
    expect(texts.size).toBe(1)
  })
})

describe('completions', () => {
  const request = { prompt: 'Once upon a time', temperature: 0, max_tokens: 12 }

  it('continue a text, or token ids, streamed or not', async () => {
    const whole = (await (await post('completions', request)).json()) as Json
    expect(whole).toMatchObject({
      object: 'text_completion',
      model,
      choices: [{ index: 0, finish_reason: 'length', logprobs: null }],
      usage: { completion_tokens: 12 },
    })
    expect(whole.id).toMatch(/^cmpl-/)
    const { text } = whole.choices[0]
    expect(text).toBe(
      await engine.generate(request.prompt, { temperature: 0, maxTokens: 12 }).text(),
    )
    const ids = await engine.tokenize(request.prompt, { bos: true })
    const again = (await (await post('completions', { ...request, prompt: ids })).json()) as Json
    expect(again.choices[0].text).toBe(text)
    const stream = { ...request, stream: true, stream_options: { include_usage: true } }
    const chunks = await events(await post('completions', stream))
    expect(chunks.map(chunk => chunk.choices[0]?.text ?? '').join('')).toBe(text)
    expect(chunks.at(-2)!.choices[0].finish_reason).toBe('length')
    expect(chunks.at(-1)!.usage).toMatchObject(whole.usage)
    const short = (await (await post('completions', { prompt: 'Once' })).json()) as Json
    expect(short.usage.completion_tokens).toBeLessThanOrEqual(16)
  })

  it('of several prompts come in their order', async () => {
    const prompt = ['Once upon a time', 'The dog']
    const { choices, usage } = (await (
      await post('completions', { ...request, prompt })
    ).json()) as Json
    const alone = await Promise.all(
      prompt.map(
        async one =>
          (await (await post('completions', { ...request, prompt: one })).json()) as Json,
      ),
    )
    expect(choices.map((choice: Json) => choice.text)).toEqual(
      alone.map(one => one.choices[0].text),
    )
    expect(usage.prompt_tokens).toBe(alone[0]!.usage.prompt_tokens + alone[1]!.usage.prompt_tokens)
  })

  it('tell log-probabilities in their own shape', async () => {
    const body = { ...request, logprobs: 2 }
    const { choices } = (await (await post('completions', body)).json()) as Json
    const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0].logprobs
    expect(tokens).toHaveLength(12)
    expect(tokens.join('')).toBe(choices[0].text)
    expect(text_offset).toEqual(
      tokens.map((_: string, i: number) => tokens.slice(0, i).join('').length),
    )
    for (const [i, row] of top_logprobs.entries()) expect(row[tokens[i]]).toBe(token_logprobs[i])
    const chunks = await events(await post('completions', { ...body, stream: true }))
    const streamed = chunks.flatMap(chunk => chunk.choices[0]?.logprobs?.text_offset ?? [])
    expect(streamed).toEqual(text_offset)
  })
})

describe('embeddings', () => {
  it('are those of embed(), in decimals or bytes, of texts or token ids', async () => {
    const input = ['a cat', 'the dog']
    const { embeddings, tokens } = await engine.embed(input)
    const used = tokens.reduce((sum, count) => sum + count, 0)
    const told = (await (await post('embeddings', { model, input, user: 'u' })).json()) as Json
    expect(told).toEqual({
      ...{ object: 'list', model },
      data: embeddings.map((vector, index) => ({
        ...{ object: 'embedding', index },
        embedding: Array.from(vector),
      })),
      usage: { prompt_tokens: used, total_tokens: used },
    })
    const encoded = { input: input[0], encoding_format: 'base64', dimensions: engine.model.hidden }
    const { data } = (await (await post('embeddings', encoded)).json()) as Json
    const bytes = Uint8Array.from(Buffer.from(data[0].embedding, 'base64'))
    expect(new Float32Array(bytes.buffer)).toEqual(embeddings[0])
    const ids = await engine.tokenize('a cat', { bos: true })
    for (const tokens of [ids, [ids]]) {
      const same = (await (await post('embeddings', { input: tokens })).json()) as Json
      expect(same.data[0].embedding).toEqual(Array.from(embeddings[0]!))
    }
  })
})

describe('models', () => {
  it('are the one that is loaded, and its other names', async () => {
    const list = (await (await ask(`${BASE}models`)).json()) as Json
    expect(list).toMatchObject({
      object: 'list',
      data: [{ id: model, object: 'model' }, { id: 'gpt-x/y' }],
    })
    for (const id of [model, 'gpt-x/y']) {
      const one = await ask(`${BASE}models/${encodeURIComponent(id)}`)
      expect(await one.json()).toMatchObject({ id, object: 'model', created: expect.any(Number) })
    }
    const alias = { messages, max_tokens: 1, model: 'gpt-x/y' }
    expect(await (await post('chat/completions', alias)).json()).toMatchObject({ model: 'gpt-x/y' })
  })
})

describe('what is wrong', () => {
  const chat = (more: object) => ['POST', 'chat/completions', { messages, ...more }] as const
  const text = (more: object) => ['POST', 'completions', { prompt: 'a', ...more }] as const
  type Wrong = readonly [string, string, unknown]
  const cases: [string, Wrong, number, string, string | null][] = [
    ['another model', chat({ model: 'gpt-4' }), 404, 'model_not_found', 'model'],
    [
      'another model, looked up',
      ['GET', 'models/gpt-4', undefined],
      404,
      'model_not_found',
      'model',
    ],
    ['an unknown path', ['POST', 'responses', {}], 404, 'unknown_url', null],
    ['a path like a property', ['POST', 'constructor', {}], 404, 'unknown_url', null],
    [
      'a long prompt',
      text({ prompt: 'dog '.repeat(20_000) }),
      400,
      'context_length_exceeded',
      'prompt',
    ],
    ['nothing to embed', ['POST', 'embeddings', { input: [] }], 400, 'bad_option', 'input'],
    [
      'a thing to embed',
      ['POST', 'embeddings', { input: ['a', {}] }],
      400,
      'bad_option',
      'input[1]',
    ],
    [
      'a long text to embed',
      ['POST', 'embeddings', { input: ['a', 'dog '.repeat(20_000)] }],
      400,
      'context_length_exceeded',
      'input',
    ],
    [
      'shorter vectors',
      ['POST', 'embeddings', { input: 'a', dimensions: 8 }],
      400,
      'bad_option',
      'dimensions',
    ],
    ['a wrong method', ['GET', 'chat/completions', undefined], 405, 'method_not_allowed', null],
    ['another wrong method', ['DELETE', 'models', undefined], 405, 'method_not_allowed', null],
    ['no JSON', ['POST', 'chat/completions', '{"messages": ['], 400, 'invalid_json', null],
    ['nothing', ['POST', 'completions', ''], 400, 'invalid_json', null],
    ['a list', ['POST', 'chat/completions', [messages]], 400, 'invalid_json', null],
    ['a number', ['POST', 'completions', 7], 400, 'invalid_json', null],
    ['no messages', ['POST', 'chat/completions', {}], 400, 'bad_option', 'messages'],
    [
      'a message without a role',
      chat({ messages: [{ content: 'a' }] }),
      400,
      'bad_option',
      'messages[0].role',
    ],
    ['a message that is null', chat({ messages: [null] }), 400, 'bad_option', 'messages[0]'],
    ['a wrong type', chat({ temperature: 'hot' }), 400, 'bad_option', 'temperature'],
    ['a model that is no text', chat({ model: 7 }), 400, 'bad_option', 'model'],
    ['a range', chat({ max_tokens: -1 }), 400, 'bad_option', 'max_tokens'],
    ['a bias of no token', chat({ logit_bias: { 99999999: 1 } }), 400, 'bad_option', 'logit_bias'],
    ['an unknown field', chat({ temprature: 1 }), 400, 'bad_option', 'temprature'],
    [
      'a field of Object',
      chat(JSON.parse('{"__proto__": {"x": 1}}')),
      400,
      'bad_option',
      '__proto__',
    ],
    ['too many answers', chat({ n: 4 }), 400, 'bad_option', 'n'],
    [
      'a tool without a name',
      chat({ tools: [{ type: 'function', function: {} }] }),
      400,
      'bad_option',
      'tools[0].function.name',
    ],
    [
      'two tools of one name',
      chat({ tools: ['f', 'f'].map(name => ({ type: 'function', function: { name } })) }),
      400,
      'bad_option',
      'tools[1].function.name',
    ],
    [
      'a tool of another kind',
      chat({ tools: [{ type: 'custom', custom: { name: 'a' } }] }),
      400,
      'bad_option',
      'tools[0].type',
    ],
    [
      'a schema that is none',
      chat({
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'a', schema: { type: 'objekt' } },
        },
      }),
      400,
      'bad_option',
      'response_format',
    ],
    [
      'a tool whose schema cannot be met',
      chat({
        tools: [{ type: 'function', function: { name: 'f', parameters: { not: {} } } }],
        tool_choice: 'required',
      }),
      400,
      'bad_option',
      'tools',
    ],
    [
      'a long chat',
      chat({ messages: [{ role: 'user', content: 'dog '.repeat(20_000) }] }),
      400,
      'context_length_exceeded',
      'messages',
    ],
    ['no prompt', ['POST', 'completions', {}], 400, 'bad_option', 'prompt'],
    ['a prompt of a wrong type', text({ prompt: [{}] }), 400, 'bad_option', 'prompt[0]'],
    ['an id of no token', text({ prompt: [1, 1e9] }), 400, 'bad_option', 'prompt'],
    [
      'more prompts than seats',
      text({ prompt: ['a', 'b', 'c', 'd'] }),
      400,
      'bad_option',
      'prompt',
    ],
    ['echo', text({ echo: true }), 400, 'bad_option', 'echo'],
    ['a suffix', text({ suffix: 'b' }), 400, 'bad_option', 'suffix'],
    ['best_of', text({ best_of: 2 }), 400, 'bad_option', 'best_of'],
  ]
  it.each(cases)(
    '%s is told in the shape and with the status of OpenAI',
    async (_, [method, path, body], status, code, param) => {
      const response =
        method === 'POST' ? await post(path, body) : await ask(BASE + path, { method })
      const { error } = (await response.json()) as Json
      expect({ status: response.status, ...error }).toEqual({
        ...{ status, code, param, type: 'invalid_request_error' },
        message: expect.stringMatching(/\w{2}.* /),
      })
      expect(response.ok).toBe(false)
    },
  )

  it('a stream is refused in the same way, before it begins', async () => {
    const response = await post('chat/completions', { messages, stream: true, n: 4 })
    expect([response.status, response.headers.get('content-type')]).toEqual([
      400,
      'application/json',
    ])
  })

  it('bytes that are no text, and more than there can be', async () => {
    const wrong = await post('completions', '', { body: Uint8Array.of(0x7b, 0xff, 0x7d) })
    expect([wrong.status, ((await wrong.json()) as Json).error.code]).toEqual([400, 'invalid_json'])
    let sent = 0
    const endless = new ReadableStream({
      pull(controller) {
        sent += 2 ** 20
        controller.enqueue(new Uint8Array(2 ** 20).fill(0x20))
      },
    })
    const large = await post('completions', '', { body: endless, duplex: 'half' } as RequestInit)
    expect([large.status, ((await large.json()) as Json).error.code]).toEqual([
      413,
      'request_too_large',
    ])
    expect(sent).toBeLessThan(80 * 2 ** 20)
    const deep = await post(
      'chat/completions',
      `{"messages": ${'['.repeat(1e5)}${']'.repeat(1e5)}}`,
    )
    expect(deep.status).toBe(400)
  })

  it('what is no request rejects as fetch does', async () => {
    await expect(ask('http://')).rejects.toBeInstanceOf(TypeError)
    await expect(ask(`${BASE}models`, { body: 'x' })).rejects.toBeInstanceOf(TypeError)
    expect(() => engineFetch({} as Ryzanstein)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION' }),
    )
    expect(() => engineFetch(engine, { model: 'a' } as object)).toThrow(
      expect.objectContaining({ detail: { option: 'model', nearest: 'models' } }),
    )
  })

  it('a full queue is 429, with when to come again', async () => {
    const abort = new AbortController()
    const busy = Array.from({ length: 5 }, () =>
      post('completions', long, { signal: abort.signal }).catch(() => undefined),
    )
    await vi.waitFor(async () => {
      expect((await engine.stats()).queue).toMatchObject({ running: 3, waiting: 2 })
    })
    const refused = await post('completions', long)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    expect(((await refused.json()) as Json).error).toMatchObject({
      type: 'rate_limit_error',
      code: 'queue_full',
    })
    abort.abort()
    await Promise.all(busy)
  })

  it('an engine that is closed is 503, not to be tried again', async () => {
    const closed = await chatEngine()
    const late = engineFetch(closed)
    await closed.close()
    const response = await late(`${BASE}completions`, { method: 'POST', body: '{"prompt": "a"}' })
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([503, 'false'])
    expect(((await response.json()) as Json).error).toMatchObject({
      type: 'server_error',
      code: 'closed',
    })
  })
})

describe('an abort', () => {
  const cancelled = async () => (await engine.stats()).queue.cancelled
  const stopped = async (before: number, since: number) => {
    await vi.waitFor(
      async () => {
        expect((await engine.stats()).queue).toMatchObject({ running: 0, cancelled: before + 1 })
      },
      { interval: 5 },
    )
    expect(performance.now() - since).toBeLessThan(ABORT_MS)
  }

  it('before the request rejects at once', async () => {
    const reason = new Error('mine')
    const signal = AbortSignal.abort(reason)
    await expect(post('completions', long, { signal })).rejects.toBe(reason)
    await expect(ask(new Request(`${BASE}models`, { signal }))).rejects.toBe(reason)
  })

  it('of a request whose body never ends rejects it', async () => {
    const abort = new AbortController()
    const stalled = new ReadableStream()
    const init = { body: stalled, duplex: 'half', signal: abort.signal } as RequestInit
    const asked = post('completions', '', init)
    setTimeout(() => abort.abort(), 20)
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('of a whole answer ends the request', async () => {
    const before = await cancelled()
    const abort = new AbortController()
    const asked = post('completions', long, { signal: abort.signal })
    await vi.waitFor(async () => expect((await engine.stats()).queue.running).toBe(1))
    const since = performance.now()
    abort.abort()
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' })
    await stopped(before, since)
  })

  it.each<[string, (response: Response, abort: AbortController) => Promise<unknown>]>([
    [
      'of the signal',
      async (response, abort) => {
        const reader = response.body!.getReader()
        await reader.read()
        abort.abort()
        await expect(reader.read().then(() => reader.read())).rejects.toMatchObject({
          name: 'AbortError',
        })
      },
    ],
    ['of a stream that nobody reads', async (_, abort) => abort.abort()],
    ['of the reader', response => response.body!.cancel()],
  ])('%s in mid-stream ends the request', async (_, leave) => {
    const before = await cancelled()
    const abort = new AbortController()
    const response = await post('completions', { ...long, stream: true }, { signal: abort.signal })
    expect(response.status).toBe(200)
    const since = performance.now()
    await leave(response, abort)
    await stopped(before, since)
  })

  it('an engine that ends in mid-stream is told as the last event', async () => {
    const other = await chatEngine()
    const response = await engineFetch(other)(`${BASE}completions`, {
      method: 'POST',
      body: JSON.stringify({ ...long, stream: true }),
    })
    await other.close()
    const text = await response.text()
    expect(JSON.parse(text.trimEnd().split('\n\n').at(-1)!.slice('data: '.length))).toMatchObject({
      error: { type: 'server_error', code: 'closed' },
    })
  })
})

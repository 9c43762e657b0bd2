// remote(): what is sent and what comes back, against a real HTTP server that says what each test scripts: streams
// cut at every byte, refusals that pass, silence, answers that are none.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { remote } from '../../src/adapters/remote/index.ts'
import type { ChatMessage, TokenChunk } from '../../src/types/index.ts'

type Handler = (asked: IncomingMessage, given: ServerResponse, body: unknown) => void

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function serve(handler: Handler): Promise<string> {
  const server = createServer(async (asked, given) => {
    let text = ''
    for await (const piece of asked) text += piece
    handler(asked, given, text === '' ? undefined : JSON.parse(text))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
}

const HI: ChatMessage[] = [{ role: 'user', content: 'Hi' }]
const event = (data: unknown) =>
  `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
const delta = (delta: object, finish_reason: string | null = null) =>
  event({ choices: [{ index: 0, delta, finish_reason }] })
const usage = event({
  choices: [],
  usage: { prompt_tokens: 7, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } },
})
const SSE = { 'content-type': 'text/event-stream; charset=utf-8' }
const ANSWER = [
  ': a comment\n\n',
  delta({ role: 'assistant', content: '' }),
  delta({ content: 'Grüße ' }),
  delta({ content: '🦊!' }),
  delta({}, 'stop'),
  usage,
  event('[DONE]'),
].join('')

const says =
  (body: string | Buffer, headers: Record<string, string> = SSE, status = 200): Handler =>
  (_, given) =>
    given.writeHead(status, headers).end(body)

describe('what comes back', () => {
  test('a streamed answer gives its pieces and its result', async () => {
    const cluster = remote({ baseURL: await serve(says(ANSWER)), model: 'm' })
    const stream = cluster.chat(HI)
    const texts: string[] = []
    for await (const { text } of stream) texts.push(text)
    expect(texts).toEqual(['Grüße ', '🦊!'])
    expect(await stream.result).toMatchObject({
      text: 'Grüße 🦊!',
      tokens: [],
      finishReason: 'eos',
      promptTokens: 7,
      reusedTokens: 4,
    })
  })

  test.each(['\n', '\r\n', '\r'])(
    'cut at every byte, lines ended by %j, it is the same',
    async end => {
      const bytes = Buffer.from(ANSWER.replaceAll('\n', end))
      let at = 1
      const url = await serve(async (_, given) => {
        given.writeHead(200, SSE)
        given.write(bytes.subarray(0, at))
        await new Promise(resolve => setTimeout(resolve, 1))
        given.end(bytes.subarray(at))
      })
      const cluster = remote({ baseURL: url, model: 'm' })
      for (; at < bytes.length; at += 7) {
        expect(await cluster.chat(HI).text(), `cut at ${at}`).toBe('Grüße 🦊!')
      }
    },
  )

  test('a server that does not stream is understood', async () => {
    const whole = {
      choices: [
        { index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'length' },
      ],
      usage: { prompt_tokens: 2 },
    }
    const url = await serve(says(JSON.stringify(whole), { 'content-type': 'application/json' }))
    const result = await remote({ baseURL: url, model: 'm' }).chat(HI).result
    expect(result).toMatchObject({ text: 'Hello', finishReason: 'length', promptTokens: 2 })
  })

  test('calls in pieces join to wholes, reasoning is told apart', async () => {
    const call = (index: number, more: object) => delta({ tool_calls: [{ index, ...more }] })
    const body = [
      delta({ reasoning_content: 'I look ' }),
      delta({ reasoning_content: 'it up.' }),
      call(0, { id: 'a', function: { name: 'weather', arguments: '' } }),
      call(0, { function: { arguments: '{"city":' } }),
      call(1, { id: 'b', function: { name: 'time', arguments: '{}' } }),
      call(0, { function: { arguments: '"Bern"}' } }),
      delta({}, 'tool_calls'),
    ].join('')
    const stream = remote({ baseURL: await serve(says(body)), model: 'm' }).chat(HI)
    const chunks: TokenChunk[] = []
    for await (const chunk of stream) chunks.push(chunk)
    const calls = [
      { id: 'a', type: 'function', function: { name: 'weather', arguments: '{"city":"Bern"}' } },
      { id: 'b', type: 'function', function: { name: 'time', arguments: '{}' } },
    ]
    expect(chunks.map(c => c.reasoning ?? '').join('')).toBe('I look it up.')
    expect(chunks.at(-1)?.toolCalls).toMatchObject(calls)
    expect(await stream.result).toMatchObject({
      toolCalls: calls,
      reasoning: 'I look it up.',
      text: '',
      finishReason: 'tool_calls',
    })
  })
})

describe('what is sent', () => {
  test('options by their names there, messages as they are, the key in its header', async () => {
    let seen: { body: unknown; path: string; authorization: string | undefined } | undefined
    const url = await serve((asked, given, body) => {
      seen = { body, path: asked.url!, authorization: asked.headers.authorization }
      given.writeHead(200, SSE).end(ANSWER)
    })
    const cluster = remote({ baseURL: `${url}/`, model: 'm', apiKey: 'k' })
    const schema = { type: 'object' }
    await cluster.chat([...HI, { role: 'assistant', content: 'x', trusted: true }], {
      temperature: 0,
      topP: 0.5,
      maxTokens: 9,
      stop: ['a'],
      seed: 1,
      logprobs: 2,
      reuse: true,
      responseFormat: { type: 'json_schema', schema },
      tools: [],
    }).result
    expect(seen).toEqual({
      path: '/v1/chat/completions',
      authorization: 'Bearer k',
      body: {
        model: 'm',
        messages: [...HI, { role: 'assistant', content: 'x' }],
        stream: true,
        stream_options: { include_usage: true },
        temperature: 0,
        top_p: 0.5,
        max_tokens: 9,
        stop: ['a'],
        seed: 1,
        logprobs: true,
        top_logprobs: 2,
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'answer', schema, strict: true },
        },
      },
    })
    await cluster.generate('Once', { maxTokens: 2 }).result
    expect(seen).toMatchObject({ path: '/v1/completions', body: { prompt: 'Once', max_tokens: 2 } })
  })

  test.each([
    ['overflow', { overflow: 'slide' }],
    ['continueLast', { continueLast: true }],
    ['responseFormat', { responseFormat: { type: 'regex', pattern: 'a' } }],
    ['maxReasoningTokens', { maxReasoningTokens: 3 }],
    ['temperature', { temperature: -1 }],
    ['temperatur', { temperatur: 1 }],
  ])(
    '%s, which cannot be said there, is refused by name and nothing is sent',
    async (name, options) => {
      let asked = 0
      const url = await serve(() => asked++)
      const messages: ChatMessage[] = [...HI, { role: 'assistant', content: 'a' }]
      const { result } = remote({ baseURL: url, model: 'm' }).chat(messages, options as object)
      await expect(result).rejects.toMatchObject({ code: 'BAD_OPTION' })
      await expect(result).rejects.toThrow(name)
      expect(asked).toBe(0)
    },
  )

  test.each([
    [{ baseURL: 'not a url', model: 'm' }],
    [{ baseURL: 'http://a', model: 3 }],
    [{ model: 'm' }],
    [{ baseURL: 'http://a', model: 'm', retries: -1 }],
    [{ baseURL: 'http://a', model: 'm', apikey: 'k' }],
  ])('remote(%j) is BAD_OPTION', options => {
    expect(() => remote(options as never)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })
})

describe('what goes wrong', () => {
  const failing = (
    handler: Handler,
    more: object = {},
  ): Promise<{ code: string; message: string; detail: object }> =>
    serve(handler).then(url =>
      remote({ baseURL: url, model: 'm', retries: 0, ...more })
        .chat(HI)
        .result.then(
          () => expect.fail('it answered'),
          error => error,
        ),
    )
  const json = { 'content-type': 'application/json' }
  const error = (message: string, code: string | null = null) =>
    JSON.stringify({ error: { message, type: 'x', param: null, code } })

  test.each<[string, number, string, string]>([
    ['a full queue', 429, error('busy'), 'QUEUE_FULL'],
    ['a bad request', 400, error('temperature is 3'), 'BAD_OPTION'],
    [
      'a context that is too short',
      400,
      error('too long', 'context_length_exceeded'),
      'CONTEXT_FULL',
    ],
    ['a wrong key', 401, error('who?'), 'NETWORK'],
    ['a model that is not there', 404, error('no m'), 'NETWORK'],
    ["FastAPI's refusal", 422, JSON.stringify({ detail: [{ msg: 'too big' }] }), 'BAD_OPTION'],
    ['a server that failed', 500, '<html>oh</html>', 'NETWORK'],
  ])('%s is told with what the server said', async (_, status, body, code) => {
    const failed = await failing(says(body, json, status))
    expect(failed).toMatchObject({ code, detail: { status } })
    expect(failed.message).toContain(`answered ${status}`)
  })

  test('refused for now, it asks again when the server says, and succeeds', async () => {
    const times: number[] = []
    const url = await serve((_, given) => {
      times.push(performance.now())
      if (times.length < 3) given.writeHead(429, { 'retry-after': '0' }).end('{}')
      else given.writeHead(200, SSE).end(ANSWER)
    })
    expect(await remote({ baseURL: url, model: 'm' }).chat(HI).text()).toBe('Grüße 🦊!')
    expect(times).toHaveLength(3)
  })

  test('what no second try helps is not tried twice', async () => {
    let asked = 0
    await failing(
      (_, given) => {
        asked++
        given.writeHead(400, json).end(error('no'))
      },
      { retries: 5 },
    )
    expect(asked).toBe(1)
  })

  test('a connection that breaks in the middle fails, after the pieces that came', async () => {
    const url = await serve((_, given) => {
      given.writeHead(200, SSE)
      given.write(delta({ content: 'half' }))
      setTimeout(() => given.destroy(), 20)
    })
    const stream = remote({ baseURL: url, model: 'm' }).chat(HI)
    const texts: string[] = []
    const read = async () => {
      for await (const { text } of stream) texts.push(text)
    }
    await expect(read()).rejects.toMatchObject({ code: 'NETWORK' })
    expect(texts).toEqual(['half'])
  })

  test('a stream that ends without saying so has failed', async () => {
    const failed = await failing(says(delta({ content: 'half' })))
    expect(failed).toMatchObject({ code: 'NETWORK', message: expect.stringContaining('broke off') })
  })

  test('an error in the stream is told', async () => {
    const failed = await failing(
      says(delta({ content: 'a' }) + event({ error: { message: 'GPU gone' } })),
    )
    expect(failed).toMatchObject({ code: 'NETWORK', message: expect.stringContaining('GPU gone') })
  })

  test('what is no such server is named', async () => {
    const failed = await failing(says('<html>hello</html>', { 'content-type': 'text/html' }))
    expect(failed).toMatchObject({ code: 'NETWORK', message: expect.stringContaining('baseURL') })
  })

  test.each<[string, Handler]>([
    ['before its answer', () => undefined],
    [
      'in the middle of it',
      (_, given) => {
        given.writeHead(200, SSE)
        given.write(delta({ content: 'a' }))
      },
    ],
  ])('a server that falls silent %s is given up', async (_, handler) => {
    const failed = await failing(handler, { timeoutMs: 100 })
    expect(failed).toMatchObject({ code: 'NETWORK', message: expect.stringContaining('100 ms') })
  })

  test('a server that is not there', async () => {
    const failed = await remote({ baseURL: 'http://127.0.0.1:9/v1', model: 'm', retries: 0 })
      .chat(HI)
      .result.catch(e => e)
    expect(failed).toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('127.0.0.1:9'),
    })
  })

  test.each(['cancel', 'leave', 'signal', 'close'])(
    '%s ends the request at the server',
    async how => {
      let gone: () => void = () => undefined
      const left = new Promise<void>(resolve => {
        gone = resolve
      })
      const url = await serve((_, given) => {
        given.writeHead(200, SSE)
        given.write(delta({ content: 'a' }))
        given.on('close', gone)
      })
      const cluster = remote({ baseURL: url, model: 'm' })
      const controller = new AbortController()
      const stream = cluster.chat(HI, { signal: controller.signal })
      for await (const _ of stream) {
        if (how === 'leave') break
        if (how === 'cancel') stream.cancel()
        if (how === 'signal') controller.abort()
        if (how === 'close') void cluster.close()
        break
      }
      await left
      const code = how === 'close' ? 'CLOSED' : 'ABORTED'
      await expect(stream.result).rejects.toMatchObject({ code })
    },
  )

  test('a signal that has fired asks nothing', async () => {
    let asked = 0
    const url = await serve(() => asked++)
    const { result } = remote({ baseURL: url, model: 'm' }).chat(HI, {
      signal: AbortSignal.abort(),
    })
    await expect(result).rejects.toMatchObject({ code: 'ABORTED' })
    expect(asked).toBe(0)
  })
})

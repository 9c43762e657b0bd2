// The chat.completions facade: names and shapes in, names and shapes out, nothing ignored.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openai } from '../../src/adapters/openai/openai.ts'
import type {
  ChatCompletionChunk,
  ChatCompletionRequest,
} from '../../src/adapters/openai/openai-types.ts'
import { connect, type Ryzanstein } from '../../src/api/ryzanstein.ts'
import { TokenStream } from '../../src/api/token-stream.ts'
import type {
  ChatMessage,
  ChatOptions,
  EngineStats,
  FinishReason,
  GenerateResult,
  TokenChunk,
} from '../../src/types/index.ts'
import { FakeWorker } from '../api/fake-worker.ts'
import { fakeInfo, until } from '../engine/fakes.ts'

/** An engine that answers "Hi!", and what else it is told to, and keeps what it was asked. */
function fakeEngine(
  finishReason: FinishReason = 'eos',
  result: Partial<GenerateResult> = {},
  chunks: TokenChunk[] = [],
) {
  const asked: { messages: readonly ChatMessage[]; options: ChatOptions }[] = []
  return {
    asked,
    model: fakeInfo,
    stats: async () => ({ maxSequences: 3 }) as EngineStats,
    chat(messages: readonly ChatMessage[], options: ChatOptions = {}) {
      asked.push({ messages, options })
      return new TokenStream(stream => {
        queueMicrotask(() => {
          for (const text of ['H', 'i', '!']) {
            const token = text.charCodeAt(0)
            const logprobs = [
              [
                { token, logprob: -0.5, bytes: [token], text },
                { token: 65, logprob: Number.NEGATIVE_INFINITY, bytes: [], text: '<A>' },
              ],
            ]
            const asks = options.logprobs !== undefined
            stream.push({ text, tokens: [token], ...(asks ? { logprobs } : {}) })
          }
          for (const chunk of chunks) stream.push(chunk)
          const times = {
            reusedTokens: 0,
            slides: 0,
            queueMs: 0,
            prefillMs: 0,
            ttftMs: 0,
            decodeMs: 0,
          }
          const tokens = [72, 105, 33]
          const done = { text: 'Hi!', tokens, finishReason, promptTokens: 7, seed: 1, ...times }
          stream.done({ ...done, ...result })
        })
        return () => undefined
      })
    },
  }
}

const messages = [{ role: 'user', content: 'Hello' }]
const create = (engine: ReturnType<typeof fakeEngine>, request: ChatCompletionRequest) =>
  openai(engine).chat.completions.create(request as ChatCompletionRequest & { stream: false })

describe('openai facade', () => {
  it('answers with one chat.completion', async () => {
    const engine = fakeEngine()
    const answer = await openai(engine).chat.completions.create({ messages })
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'fake',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi!', refusal: null },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    })
    expect(answer.id).toMatch(/^chatcmpl-\w+$/)
    expect(engine.asked[0]!.options).toMatchObject({ temperature: 1, topP: 1, topK: 0 })
  })

  it('streams role, content, finish reason and usage', async () => {
    const stream = await openai(fakeEngine('length')).chat.completions.create({
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks: ChatCompletionChunk[] = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map(c => c.choices[0]?.delta)).toEqual([
      { role: 'assistant', content: '' },
      { content: 'H' },
      { content: 'i' },
      { content: '!' },
      {},
      undefined,
    ])
    expect(chunks.map(c => c.choices[0]?.finish_reason ?? null)).toEqual([
      null,
      null,
      null,
      null,
      'length',
      null,
    ])
    expect(chunks.at(-1)!.usage).toEqual({
      prompt_tokens: 7,
      completion_tokens: 3,
      total_tokens: 10,
      prompt_tokens_details: { cached_tokens: 0 },
    })
    expect(new Set(chunks.map(c => c.id)).size).toBe(1)
  })

  it('translates every option', async () => {
    const engine = fakeEngine()
    const { signal } = new AbortController()
    await openai(engine).chat.completions.create(
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'a' },
              { type: 'text', text: 'b' },
            ],
          },
        ],
        max_tokens: 5,
        max_completion_tokens: 9,
        temperature: 0.3,
        top_p: 0.5,
        top_k: 7,
        min_p: 0.1,
        repetition_penalty: 1.1,
        frequency_penalty: 0.2,
        presence_penalty: 0.4,
        logit_bias: { 5: -100 },
        stop: '\n',
        seed: 3,
        n: 1,
        user: 'someone',
      },
      { signal },
    )
    expect(engine.asked[0]).toEqual({
      messages: [{ role: 'user', content: 'ab' }],
      options: {
        maxTokens: 9,
        temperature: 0.3,
        topP: 0.5,
        topK: 7,
        minP: 0.1,
        repetitionPenalty: 1.1,
        frequencyPenalty: 0.2,
        presencePenalty: 0.4,
        logitBias: { 5: -100 },
        stop: ['\n'],
        seed: 3,
        signal,
      },
    })
  })

  it('hands a response format on, whose schema is enforced whole unless told otherwise', async () => {
    const schema = { type: 'object' }
    const engine = fakeEngine()
    const json_schema = { name: 'person', description: 'of a form', schema }
    const formats = [
      { type: 'json_object' },
      { type: 'json_schema', json_schema },
      { type: 'json_schema', json_schema: { ...json_schema, strict: false } },
    ] as const
    for (const response_format of formats) await create(engine, { messages, response_format })
    expect(engine.asked.map(({ options }) => options.responseFormat)).toEqual([
      { type: 'json_object' },
      { type: 'json_schema', schema, strict: true },
      { type: 'json_schema', schema, strict: false },
    ])
  })

  it('writes log-probabilities with their text and bytes', async () => {
    const { choices } = await openai(fakeEngine()).chat.completions.create({
      messages,
      logprobs: true,
      top_logprobs: 1,
    })
    expect(choices[0]!.logprobs!.content[0]).toEqual({
      token: 'H',
      logprob: -0.5,
      bytes: [72],
      top_logprobs: [{ token: '<A>', logprob: -9999, bytes: null }],
    })
  })

  it('takes what the official client sends for nothing', async () => {
    const engine = fakeEngine()
    const nothing = {
      ...{ audio: null, frequency_penalty: null, function_call: 'none', functions: [], n: null },
      ...{ logit_bias: null, logprobs: null, max_tokens: null, max_completion_tokens: null },
      ...{ metadata: { a: 'b' }, modalities: ['text'], parallel_tool_calls: true, stop: null },
      ...{ prediction: null, presence_penalty: null, reasoning_effort: null, seed: null },
      ...{ response_format: { type: 'text' }, service_tier: 'auto', store: true, stream: null },
      ...{ stream_options: null, temperature: null, tool_choice: 'auto', tools: [], top_p: null },
      ...{ top_logprobs: null, user: 'u', verbosity: null, web_search_options: null },
    }
    const history = [
      { role: 'system', content: [] },
      { role: 'user', content: 'a', name: null },
      { role: 'assistant', content: null, refusal: null, tool_calls: null, audio: null },
      { role: 'assistant', tool_calls: [], function_call: null, annotations: [] },
      { role: 'user', content: 'b', name: 'Ann' },
    ]
    await create(engine, { ...nothing, messages: history } as unknown as ChatCompletionRequest)
    expect(engine.asked[0]!.messages).toEqual([
      { role: 'system', content: '' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: '' },
      { role: 'assistant', content: '' },
      { role: 'user', content: 'b', name: 'Ann' },
    ])
    expect(JSON.parse(JSON.stringify(engine.asked[0]!.options))).toEqual({
      ...{ temperature: 1, topP: 1, topK: 0, maxTokens: Number.MAX_SAFE_INTEGER },
    })
  })

  it.each([
    [0, 0],
    [7, 7],
    [2 ** 32 - 1, 2 ** 32 - 1],
    [2 ** 32, 1],
    [2 ** 53 - 1, 2 ** 32 - 1 - 0x1fffff],
    [-1, 2 ** 32 - 1],
    [-(2 ** 40), 255],
  ])('folds the seed %d to %d', async (seed, folded) => {
    const engine = fakeEngine()
    await create(engine, { messages, seed })
    expect(engine.asked[0]!.options.seed).toBe(folded)
  })

  it('gives as many answers as asked for, each with a seed of its own', async () => {
    const engine = fakeEngine()
    const { choices, usage } = await create(engine, { messages, n: 3, seed: 2 ** 32 - 1 })
    expect(choices.map(c => [c.index, c.message.content])).toEqual([
      [0, 'Hi!'],
      [1, 'Hi!'],
      [2, 'Hi!'],
    ])
    expect(engine.asked.map(a => a.options.seed)).toEqual([2 ** 32 - 1, 0, 1])
    expect(usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 9 })
    const stream = await openai(engine).chat.completions.create({ messages, n: 2, stream: true })
    const texts = ['', '']
    const reasons: (string | null)[] = []
    for await (const { choices } of stream) {
      const { index, delta, finish_reason } = choices[0]!
      texts[index] += delta.content ?? ''
      if (finish_reason !== null) reasons.push(finish_reason)
    }
    expect(texts).toEqual(['Hi!', 'Hi!'])
    expect(reasons).toEqual(['stop', 'stop'])
  })

  const call = {
    id: 'a',
    type: 'function',
    function: { name: 'f', arguments: '{"x": 1}' },
  } as const
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]
  const named = { type: 'function', function: { name: 'f' } }
  const allowed = (mode: string, some: unknown[]) => ({
    type: 'allowed_tools',
    allowed_tools: { mode, tools: some },
  })

  it('hands tools, the choice among them and template variables on', async () => {
    const engine = fakeEngine()
    const choices = [undefined, null, 'auto', 'none', 'required', named]
    for (const tool_choice of choices) await create(engine, { messages, tools, tool_choice })
    expect(engine.asked.map(({ options }) => options.toolChoice)).toEqual([
      undefined,
      undefined,
      'auto',
      'none',
      'required',
      { name: 'f' },
    ])
    expect(engine.asked.every(({ options }) => options.tools)).toBe(true)
    await create(engine, { messages, tools, parallel_tool_calls: false })
    const kwargs = { chat_template_kwargs: { a: 1 } }
    await create(engine, { messages, reasoning_effort: 'none', ...kwargs })
    expect(engine.asked.slice(-2).map(({ options }) => options)).toMatchObject([
      { tools, parallelToolCalls: false },
      { templateOptions: { enable_thinking: false, a: 1 } },
    ])
  })

  it('hands calls, their results and reasoning of earlier answers on', async () => {
    const engine = fakeEngine()
    const turn = { role: 'assistant', content: null, reasoning_content: 'Hm.', tool_calls: [call] }
    const result = { role: 'tool', content: [{ type: 'text', text: '7' }], tool_call_id: 'a' }
    await create(engine, { messages: [...messages, turn, result], tools })
    expect(engine.asked[0]!.messages).toEqual([
      ...messages,
      { role: 'assistant', content: '', reasoning: 'Hm.', tool_calls: [call] },
      { role: 'tool', content: '7', tool_call_id: 'a' },
    ])
  })

  it.each(['auto', 'required'])('hands on only the tools that are allowed, %s', async mode => {
    const engine = fakeEngine()
    const some = ['f', 'g', 'h'].map(name => ({ type: 'function', function: { name } }))
    const tool_choice = allowed(mode, [some[2], some[0]])
    await create(engine, { messages, tools: some, tool_choice })
    expect(engine.asked[0]!.options).toMatchObject({ tools: [some[0], some[2]], toolChoice: mode })
  })

  it.each<[string, unknown, string]>([
    ['tool_calls', 'auto', 'tool_calls'],
    ['stop, as OpenAI says where one was named', named, 'stop'],
  ])('answers with calls, and ends with %s', async (_, tool_choice, reason) => {
    const more = { toolCalls: [call], reasoning: 'Hm.', text: '' }
    const engine = fakeEngine('tool_calls', more)
    const { choices } = await create(engine, { messages, tools, tool_choice })
    expect(choices[0]).toMatchObject({
      message: { content: null, tool_calls: [call], reasoning_content: 'Hm.' },
      finish_reason: reason,
    })
  })

  it('streams reasoning and calls: index, id and name first, then the arguments', async () => {
    const chunks = [
      { text: '', tokens: [1], reasoning: 'Hm.' },
      { text: '', tokens: [2], toolCalls: [{ index: 0, ...call }] },
    ]
    const stream = await openai(fakeEngine('tool_calls', {}, chunks)).chat.completions.create({
      messages,
      tools,
      stream: true,
    })
    const told: ChatCompletionChunk['choices'] = []
    for await (const { choices } of stream) told.push(...choices)
    expect(told.map(({ delta }) => delta).slice(4)).toEqual([
      { reasoning_content: 'Hm.' },
      {
        tool_calls: [
          { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } },
        ],
      },
      { tool_calls: [{ index: 0, function: { arguments: '{"x": 1}' } }] },
      {},
    ])
    expect(told.at(-1)!.finish_reason).toBe('tool_calls')
  })

  const wrong: [string, object, string][] = [
    ['more answers than seats', { n: 4 }, 'n'],
    ['tools that are no list', { tools: {} }, 'tools'],
    ['functions, which came before tools', { functions: [{ name: 'f' }] }, 'functions'],
    ['an odd tool choice', { tools, tool_choice: 'always' }, 'tool_choice'],
    [
      'an allowed tool that is none of the tools',
      { tools, tool_choice: allowed('auto', [{ type: 'function', function: { name: 'g' } }]) },
      'tool_choice.allowed_tools.tools[0]',
    ],
    ['allowed tools in an odd mode', { tools, tool_choice: allowed('any', tools) }, 'tool_choice'],
    ['no allowed tools', { tools, tool_choice: allowed('auto', []) }, 'tool_choice'],
    ['allowed tools without tools', { tool_choice: allowed('auto', tools) }, 'tool_choice'],
    ['a required call without tools', { tool_choice: 'required' }, 'tool_choice'],
    ['a named call without tools', { tools: [], tool_choice: named }, 'tool_choice'],
    [
      'a named call of another tool',
      { tools, tool_choice: { type: 'function', function: { name: 'g' } } },
      'tool_choice',
    ],
    ['variables that are no object', { chat_template_kwargs: 1 }, 'chat_template_kwargs'],
    ['an odd response format', { response_format: { type: 'xml' } }, 'response_format'],
    [
      'a response format without its schema',
      { response_format: { type: 'json_schema', json_schema: { name: 'a' } } },
      'response_format',
    ],
    [
      'a picture',
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      'messages[0].content[0]',
    ],
    [
      'a call of the form before tools',
      { messages: [{ role: 'assistant', function_call: call.function }] },
      'messages[0].function_call',
    ],
    ['no messages', { messages: [] }, 'messages'],
    ['messages of another kind', { messages: 'Hello' }, 'messages'],
    ['a stop string without letters', { stop: '' }, 'stop'],
    ['a seed that is no whole number', { seed: 0.5 }, 'seed'],
    ['likeliest tokens without logprobs', { top_logprobs: 2 }, 'top_logprobs'],
    ['reasoning', { reasoning_effort: 'high' }, 'reasoning_effort'],
    ['a typing error', { temprature: 1 }, 'temprature'],
    ['a typing error in stream_options', { stream_options: { usage: true } }, 'usage'],
    ['moderation', { moderation: { model: 'm' } }, 'moderation'],
  ]
  it.each(wrong)('refuses %s by name, as it cannot be served', async (_, extra, option) => {
    const request = { messages, ...extra } as unknown as ChatCompletionRequest
    await expect(create(fakeEngine(), request)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      detail: { option },
    })
  })
})

describe('the facade over an engine', () => {
  const readable = (
    ReadableStream as unknown as { from(it: AsyncIterable<unknown>): ReadableStream }
  ).from
  const worker = new FakeWorker({ onStep: () => new Promise(resolve => setTimeout(resolve, 1)) })
  let engine: Ryzanstein
  let chat: Ryzanstein['chat']
  beforeAll(async () => {
    engine = await connect(worker, 'x', {})
    // The model without weights has no template either.
    chat = (_, options) => engine.generate('abc', options)
  })
  afterAll(() => engine.close())
  const facade = () =>
    openai({ chat, model: engine.model, stats: () => engine.stats() }).chat.completions
  const request = { messages, max_tokens: 400, n: 2, stream: true } as const
  const idle = () => until(() => worker.network!.kv.usedBlocks === 0, 'the blocks are back')

  it.each<[string, (stream: AsyncIterable<ChatCompletionChunk>) => Promise<unknown>]>([
    [
      'left at its first chunk',
      async stream => {
        for await (const _ of stream) break
      },
    ],
    ['returned before it is read', stream => stream[Symbol.asyncIterator]().return!()],
    [
      'thrown into',
      stream =>
        stream[Symbol.asyncIterator]().throw!(new Error('mine')).catch(error =>
          expect(error.message).toBe('mine'),
        ),
    ],
    ['cancelled as a ReadableStream', stream => readable(stream).cancel()],
    [
      'left while it is asked',
      async stream => {
        const iterator = stream[Symbol.asyncIterator]()
        for (let i = 0; i < 4; i++) await iterator.next()
        const asked = Array.from({ length: 40 }, () => iterator.next())
        await iterator.return!()
        expect((await Promise.all(asked)).at(-1)!.done).toBe(true)
      },
    ],
  ])('a stream that is %s cancels its requests', async (_, leave) => {
    const before = (await engine.stats()).queue.cancelled
    const stream = await facade().create(request)
    await leave(stream)
    await vi.waitFor(async () => {
      expect((await engine.stats()).queue).toMatchObject({ cancelled: before + 2, running: 0 })
    })
    await idle()
    expect(await stream[Symbol.asyncIterator]().next()).toEqual({ value: undefined, done: true })
  })

  it('a stream that nobody reads runs to its end and rejects nowhere', async () => {
    await facade().create({ ...request, max_tokens: 5 })
    await idle()
  })

  it('an abort ends the stream with ABORTED, before its first token too', async () => {
    const abort = new AbortController()
    const stream = await facade().create(request, { signal: abort.signal })
    const reading = (async () => {
      for await (const _ of stream) abort.abort()
    })()
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED' })
    const early = facade().create(request, { signal: AbortSignal.abort() })
    await expect(early).rejects.toMatchObject({ code: 'ABORTED' })
    await idle()
  })

  it('what refuses a request rejects create(), where it streams too', async () => {
    chat = (_, options) => engine.generate(new Array(600).fill(1), options)
    await expect(facade().create(request)).rejects.toMatchObject({ code: 'CONTEXT_FULL' })
    chat = (_, options) => engine.generate('abc', options)
  })
})

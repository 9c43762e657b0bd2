// The chat.completions facade: names and shapes in, names and shapes out, nothing ignored.
import { describe, expect, it } from 'vitest'
import { openai } from '../../src/adapters/openai/openai.ts'
import type {
  ChatCompletionChunk,
  ChatCompletionRequest,
} from '../../src/adapters/openai/openai-types.ts'
import { TokenStream } from '../../src/api/token-stream.ts'
import type { ChatMessage, FinishReason, GenerateOptions } from '../../src/types/index.ts'
import { fakeInfo } from '../engine/fakes.ts'

/** An engine that answers "Hi!" and keeps what it was asked. */
function fakeEngine(finishReason: FinishReason = 'eos') {
  const asked: { messages: readonly ChatMessage[]; options: GenerateOptions }[] = []
  return {
    asked,
    model: fakeInfo,
    detokenize: async (ids: readonly number[]) => String.fromCharCode(...ids),
    chat(messages: readonly ChatMessage[], options: GenerateOptions = {}) {
      asked.push({ messages, options })
      return new TokenStream(stream => {
        queueMicrotask(() => {
          for (const text of ['H', 'i', '!']) {
            const token = text.charCodeAt(0)
            const logprobs = [
              [
                { token, logprob: -0.5 },
                { token: 65, logprob: -1 },
              ],
            ]
            const asks = options.logprobs !== undefined
            stream.push({ text, tokens: [token], ...(asks ? { logprobs } : {}) })
          }
          const times = {
            reusedTokens: 0,
            slides: 0,
            queueMs: 0,
            prefillMs: 0,
            ttftMs: 0,
            decodeMs: 0,
          }
          const tokens = [72, 105, 33]
          stream.done({ text: 'Hi!', tokens, finishReason, promptTokens: 7, seed: 1, ...times })
        })
        return () => undefined
      })
    },
  }
}

const messages = [{ role: 'user', content: 'Hello' }]

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
          message: { role: 'assistant', content: 'Hi!' },
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
      top_logprobs: [{ token: 'A', logprob: -1, bytes: [65] }],
    })
  })

  it.each([
    { n: 2 },
    { tools: [] },
    { response_format: { type: 'json_object' } },
    { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
  ])('refuses %o, as it cannot be served', async extra => {
    const request = { messages, ...extra } as unknown as ChatCompletionRequest & { stream: false }
    await expect(openai(fakeEngine()).chat.completions.create(request)).rejects.toMatchObject({
      code: 'BAD_OPTION',
    })
  })
})

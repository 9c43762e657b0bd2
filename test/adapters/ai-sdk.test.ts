// The engine as models of the AI SDK, with the real `ai` on the real chat model: texts, streams, structured output, a
// round of tools, embeddings, aborts and refusals.
import { embedMany, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embeddingModel, languageModel } from '../../src/adapters/ai-sdk/ai-sdk.ts'
import type { Ryzanstein } from '../../src/api/ryzanstein.ts'
import { RyzError } from '../../src/errors.ts'
import { chatEngine } from '../support/chat-engine.ts'

let engine: Ryzanstein
let model: ReturnType<typeof languageModel>
beforeAll(async () => {
  engine = await chatEngine()
  model = languageModel(engine)
})
afterAll(() => engine.close())

const greedy = { temperature: 0, maxRetries: 0 } as const
const weather = () =>
  tool({
    description: 'The weather in a city',
    inputSchema: jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    }),
    execute: async ({ city }) => ({ city, temperature: 21, sky: 'clear' }),
  })

async function failure(work: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(work).then(
    () => {
      throw new Error('it did not fail')
    },
    (caught: unknown) => caught,
  )
}

describe('the language model', () => {
  const prompt = 'Hello! What is your name?'
  const own = () => engine.chat([{ role: 'user', content: prompt }], { temperature: 0 }).result

  it('writes what chat() writes, with usage and figures', async () => {
    const want = await own()
    const got = await generateText({ model, prompt, ...greedy, seed: 5 })
    expect(got.text).toBe(want.text)
    expect(got.finishReason).toBe('stop')
    expect(got.usage).toMatchObject({
      inputTokens: want.promptTokens,
      outputTokens: want.tokens.length,
    })
    expect(got.providerMetadata?.ryzanstein).toMatchObject({ seed: 5 })
    expect(got.response.modelId).toBe(engine.model.name)
  })

  it('streams the same text in pieces', async () => {
    const pieces: string[] = []
    const { textStream, finishReason } = streamText({ model, prompt, ...greedy })
    for await (const piece of textStream) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(3)
    expect(pieces.join('').trim()).toBe((await own()).text)
    expect(await finishReason).toBe('stop')
  })

  it('passes on options, a system prompt and those of chat() itself', async () => {
    const cut = await generateText({ model, prompt, ...greedy, maxOutputTokens: 3 })
    expect(cut.finishReason).toBe('length')
    const messages = [
      { role: 'system', content: 'You are Ryz.' },
      { role: 'user', content: prompt },
    ]
    const want = await engine.chat(messages, { temperature: 0, stop: ['.'] }).text()
    const { text } = await generateText({
      ...{ model, prompt, ...greedy, stopSequences: ['.'] },
      instructions: 'You are Ryz.',
    })
    expect(text).toBe(want)
    const wrong = generateText({ model, prompt, providerOptions: { ryzanstein: { topQ: 1 } } })
    expect(await failure(wrong)).toMatchObject({ code: 'BAD_OPTION', detail: { option: 'topQ' } })
  })

  it('fills in a schema', async () => {
    const schema = jsonSchema<{ name: string; age: number }>({
      type: 'object',
      properties: { name: { type: 'string', maxLength: 20 }, age: { type: 'integer', minimum: 0 } },
      required: ['name', 'age'],
      additionalProperties: false,
    })
    const output = Output.object({ schema })
    const { output: filled, providerMetadata } = await generateText({
      ...{ model, ...greedy, output },
      prompt: 'I am Anna, 34 years old. Fill in name and age.',
    })
    expect(Object.keys(filled)).toEqual(['name', 'age'])
    expect(Number.isInteger(filled.age)).toBe(true)
    expect(providerMetadata?.ryzanstein?.complete).toBe(true)
    const parts: unknown[] = []
    const streamed = streamText({ model, ...greedy, output, prompt: 'I am Anna, 34 years old.' })
    for await (const part of streamed.partialOutputStream) parts.push(part)
    expect(parts.at(-1)).toEqual(await streamed.output)
  })

  it('calls a tool and reads its result', async () => {
    const tools = { get_weather: weather() }
    const { steps } = await generateText({
      ...{ model, ...greedy, tools, stopWhen: stepCountIs(2) },
      prompt: 'What is the weather in Paris?',
      toolChoice: 'required',
      prepareStep: ({ stepNumber }) => (stepNumber > 0 ? { toolChoice: 'none' } : {}),
    })
    expect(steps).toHaveLength(2)
    const [call] = steps[0]!.toolCalls
    expect(call).toMatchObject({ toolName: 'get_weather' })
    expect(typeof (call!.input as { city: string }).city).toBe('string')
    expect(steps[0]!.finishReason).toBe('tool-calls')
    expect(steps[1]!.finishReason).toBe('stop')
    expect(steps[1]!.text.length).toBeGreaterThan(0)
  })

  it('streams a call of a tool, whole', async () => {
    const { stream } = streamText({
      ...{ model, ...greedy, tools: { get_weather: weather() } },
      toolChoice: { type: 'tool', toolName: 'get_weather' },
      prompt: 'What is the weather in Oslo?',
    })
    const types: string[] = []
    for await (const part of stream) {
      if (types.at(-1) !== part.type) types.push(part.type)
    }
    const want = [
      'tool-input-start',
      'tool-input-delta',
      'tool-input-end',
      'tool-call',
      'tool-result',
    ]
    expect(types.filter(type => type.startsWith('tool-'))).toEqual(want)
  })

  it('ends with its signal, and the engine is free again', async () => {
    const abort = new AbortController()
    const endless = {
      temperature: 1,
      maxRetries: 0,
      providerOptions: { ryzanstein: { ignoreEos: true } },
    }
    const whole = generateText({ model, prompt, ...endless, abortSignal: abort.signal })
    setTimeout(() => abort.abort(), 50)
    expect(await failure(whole)).toMatchObject({ name: 'AbortError' })
    const leave = new AbortController()
    const { textStream } = streamText({ model, prompt, ...endless, abortSignal: leave.signal })
    let pieces = 0
    await (async () => {
      for await (const _ of textStream) if (++pieces === 2) leave.abort()
    })().catch(() => undefined)
    expect(pieces).toBeLessThan(50)
    await expect.poll(async () => (await engine.stats()).queue.running).toBe(0)
  })

  it('refuses pictures by name and warns of what has no effect', async () => {
    const file = { type: 'file', data: new Uint8Array(4), mediaType: 'image/png' } as const
    const refused = generateText({
      ...{ model, ...greedy },
      messages: [{ role: 'user', content: [file] }],
    })
    const error = await failure(refused)
    expect(error).toBeInstanceOf(RyzError)
    expect(error).toMatchObject({ code: 'BAD_OPTION', detail: { value: '"file"' } })
    const { warnings } = await generateText({ model, prompt, ...greedy, reasoning: 'high' })
    expect(warnings).toMatchObject([{ type: 'unsupported', feature: 'reasoning' }])
  })

  it('is no model without an engine', () => {
    for (const wrong of [undefined, {}, 'engine']) {
      expect(() => languageModel(wrong as never)).toThrow(RyzError)
      expect(() => embeddingModel(wrong as never)).toThrow(RyzError)
    }
  })
})

describe('the embedding model', () => {
  it('gives what embed() gives', async () => {
    const values = ['a cat', 'a kitten', 'tax law']
    const want = await engine.embed(values)
    const got = await embedMany({ model: embeddingModel(engine), values })
    expect(got.embeddings).toEqual(want.embeddings.map(vector => [...vector]))
    expect(got.usage.tokens).toBe(want.tokens.reduce((sum, count) => sum + count, 0))
  })
})

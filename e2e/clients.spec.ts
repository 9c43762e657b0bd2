// The official clients as they are, bundled and unchanged, over the built package and the chat model, on an isolated
// page under the strict policy: whatever went to a server would be refused there.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, type Page, test } from '@playwright/test'
import { build } from 'vite'
import { collectTrouble } from './demo-page.ts'
import type {} from './fixtures/clients.ts'
import { HOSTS } from './hosts.ts'

const MODEL = '/demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'
const root = resolve(import.meta.dirname, '..')

interface Row {
  name: string
  messages: { role: 'user'; content: string }[]
  tools: Tool[] | null
  int8: { text: string }
  call: { name: string; arguments: object } | null
}
interface Tool {
  type: 'function'
  function: { name: string; description: string; parameters: Record<string, unknown> }
}
const golden = JSON.parse(readFileSync('test/golden/ryz-chat/golden.json', 'utf8')) as {
  generation: Row[]
}
const row = (name: string) => golden.generation.find(one => one.name === name)!
/** All steps of these are far from ties. */
const weather = row('weather')
const json = row('json')

const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 20 },
    age: { type: 'integer', minimum: 0, maximum: 130 },
  },
  required: ['name', 'age'],
  additionalProperties: false,
}
const ANNA = 'Fill in the form as JSON: I am Anna, 34 years old.'

test.beforeAll(async () => {
  await build({
    configFile: false,
    root,
    logLevel: 'warn',
    publicDir: false,
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      outDir: 'build/clients',
      emptyOutDir: true,
      minify: false,
      lib: { entry: 'e2e/fixtures/clients.ts', formats: ['es'], fileName: () => 'clients.js' },
      rolldownOptions: {
        external: ['ryzanstein', 'ryzanstein/openai'],
        output: {
          codeSplitting: false,
          paths: {
            ryzanstein: '../../dist/index.js',
            'ryzanstein/openai': '../../dist/openai.js',
          },
        },
      },
    },
  })
})

async function open(page: Page): Promise<string[]> {
  const trouble = collectTrouble(page)
  page.on('request', request => {
    if (request.url().includes('local.test')) trouble.push(`a request left: ${request.url()}`)
  })
  await page.goto(`${HOSTS.library.url}e2e/fixtures/clients.html`)
  await page.waitForFunction(() => 'clients' in globalThis)
  return trouble
}

test('openai: answers, streams, tools, schemas, completions, embeddings, models', async ({
  page,
}) => {
  const trouble = await open(page)
  const seen = await page.evaluate(
    async ({ model, messages, tools, plain, schema, anna }) => {
      const { engine, name, openai } = await clients.open(model)
      const greedy = { model: name, temperature: 0 } as const
      const answer = await openai.chat.completions.create({ ...greedy, messages: plain })
      const stream = await openai.chat.completions.create({
        ...{ ...greedy, messages: plain, stream: true },
        stream_options: { include_usage: true },
      })
      let text = ''
      let usage: object | null | undefined
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? ''
        usage = chunk.usage ?? usage
      }
      // A round trip with a tool, by hand and by the client's own helper.
      const called = await openai.chat.completions.create({ ...greedy, messages, tools })
      const message = called.choices[0]!.message
      const results = message.tool_calls!.map(call => ({
        role: 'tool' as const,
        tool_call_id: call.id,
        content: '{"temperature": 41}',
      }))
      const told = await openai.chat.completions.create({
        ...{ ...greedy, tools, messages: [...messages, message, ...results] },
      })
      const runs: unknown[] = []
      const runner = openai.chat.completions.runTools({
        ...{ ...greedy, messages, stream: true },
        tools: tools.map(one => ({
          type: 'function' as const,
          function: {
            ...one.function,
            parse: JSON.parse,
            function: (given: object) => {
              runs.push({ name: one.function.name, arguments: given })
              return '{"temperature": 41}'
            },
          },
        })),
      })
      const final = await runner.finalContent()
      const parsed = await openai.chat.completions.create({
        ...{ ...greedy, messages: [{ role: 'user' as const, content: anna }] },
        response_format: { type: 'json_schema', json_schema: { name: 'person', schema } },
      })
      const continued = await openai.completions.create({ ...greedy, prompt: 'Once upon a time' })
      const { data } = await openai.embeddings.create({ model: name, input: ['a cat', 'a dog'] })
      const models: string[] = []
      for await (const one of openai.models.list()) models.push(one.id)
      const one = await openai.models.retrieve(name)
      await engine.close()
      return {
        ...{ name, text, usage, runs, final, models, one: one.id },
        answer: answer.choices[0]!.message.content,
        call: message.tool_calls!.map(call => call.type === 'function' && call.function),
        finish: called.choices[0]!.finish_reason,
        told: told.choices[0]!.message.content,
        parsed: parsed.choices[0]!.message.content,
        continued: continued.choices[0]!.text,
        lengths: data.map(({ embedding }) => Math.hypot(...embedding)),
      }
    },
    {
      ...{ model: MODEL, messages: weather.messages, tools: weather.tools!, anna: ANNA },
      ...{ plain: json.messages, schema: PERSON },
    },
  )
  const answer = json.int8.text.replace('<|im_end|>', '')
  expect([seen.answer, seen.text]).toEqual([answer, answer])
  expect(seen.usage).toMatchObject({ completion_tokens: expect.any(Number) })
  const call = seen.call[0] as { name: string; arguments: string }
  expect({ name: call.name, arguments: JSON.parse(call.arguments) }).toEqual(weather.call)
  expect(seen.finish).toBe('tool_calls')
  expect(seen.told).toMatch(/\w/)
  expect(seen.runs[0]).toEqual(weather.call)
  expect(seen.final).toMatch(/\w/)
  expect(JSON.parse(seen.parsed!)).toEqual({ name: expect.any(String), age: expect.any(Number) })
  expect(seen.continued).toMatch(/\w/)
  for (const length of seen.lengths) expect(length).toBeCloseTo(1, 4)
  expect([seen.models, seen.one]).toEqual([[seen.name], seen.name])
  expect(trouble).toEqual([])
})

test('openai: aborts and errors are its own', async ({ page }) => {
  const trouble = await open(page)
  const seen = await page.evaluate(
    async ({ model, messages }) => {
      const { engine, name, openai } = await clients.open(model, { maxSequences: 1, queueLimit: 1 })
      const logit_bias = Object.fromEntries(engine.model.endTokens.map(id => [id, -100]))
      const long = { model: name, messages, logit_bias, max_tokens: 1500 }
      const queue = async () => (await engine.stats()).queue
      const stopped = async () => {
        const since = performance.now()
        while ((await queue()).running > 0) await new Promise(resolve => setTimeout(resolve, 5))
        return performance.now() - since
      }
      const caught = async (ask: () => Promise<unknown>) => {
        try {
          await ask()
          return 'nothing'
        } catch (error) {
          return error
        }
      }
      const stream = await openai.chat.completions.create({ ...long, stream: true })
      let pieces = 0
      for await (const _ of stream) {
        if (++pieces === 3) stream.controller.abort()
      }
      const streamMs = await stopped()
      const broken = await openai.chat.completions.create({ ...long, stream: true })
      for await (const _ of broken) break
      const brokenMs = await stopped()
      const abort = new AbortController()
      const whole = caught(() => openai.chat.completions.create(long, { signal: abort.signal }))
      while ((await queue()).running === 0) await new Promise(resolve => setTimeout(resolve, 5))
      // The place that runs, one that waits, and one too many.
      const waiting = caught(() => openai.chat.completions.create(long, { signal: abort.signal }))
      while ((await queue()).waiting === 0) await new Promise(resolve => setTimeout(resolve, 5))
      const full = await caught(() => openai.chat.completions.create(long))
      abort.abort()
      const aborted = await Promise.all([whole, waiting])
      const wholeMs = await stopped()
      const unknown = await caught(() =>
        openai.chat.completions.create({ model: 'gpt-4o', messages }),
      )
      const wrong = await caught(() =>
        openai.chat.completions.create({ model: name, messages, temperature: -1 }),
      )
      await engine.close()
      const of = (error: unknown) => {
        const { status, code, param, type } = error as Record<string, unknown>
        return { status, code, param, type }
      }
      return {
        ...{ pieces, times: [streamMs, brokenMs, wholeMs] },
        aborted: aborted.every(error => error instanceof clients.APIUserAbortError),
        kinds: [
          full instanceof clients.RateLimitError,
          unknown instanceof clients.NotFoundError,
          wrong instanceof clients.BadRequestError,
        ],
        errors: [of(full), of(unknown), of(wrong)],
      }
    },
    { model: MODEL, messages: json.messages },
  )
  expect(seen.pieces).toBe(3)
  expect(seen.aborted).toBe(true)
  for (const ms of seen.times) expect(ms).toBeLessThan(250)
  expect(seen.kinds).toEqual([true, true, true])
  expect(seen.errors).toEqual([
    { status: 429, code: 'queue_full', param: null, type: 'rate_limit_error' },
    { status: 404, code: 'model_not_found', param: 'model', type: 'invalid_request_error' },
    { status: 400, code: 'bad_option', param: 'temperature', type: 'invalid_request_error' },
  ])
  expect(trouble).toEqual([])
})

test('the Vercel AI SDK: text, objects, a tool loop, embeddings', async ({ page }) => {
  const trouble = await open(page)
  const seen = await page.evaluate(
    async ({ model, prompt, tools, plain, schema, anna }) => {
      const { engine, name, ai } = await clients.open(model)
      const chat = { model: ai.chatModel(name), temperature: 0 }
      const streamed = clients.streamText({ ...chat, prompt: plain })
      let text = ''
      for await (const piece of streamed.textStream) text += piece
      const usage = await streamed.usage
      const person = clients.jsonSchema<{ name: string; age: number }>(schema)
      const { object } = await clients.generateObject({ ...chat, prompt: anna, schema: person })
      const { output } = await clients.generateText({
        ...{ ...chat, prompt: anna },
        output: clients.Output.object({ schema: person }),
      })
      const runs: unknown[] = []
      const given = Object.fromEntries(
        tools.map(({ function: { name, description, parameters } }) => [
          name,
          clients.tool({
            description,
            inputSchema: clients.jsonSchema<object>(parameters),
            execute: async input => {
              runs.push({ name, arguments: input })
              return { temperature: 41 }
            },
          }),
        ]),
      )
      const loop = clients.streamText({
        ...{ ...chat, prompt, tools: given, stopWhen: clients.isStepCount(3) },
      })
      await loop.consumeStream()
      const steps = (await loop.steps).map(step => step.finishReason)
      const required = await clients.generateText({
        ...{ ...chat, prompt, tools: given, toolChoice: 'required' as const },
      })
      const { embeddings } = await clients.embedMany({
        ...{ model: ai.embeddingModel(name), values: ['a cat', 'a dog'] },
      })
      const abort = new AbortController()
      const left = clients.streamText({ ...chat, prompt: plain, abortSignal: abort.signal })
      let parts = 0
      for await (const part of left.fullStream) {
        if (part.type === 'text-delta' && ++parts === 1) abort.abort()
      }
      while ((await engine.stats()).queue.running > 0)
        await new Promise(resolve => setTimeout(resolve, 5))
      const { cancelled } = (await engine.stats()).queue
      await engine.close()
      return {
        ...{ text, object, output, runs, steps, cancelled },
        tokens: usage.outputTokens,
        answer: await loop.text,
        calls: required.toolCalls.map(({ toolName, input }) => ({ name: toolName, input })),
        dims: embeddings.map(vector => vector.length === embeddings[0]!.length),
      }
    },
    {
      ...{ model: MODEL, prompt: weather.messages[0]!.content, tools: weather.tools! },
      ...{ plain: json.messages[0]!.content, schema: PERSON, anna: ANNA },
    },
  )
  expect(seen.text).toBe(json.int8.text.replace('<|im_end|>', ''))
  expect(seen.tokens).toBeGreaterThan(5)
  for (const one of [seen.object, seen.output]) {
    expect(one).toEqual({ name: expect.any(String), age: expect.any(Number) })
  }
  expect(seen.runs[0]).toEqual(weather.call)
  expect(seen.steps[0]).toBe('tool-calls')
  expect(seen.steps.length).toBeGreaterThan(1)
  expect(seen.calls[0]!.name).toBe(weather.call!.name)
  expect(seen.dims).toEqual([true, true])
  expect(seen.cancelled).toBe(1)
  expect(trouble).toEqual([])
})

test('LangChain: invoke, stream, structured output, a tool round trip, embeddings', async ({
  page,
}) => {
  const trouble = await open(page)
  const seen = await page.evaluate(
    async ({ model, prompt, tools, plain, schema, anna }) => {
      const { engine, chatOpenAI, embeddings } = await clients.open(model)
      const chat = chatOpenAI()
      const { content } = await chat.invoke(plain)
      let text = ''
      for await (const chunk of await chat.stream(plain)) text += chunk.content
      const fill = chat.withStructuredOutput(schema, { name: 'person', method: 'jsonSchema' })
      const filled = await fill.invoke(anna)
      const bound = chat.bindTools(tools)
      const question = new clients.HumanMessage(prompt)
      const called = await bound.invoke([question])
      const results = called.tool_calls!.map(
        call => new clients.ToolMessage({ content: '41 degrees', tool_call_id: call.id! }),
      )
      const told = await bound.invoke([question, called, ...results])
      const forced = await chat.bindTools(tools, { tool_choice: 'get_weather' }).invoke(prompt)
      const vectors = await embeddings().embedDocuments(['a cat', 'a dog'])
      await engine.close()
      return {
        ...{ content, text, filled },
        calls: called.tool_calls!.map(({ name, args }) => ({ name, arguments: args })),
        told: told.text,
        forced: forced.tool_calls!.map(call => call.name),
        dims: vectors.map(vector => vector.length),
      }
    },
    {
      ...{ model: MODEL, prompt: weather.messages[0]!.content, tools: weather.tools! },
      ...{ plain: json.messages[0]!.content, schema: PERSON, anna: ANNA },
    },
  )
  const answer = json.int8.text.replace('<|im_end|>', '')
  expect([seen.content, seen.text]).toEqual([answer, answer])
  expect(seen.filled).toEqual({ name: expect.any(String), age: expect.any(Number) })
  expect(seen.calls).toEqual([weather.call])
  expect(seen.told).toMatch(/\w/)
  expect(seen.forced).toEqual(['get_weather'])
  expect(seen.dims[0]).toBe(seen.dims[1])
  expect(trouble).toEqual([])
})

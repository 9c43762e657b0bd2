// The adapters of the built package in Chromium, under the strict policy, with the real packages that they are for,
// on the chat model; and what they cost a page that asks for none: nothing.
import { expect, test } from '@playwright/test'
import { appOf, bundle, openWith } from './adapters/bundle.ts'

const MODEL = '/demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'

test.describe.configure({ timeout: 120_000 })

test('the AI SDK streams, calls a tool in the page, and embeds', async ({ page }) => {
  await bundle('ai-sdk')
  await openWith(page, 'ai-sdk')
  await page.waitForFunction(() => 'aiSdk' in globalThis)
  const seen = await page.evaluate(async url => {
    // biome-ignore lint/suspicious/noExplicitAny: of the fixture, typed by test/adapters/ai-sdk.test.ts
    const sdk = (globalThis as any).aiSdk
    const engine = await sdk.load(url)
    const model = sdk.languageModel(engine)
    const pieces: string[] = []
    const told = sdk.streamText({ model, temperature: 0, prompt: 'Hello! What is your name?' })
    for await (const piece of told.textStream) pieces.push(piece)
    const asked: unknown[] = []
    const inputSchema = sdk.jsonSchema({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    })
    const execute = async (input: unknown) => {
      asked.push(input)
      return { temperature: 21, sky: 'clear' }
    }
    const loop = sdk.streamText({
      model,
      temperature: 0,
      prompt: 'What is the weather in Paris?',
      tools: { get_weather: sdk.tool({ description: 'The weather', inputSchema, execute }) },
      toolChoice: 'required',
      stopWhen: sdk.stepCountIs(2),
      prepareStep: ({ stepNumber }: { stepNumber: number }) =>
        stepNumber > 0 ? { toolChoice: 'none' } : {},
    })
    const answer = await loop.text
    const { embeddings } = await sdk.embedMany({
      model: sdk.embeddingModel(engine),
      values: ['a cat', 'a kitten'],
    })
    await engine.close()
    return { pieces, asked, answer, embeddings: embeddings.map((one: number[]) => one.length) }
  }, MODEL)
  expect(seen.pieces.length).toBeGreaterThan(3)
  expect(seen.pieces.join('')).toMatch(/^\w.*[.?!]/)
  expect(seen.asked).toEqual([{ city: expect.any(String) }])
  expect(seen.answer.length).toBeGreaterThan(0)
  expect(seen.embeddings).toHaveLength(2)
})

test('the Prompt API is put where the browser has none, and loads, constrains and streams', async ({
  page,
}) => {
  await bundle('prompt-api')
  await openWith(page, 'prompt-api')
  await page.waitForFunction(() => 'install' in globalThis)
  const seen = await page.evaluate(async url => {
    // biome-ignore lint/suspicious/noExplicitAny: of the fixture, and what it installs
    const page = globalThis as any
    // Chromium has one of its own, without a model behind it here: it is left alone.
    const own = page.LanguageModel
    const kept = own === undefined || (!page.install(url) && page.LanguageModel === own)
    delete page.LanguageModel
    const installed = page.install(url)
    const LanguageModel = page.LanguageModel
    const available = [await LanguageModel.availability()]
    const progress: number[] = []
    const session = await LanguageModel.create({
      samplingMode: 'most-predictable',
      monitor: (m: EventTarget) =>
        m.addEventListener('downloadprogress', event =>
          progress.push((event as ProgressEvent).loaded),
        ),
    })
    available.push(await LanguageModel.availability())
    const responseConstraint = {
      type: 'object',
      properties: { mood: { enum: ['good', 'bad'] } },
      required: ['mood'],
      additionalProperties: false,
    }
    const json = await session.prompt('I am happy.', { responseConstraint })
    const pieces: string[] = []
    for await (const piece of session.promptStreaming('Hello!')) pieces.push(piece)
    session.destroy()
    const after = await session.prompt('x').catch((error: Error) => error.name)
    return { kept, installed, available, progress, json, pieces: pieces.length, after }
  }, MODEL)
  expect([seen.kept, seen.installed]).toEqual([true, true])
  expect(seen.available).toEqual(['downloadable', 'available'])
  expect([seen.progress[0], seen.progress.at(-1)]).toEqual([0, 1])
  expect(JSON.parse(seen.json)).toEqual({ mood: expect.stringMatching(/^(good|bad)$/) })
  expect(seen.pieces).toBeGreaterThan(1)
  expect(seen.after).toBe('InvalidStateError')
})

test('React in StrictMode loads once, writes, and closes when the components have gone', async ({
  page,
}) => {
  await bundle('react')
  await openWith(page, 'react', `?model=${MODEL}`)
  await expect(page.locator('#status')).toHaveText('ready', { timeout: 30_000 })
  await expect(page.locator('#waited')).toHaveText(/ryz-chat/i)
  await page.click('#ask')
  await expect(page.locator('#text')).toHaveText(/\w+/)
  await expect(page.locator('#text')).toHaveAttribute('data-running', 'false')
  // Away and back within the second: the same engine.
  await page.click('#toggle')
  await page.click('#toggle')
  await expect(page.locator('#status')).toHaveText('ready')
  expect(await page.evaluate('counts')).toEqual({ loads: 1, closes: 0 })
  await page.click('#toggle')
  await expect.poll(() => page.evaluate('counts')).toEqual({ loads: 1, closes: 1 })
})

test('an app that loads and generates has no byte of an adapter', async () => {
  const code = await appOf(
    "import { load } from 'ryzanstein'\nglobalThis.run = async url => (await load(url)).generate('x').text()",
  )
  expect(code).toContain('generate()')
  const words = ['LanguageModel', 'stream-start', 'useSyncExternalStore', 'event-stream']
  words.push('ryzanstein-api', 'provide()')
  for (const word of [...words, 'embeddings.create()', 'chat.completions']) {
    expect(code).not.toContain(word)
  }
})

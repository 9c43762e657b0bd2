// The Prompt API over the real chat model: sessions, streams, constraints, prefixes, overflow, aborts, and what is
// refused with the errors that its pages know.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { installPromptApi, promptApi } from '../../src/adapters/prompt-api/prompt-api.ts'
import type { PromptApi } from '../../src/adapters/prompt-api/types.ts'
import type { Ryzanstein } from '../../src/api/ryzanstein.ts'
import { RyzError } from '../../src/errors.ts'
import { chatEngine } from '../support/chat-engine.ts'

let engine: Ryzanstein
let api: PromptApi
beforeAll(async () => {
  class ProgressLike extends Event {
    readonly loaded: number
    constructor(type: string, { loaded }: { loaded: number }) {
      super(type)
      this.loaded = loaded
    }
  }
  vi.stubGlobal('ProgressEvent', ProgressLike)
  engine = await chatEngine({ contextLength: 256 })
  api = promptApi({ load: async () => engine })
})
afterAll(async () => {
  await engine.close()
  vi.unstubAllGlobals()
})

const QUESTION = 'Hello! What is your name?'
const certain = { samplingMode: 'most-predictable' } as const
async function failure(work: PromiseLike<unknown>): Promise<Error> {
  return Promise.resolve(work).then(
    () => {
      throw new Error('it did not fail')
    },
    (caught: Error) => caught,
  )
}

describe('LanguageModel', () => {
  it('tells what it is able to do', async () => {
    const told = { fits: true, downloadBytes: 5 }
    let finish!: (engine: Ryzanstein) => void
    const waiting = new Promise<Ryzanstein>(resolve => {
      finish = resolve
    })
    const fresh = promptApi({ load: () => waiting, forecast: async () => told })
    expect(await fresh.availability()).toBe('downloadable')
    told.downloadBytes = 0
    expect(await fresh.availability({ expectedInputs: [{ type: 'text' }] })).toBe('available')
    expect(await fresh.availability({ expectedInputs: [{ type: 'image' }] })).toBe('unavailable')
    told.fits = false
    expect(await fresh.availability()).toBe('unavailable')
    const creating = fresh.create()
    expect(await fresh.availability()).toBe('downloading')
    finish(engine)
    await creating
    expect(await fresh.availability()).toBe('available')
  })

  it('loads once for all sessions, tells progress from 0 to 1, and one may give up', async () => {
    let loads = 0
    let go!: () => void
    const gate = new Promise<void>(resolve => {
      go = resolve
    })
    const fresh = promptApi({
      load: async ({ onProgress }) => {
        loads++
        await gate
        for (const loadedBytes of [25, 50, 100]) {
          onProgress?.({ phase: 'weights', loadedBytes, totalBytes: 100 } as never)
        }
        return engine
      },
    })
    const seen: number[] = []
    const first = fresh.create({
      monitor: monitor =>
        monitor.addEventListener('downloadprogress', event =>
          seen.push((event as ProgressEvent).loaded),
        ),
    })
    const abort = new AbortController()
    const second = fresh.create({ signal: abort.signal })
    abort.abort()
    expect(await failure(second)).toMatchObject({ name: 'AbortError' })
    go()
    await first
    await fresh.create()
    expect(loads).toBe(1)
    expect(seen).toEqual([0, 0.25, 0.5, 1])
  })

  it('tries again after a load that failed', async () => {
    let loads = 0
    const fresh = promptApi({
      load: async () => {
        if (loads++ === 0) throw new RyzError('NETWORK', 'offline')
        return engine
      },
    })
    expect(await failure(fresh.create())).toMatchObject({ name: 'OperationError' })
    await fresh.create()
    expect(loads).toBe(2)
  })

  it('refuses what the specification refuses', async () => {
    const both = { samplingMode: 'creative', temperature: 1 } as never
    expect(await failure(api.create(both))).toBeInstanceOf(TypeError)
    expect(await failure(api.create({ temperature: -1, topK: 3 }))).toBeInstanceOf(RangeError)
    const pictures = api.create({ expectedInputs: [{ type: 'image' }] })
    expect(await failure(pictures)).toMatchObject({ name: 'NotSupportedError' })
    const late = { role: 'system', content: 'x' } as const
    const user = { role: 'user', content: 'x' } as const
    expect(await failure(api.create({ initialPrompts: [user, late] }))).toBeInstanceOf(TypeError)
    expect(() => promptApi({} as never)).toThrow(TypeError)
  })

  it('is installed where there is none', () => {
    const options = { load: async () => engine }
    expect(installPromptApi(options)).toBe(true)
    expect(installPromptApi(options)).toBe(false)
    expect(installPromptApi(options, true)).toBe(true)
    Reflect.deleteProperty(globalThis, 'LanguageModel')
  })
})

describe('a session', () => {
  it('answers as chat() does, and remembers', async () => {
    const session = await api.create({
      ...certain,
      initialPrompts: [{ role: 'system', content: 'You are Ryz.' }],
    })
    const before = session.contextUsage
    expect(before).toBeGreaterThan(0)
    const messages = [
      { role: 'system', content: 'You are Ryz.' },
      { role: 'user', content: QUESTION },
    ]
    const options = { temperature: 0 }
    const want = await engine.chat(messages, options).text()
    expect(await session.prompt(QUESTION)).toBe(want)
    expect(session.contextUsage).toBeGreaterThan(before)
    const next = 'What can you do?'
    messages.push({ role: 'assistant', content: want }, { role: 'user', content: next })
    expect(await session.prompt(next)).toBe(await engine.chat(messages, options).text())
    expect(session).toMatchObject({ temperature: 0, topK: 40, inputQuota: 256, contextWindow: 256 })
  })

  it('streams pieces that join to the answer', async () => {
    const session = await api.create(certain)
    const whole = await (await session.clone()).prompt(QUESTION)
    const pieces: string[] = []
    for await (const piece of session.promptStreaming(QUESTION)) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(2)
    expect(pieces.join('')).toBe(whole)
  })

  it('holds to schemas and regular expressions', async () => {
    const session = await api.create(certain)
    const schema = {
      type: 'object',
      properties: { mood: { enum: ['good', 'bad'] } },
      required: ['mood'],
      additionalProperties: false,
    }
    const json = JSON.parse(await session.prompt('I am happy.', { responseConstraint: schema }))
    expect(['good', 'bad']).toContain(json.mood)
    const text = await session.prompt('Yes or no?', { responseConstraint: /(yes|no)!/ })
    expect(text).toMatch(/^(yes|no)!$/)
    // Half an answer is none, and is not remembered.
    const used = session.contextUsage
    const endless = { type: 'string', minLength: 5000 }
    const cut = session.prompt('x', { responseConstraint: endless })
    expect(await failure(cut)).toMatchObject({ name: 'OperationError' })
    expect(session.contextUsage).toBe(used)
    const odd = session.prompt('x', { responseConstraint: /a/i })
    expect(await failure(odd)).toMatchObject({ name: 'NotSupportedError' })
    const wrong = session.prompt('x', { responseConstraint: { type: 'nothing' } })
    expect(await failure(wrong)).toMatchObject({ name: 'NotSupportedError' })
  })

  it('goes on from a prefix', async () => {
    const session = await api.create(certain)
    const text = await session.prompt([
      { role: 'user', content: QUESTION },
      { role: 'assistant', content: 'My name', prefix: true },
    ])
    const messages = [
      { role: 'user', content: QUESTION },
      { role: 'assistant', content: 'My name' },
    ]
    const want = await engine.chat(messages, { temperature: 0, continueLast: true }).text()
    expect(text.trim()).toBe(want.trim())
  })

  it('measures, appends, and clones apart', async () => {
    const session = await api.create(certain)
    const cost = await session.measureContextUsage('I live in Oslo.')
    expect(cost).toBeGreaterThan(3)
    expect(await session.measureInputUsage('I live in Oslo.')).toBe(cost)
    expect(await session.append('I live in Oslo.')).toBeUndefined()
    const used = session.contextUsage
    expect(used).toBeGreaterThanOrEqual(cost)
    const copy = await session.clone()
    await copy.prompt('Hello!')
    expect([session.contextUsage, copy.contextUsage > used]).toEqual([used, true])
  })

  it('forgets the oldest when it is full, not the system prompt, and says so', async () => {
    const session = await api.create({
      ...certain,
      initialPrompts: [{ role: 'system', content: 'You are Ryz.' }],
    })
    const events: string[] = []
    session.oncontextoverflow = event => events.push(event.type)
    session.addEventListener('quotaoverflow', event => events.push(event.type))
    for (let i = 0; i < 12; i++) await session.append(`Note ${i}: the fox ran over the hill again.`)
    expect(events).toContain('contextoverflow')
    expect(events).toContain('quotaoverflow')
    expect(session.contextUsage).toBeLessThanOrEqual(session.contextWindow)
    expect((await session.prompt('Hello!')).length).toBeGreaterThan(0)
    const huge = await failure(session.prompt('fox '.repeat(400)))
    expect(huge).toMatchObject({ name: 'QuotaExceededError', quota: 256 })
    expect((huge as unknown as { requested: number }).requested).toBeGreaterThan(256)
  })

  it('runs tools and answers with what they say', async () => {
    const asked: unknown[] = []
    const inputSchema = {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    }
    const execute = async (input: unknown) => {
      asked.push(input)
      return '{"temperature": 21, "sky": "clear"}'
    }
    const tool = { name: 'get_weather', description: 'The weather in a city', inputSchema, execute }
    const session = await api.create({ ...certain, tools: [tool] })
    const text = await session.prompt('What is the weather in Paris?')
    expect(text.length).toBeGreaterThan(0)
    expect(text).not.toContain('<tool_call>')
    for (const input of asked) expect(input).toEqual({ city: expect.any(String) })
    expect(asked.length).toBeGreaterThan(0)
  })

  it('takes prompts one after the other, and ends with signal and destroy()', async () => {
    const session = await api.create({ temperature: 1.5, topK: 1000 })
    const abort = new AbortController()
    const first = session.prompt('Tell me a long story.', { signal: abort.signal })
    const second = session.prompt('Hello!', { responseConstraint: /[a-z]{3}/ })
    abort.abort()
    expect(await failure(first)).toMatchObject({ name: 'AbortError' })
    expect(await second).toMatch(/^[a-z]{3}$/)
    const left = session.promptStreaming('Tell me a long story.').getReader()
    await left.read()
    await left.cancel()
    const third = session.prompt('Tell me another.')
    session.destroy()
    expect(await failure(third)).toMatchObject({
      name: expect.stringMatching(/Abort|InvalidState/),
    })
    expect(await failure(session.prompt('x'))).toMatchObject({ name: 'InvalidStateError' })
    await vi.waitFor(async () => expect((await engine.stats()).queue.running).toBe(0))
  })

  it('refuses pictures, empty prompts and prefixes elsewhere', async () => {
    const session = await api.create(certain)
    const picture = [{ role: 'user', content: [{ type: 'image', value: {} }] }] as never
    expect(await failure(session.prompt(picture))).toMatchObject({ name: 'NotSupportedError' })
    for (const wrong of [
      [],
      [{ role: 'robot', content: 'x' }],
      [{ role: 'user', content: 5 }],
      7,
    ]) {
      expect(await failure(session.prompt(wrong as never))).toBeInstanceOf(TypeError)
    }
    const prefix = [{ role: 'user', content: 'x', prefix: true }] as never
    expect(await failure(session.prompt(prefix))).toBeInstanceOf(TypeError)
    const parts = [{ role: 'user', content: [{ type: 'text', value: 'Hello!' }] }] as const
    expect((await session.prompt([...parts] as never)).length).toBeGreaterThan(0)
  })
})

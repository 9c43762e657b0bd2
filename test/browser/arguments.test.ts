// The built package in Chromium: wrong arguments of every kind fail their call alone, and what streams goes on.
import { load, openai, type Ryzanstein, RyzError, sessions, willItRun } from 'ryzanstein'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hostileValues } from '../support/hostile.ts'

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
const quick = { maxTokens: 1, temperature: 0 } as const
const messages = [{ role: 'user', content: 'x' }]

let engine: Ryzanstein
let text: string
const write = () => engine.generate('Once upon a time', { temperature: 0, maxTokens: 12 }).text()
beforeAll(async () => {
  engine = await load(MODEL, { contextLength: 64 })
  text = await write()
})
afterAll(() => engine.close())

type Call = (value: never) => unknown
const calls: Record<string, Call> = {
  'load(source)': x => load(x).then(other => other.close()),
  'willItRun(source)': x => willItRun(x),
  'generate(prompt)': x => engine.generate(x, quick).result,
  'generate(_, options)': x => engine.generate('x', x).result,
  'chat(messages)': x => engine.chat(x, quick).result,
  'score(input)': x => engine.score(x),
  'embed(texts)': x => engine.embed(x),
  'embed(_, options)': x => engine.embed('x', x),
  'tokenize(text)': x => engine.tokenize(x),
  'detokenize(ids)': x => engine.detokenize(x),
  'countTokens(input)': x => engine.countTokens(x),
  'saveSession(input)': x => engine.saveSession(x),
  'restoreSession(session)': x => engine.restoreSession(x),
  'sessions.load(name)': x => sessions.load(x),
  'create(request)': x => openai(engine).chat.completions.create(x),
  'create({ messages })': x => openai(engine).chat.completions.create({ messages: x }),
}
for (const name of ['temperature', 'topK', 'seed', 'stop', 'logitBias', 'signal', 'onQueue']) {
  calls[`generate(_, { ${name} })`] = x => engine.generate('x', { ...quick, [name]: x }).result
}

test.each(Object.entries(calls))('%s', async (_, call) => {
  const beside = write()
  const values = hostileValues()
  // Of what may be a model's URL: the network is not what is tried here.
  for (const name of ['lone surrogate', 'a NUL', '__proto__name', 'URL']) delete values[name]
  for (const [name, value] of Object.entries(values)) {
    try {
      await call(value as never)
    } catch (caught) {
      if (!(caught instanceof RyzError)) throw new Error(`${name}: ${String(caught)}`)
    }
  }
  expect(await beside).toBe(text)
  expect(await write()).toBe(text)
  expect((await engine.stats()).faults.restarts).toEqual([])
})

test('one wrong argument after the other names itself, and the engine goes on', async () => {
  const wrong: [string, () => Promise<unknown>][] = [
    ['ids', () => engine.detokenize(undefined as never)],
    ['input', () => engine.score(undefined as never)],
    ['input', () => engine.saveSession(undefined as never)],
    ['temperatur', () => engine.chat(messages, { temperatur: 1 } as object).result],
  ]
  for (const [option, run] of wrong) {
    for (let again = 0; again < 3; again++) {
      await expect(run()).rejects.toMatchObject({ code: 'BAD_OPTION', detail: { option } })
    }
  }
  expect(await write()).toBe(text)
})

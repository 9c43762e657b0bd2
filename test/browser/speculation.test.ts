// Speculation of the built package in Chromium: the same tokens with lookup and with a draft model as without; the
// draft is counted in the forecast and in the memory, and one of another vocabulary is refused.
import { type LoadOptions, load, willItRun } from 'ryzanstein'
import { expect, test } from 'vitest'

const MODEL = '/demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'
const DRAFT = '/demo/public/models/ryz-chat-draft-tq2_0-embq8_0.gguf'
const TALES = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
const PLAIN = { contextLength: 512, maxSequences: 1, threads: 1 } satisfies LoadOptions
const EVERY = { lookup: true, maxTokens: 4, adaptive: false }
const QUESTION = [
  { role: 'user', content: 'Extract name and city as JSON.\nMiriam Hofstaetter lives in Wien.' },
] as const
const FORMAT = {
  type: 'json_schema',
  schema: {
    type: 'object',
    properties: { name: { type: 'string' }, city: { type: 'string' } },
    required: ['name', 'city'],
    additionalProperties: false,
  },
} as const

/** Neither its text nor a form says how it goes on: that is for the draft. */
const FREE = [{ role: 'user', content: 'What do you like to eat in winter?' }] as const

async function answers(options: LoadOptions) {
  const engine = await load(MODEL, options)
  const tokens: number[][] = []
  for (const temperature of [0, 0, 0.8]) {
    const asked = { temperature, seed: 7, maxTokens: 48, responseFormat: FORMAT }
    tokens.push((await engine.chat(QUESTION, asked).result).tokens)
  }
  tokens.push((await engine.chat(FREE, { temperature: 0, maxTokens: 24 }).result).tokens)
  const stats = await engine.stats()
  await engine.close()
  return { tokens, stats }
}

test('tokens are the same with lookup and with a draft model', { timeout: 60_000 }, async () => {
  const plain = await answers({ ...PLAIN, speculation: 'off' })
  expect(plain.stats.speculation).toMatchObject({ on: false, proposed: 0 })
  const lookup = await answers({ ...PLAIN, speculation: EVERY })
  expect(lookup.tokens).toEqual(plain.tokens)
  expect(lookup.stats.speculation.accepted).toBeGreaterThan(5)
  expect(lookup.stats.speculation.costs.length).toBeGreaterThan(1)

  const draft = { ...PLAIN, speculation: EVERY, draft: DRAFT }
  const told = await willItRun(MODEL, draft)
  const drafted = await answers(draft)
  expect(drafted.tokens).toEqual(plain.tokens)
  const { memory, speculation } = drafted.stats
  expect(speculation.accepted).toBeGreaterThan(5)
  expect(speculation.draft?.failed).toBeUndefined()
  expect(speculation.draft?.ms).toBeGreaterThan(0)
  expect(memory?.draft).toBeGreaterThan(1e6)
  expect(told.peakBytes.draft).toBeGreaterThanOrEqual(memory!.draft!)
})

test('a draft of another vocabulary is refused by the option', async () => {
  const refused = await load(TALES, { ...PLAIN, draft: DRAFT }).catch(error => error)
  expect(refused).toMatchObject({ detail: { option: 'draft' } })
  expect(refused.message).toContain('another vocabulary')
})

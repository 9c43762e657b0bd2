// A draft model beside the model it drafts for: opened, held to its vocabulary, counted, closed. The two chat
// models in the repository share one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import 'fake-indexeddb/auto'
import { Engine } from '../../../src/engine/engine.ts'
import { forecast } from '../../../src/engine/load/forecast.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import type { LoadOptions } from '../../../src/types/index.ts'
import { EMBEDDED, fileOf } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'
import { run } from '../driver.ts'

const CHAT = fileOf('demo/public/models/ryz-chat-tq2_0-embq8_0.gguf')
const DRAFT = fileOf('demo/public/models/ryz-chat-draft-tq2_0-embq8_0.gguf')
const TALES = fileOf(EMBEDDED)
const factories = [wasmFactory('simd128', 1)]
const hooks = { progress: () => undefined, signal: new AbortController().signal }
const options: LoadOptions = { contextLength: 512, maxSequences: 2, cache: 'off' }

const open = (draft: LoadOptions['draft'], more: LoadOptions = {}) =>
  openEngineParts(CHAT, { ...options, ...more, draft }, hooks, factories)

const told = (draft: LoadOptions['draft'], more: LoadOptions = {}) =>
  forecast(CHAT, { ...options, ...more, draft }, hooks.signal, factories, async f => ({
    factories: f,
  }))

describe('a draft model', () => {
  let parts: Awaited<ReturnType<typeof open>>
  beforeAll(async () => {
    parts = await open(DRAFT)
  })
  afterAll(() => parts.close())

  it('is counted in memory, as willItRun() tells it', async () => {
    const bytes = parts.draft!.bytes
    expect(parts.draft!.name).toMatch(/draft/)
    expect(bytes).toBeGreaterThan(3e6)
    const forecasted = await told(DRAFT)
    expect(forecasted).toMatchObject({ fits: true, fileBytes: CHAT.size + DRAFT.size })
    const { draft, total, weights, kv, scratch, page } = forecasted.peakBytes
    expect(Math.abs(draft! - bytes)).toBeLessThan(5e6)
    expect(total).toBe(weights + kv + scratch + page + draft!)
    expect((await told(undefined)).peakBytes.draft).toBeUndefined()
  })

  it('leaves less for the model, and is named where that is too little', async () => {
    const most = 170e6 + 14e6
    await expect(open(DRAFT, { memoryBudget: most, contextLength: 4096 })).rejects.toMatchObject({
      code: 'MEMORY_BUDGET',
      message: expect.stringContaining('for the draft model'),
    })
  })

  it('of another vocabulary is refused by name, before the weights of the model are read', async () => {
    for (const refused of [open(TALES), told(TALES).then(f => Promise.reject(f.refusal))]) {
      await expect(refused).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringMatching(/draft model .* has another vocabulary/),
      })
    }
    await expect(open(new File(['no model'], 'x.gguf'))).rejects.toMatchObject({
      code: 'NOT_A_MODEL',
    })
  })

  it('guesses what the chat model answers, greedily: the same tokens', async () => {
    const { tokenizer, chat } = parts
    const messages = [
      { role: 'user', content: 'Turn on the light in the kitchen, please.' },
    ] as const
    const { text, trusted } = await chat.render({ messages } as never, {})
    const prompt = tokenizer.encode(text, { addSpecial: false, parseSpecial: true, trusted })
    const answer = async (speculation: LoadOptions['speculation']) => {
      const engine = new Engine({ ...parts, close: () => undefined }, { speculation })
      const { result } = await run(engine, [...prompt], { temperature: 0, maxTokens: 48 }).ended
      const stats = engine.stats().speculation
      await engine.close()
      return { tokens: result!.tokens, stats }
    }
    const plain = await answer('off')
    const drafted = await answer({ adaptive: false, lookup: false, maxTokens: 3 })
    expect(drafted.tokens).toEqual(plain.tokens)
    expect(drafted.stats.accepted).toBeGreaterThan(4)
  })
})

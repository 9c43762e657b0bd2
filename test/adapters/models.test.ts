// The table of published models: names that load() takes, and an estimate that agrees with what engines take.
import { expect, test } from 'vitest'
import { memoryEstimate, models, weightEstimate } from '../../src/adapters/models/models.ts'
import { hubName } from '../../src/net/hub.ts'
import { EMBEDDED, fileOf, openParts, referenceFactory } from '../support/open.ts'

test.each(models.map(m => [m.name, m] as const))(
  '%s has a source, a licence, and says what we know',
  (_, model) => {
    expect(hubName(model.source)).toMatchObject({
      repo: expect.stringMatching(/^[\w-]+\/[\w.-]+$/),
    })
    expect(model.licence).not.toBe('')
    expect(model.tried).toBe('not tried by us')
    expect(model.downloadBytes).toBeGreaterThan(1e6)
    // A ternary file is no smaller than 1.58 bits a weight.
    expect(model.downloadBytes).toBeGreaterThan((model.parameters * 1.58) / 8)
  },
)

test('names and sources are there once', () => {
  expect(new Set(models.map(m => m.source)).size).toBe(models.length)
  expect(new Set(models.map(m => m.name)).size).toBe(models.length)
})

test.each([EMBEDDED, 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'])(
  'the weights of %s are estimated within 5 percent',
  async path => {
    const parts = await openParts([fileOf(path)], referenceFactory)
    const { hidden, ffn, layers, heads, kvHeads, headDim, vocab, layouts } = parts.info
    const tied = Object.entries(layouts).every(([layout, count]) => layout !== 'i8' || count === 1)
    const estimate = weightEstimate({ hidden, ffn, layers, heads, kvHeads, headDim, vocab, tied })
    // Norms and scales of rows, which are left out, weigh more in models as small as these.
    expect(Math.abs(estimate / parts.memory.weights - 1)).toBeLessThan(0.05)
    await parts.close()
  },
)

test("the 2B-4T's page is estimated near what was measured (1,116 MB with int8 KV, docs/PERFORMANCE.md)", () => {
  const { shape, memoryBytes } = models[0]!
  expect(memoryBytes).toBe(Math.round(memoryEstimate(shape!)))
  expect(Math.abs(memoryBytes! / 1116e6 - 1)).toBeLessThan(0.1)
})

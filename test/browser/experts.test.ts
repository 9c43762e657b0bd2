// Mixtures of experts in the built package: loaded in a real Chromium, proved by the self-test, the same text on
// every rung, told in stats() and willItRun(), and refused where the file is broken.
import { type LoadOptions, load, willItRun } from 'ryzanstein'
import { describe, expect, test } from 'vitest'

const MODEL = '/test/golden/data/moe-qwen2.gguf'
const GREEDY = { temperature: 0, maxTokens: 12 } as const
/** Golden prompt 1 and what follows it with int8 activations in strict mode. */
const GOLDEN = '/test/golden/data/moe-qwen2.json'

interface Golden {
  prompts: { ids: number[]; int8: { greedy: number[]; gaps: number[] } }[]
}

describe('a mixture of experts', () => {
  const rungs: [string, LoadOptions][] = [
    ['as it is chosen', {}],
    ['on 2 threads', { threads: 2 }],
    ['on one', { threads: 1, variant: 'simd128' }],
    ['on the reference', { backend: 'reference' }],
  ]
  let first: number[] | undefined

  test.each(rungs)('%s gives the same tokens, and counts them', async (_, options) => {
    const { prompts } = (await (await fetch(GOLDEN)).json()) as Golden
    const { ids, int8 } = prompts[1]!
    const engine = await load(MODEL, { strict: true, ...options })
    try {
      const { tokens } = await engine.generate(ids, GREEDY).result
      first ??= tokens
      expect(tokens).toEqual(first)
      // Up to the first step at which another correct program may choose otherwise.
      const clear = int8.gaps.findIndex(gap => gap < 0.4)
      const sure = clear < 0 ? GREEDY.maxTokens : clear
      expect(tokens.slice(0, sure)).toEqual(int8.greedy.slice(0, Math.min(sure, tokens.length)))
      const { model, experts, fallbacks, faults } = await engine.stats()
      expect(model.experts).toEqual({ count: 6, used: 2, sharedFfn: 128 })
      expect(experts!.tokens.map(layer => layer.length)).toEqual([6, 6])
      expect(experts!.tokens.flat().reduce((a, b) => a + b)).toBeGreaterThan(2 * 2 * 12)
      expect([fallbacks, faults.recomputed]).toEqual([[], 0])
    } finally {
      await engine.close()
    }
  })

  test('willItRun() plans what load() takes', async () => {
    const told = await willItRun(MODEL)
    expect([told.fits, told.architecture]).toEqual([true, 'qwen2moe'])
    const engine = await load(MODEL)
    const { memory } = await engine.stats()
    expect(told.peakBytes.weights).toBeGreaterThanOrEqual(memory.weights)
    await engine.close()
  })

  test('on the GPU it is proved, gives the golden tokens, and is counted', {
    timeout: 180_000,
  }, async () => {
    const { prompts } = (await (await fetch(GOLDEN)).json()) as Golden
    const { ids, int8 } = prompts[1]!
    const gpu = { backend: 'webgpu', allowSoftwareAdapter: true } as const
    const engine = await load(MODEL, { strict: true, ...gpu })
    const { tokens } = await engine.generate(ids, { ...GREEDY, ignoreEos: true }).result
    const { backend, experts, queue } = await engine.stats()
    await engine.close()
    expect([backend, queue.served, queue.failed]).toEqual(['webgpu', 1, 0])
    const clear = int8.gaps.findIndex(gap => gap < 0.4)
    const sure = clear < 0 ? GREEDY.maxTokens : clear
    expect(tokens.slice(0, sure)).toEqual(int8.greedy.slice(0, sure))
    // Two of six in each of two layers, for the prompt and all tokens that were fed.
    const rows = experts!.tokens.map(layer => layer.reduce((a, b) => a + b) / 2)
    expect(rows[0]).toBe(rows[1])
    expect(rows[0]).toBeGreaterThanOrEqual(ids.length + GREEDY.maxTokens - 1)
  })

  test('damage in the last expert is BAD_WEIGHTS, and the next load is whole', async () => {
    const bytes = new Uint8Array(await (await fetch(MODEL)).arrayBuffer())
    const whole = new File([bytes.slice()], 'whole.gguf')
    // The file ends with a stack or with a norm: every byte of the last quarter becomes code 3.
    bytes.fill(0xff, (3 * bytes.length) / 4)
    const refused = load(new File([bytes], 'damaged.gguf')).then(
      () => 'loaded',
      error => error.code,
    )
    expect(await refused).toBe('BAD_WEIGHTS')
    const engine = await load(whole)
    expect((await engine.generate([5, 6, 7], GREEDY).result).tokens.length).toBeGreaterThan(0)
    await engine.close()
  })
})

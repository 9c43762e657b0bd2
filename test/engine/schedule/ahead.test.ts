// Steps that are sent before the ones before them are read: whatever ends an answer or comes beside it, its
// tokens are those of a sampler that reads every step. The network is a fake that draws at once and answers late.
import { describe, expect, it } from 'vitest'
import { Pace } from '../../../src/engine/schedule/pace.ts'
import type { GenerateOptions } from '../../../src/types/index.ts'
import { run, start, tokens } from '../driver.ts'
import { type FakeOptions, pseudoLogits, spelling } from '../fakes.ts'

const soon = () => new Promise<void>(resolve => setTimeout(resolve, 1))
const DRAWS: FakeOptions = { draws: soon }

async function textOf(
  fake: FakeOptions,
  ahead: number | undefined,
  options: GenerateOptions,
  prompt: string | number[] = 'Once',
) {
  const { engine, network } = start(fake, { speculation: 'off' }, { ahead })
  const { result, error } = await run(engine, prompt, { seed: 5, maxTokens: 40, ...options }).ended
  if (error !== undefined) throw error
  await engine.close()
  expect(network.kv.usedBlocks).toBe(0)
  return { ...result!, network }
}

describe('an answer whose tokens the network draws, up to 5 steps ahead', () => {
  it.each<GenerateOptions>([
    { temperature: 0 },
    {},
    { temperature: 1.4, topK: 9, minP: 0.05 },
    { temperature: 1, topK: 0, topP: 0.7 },
  ])('is the one that the sampler draws: %o', async options => {
    const want = await textOf({}, undefined, options)
    for (const ahead of [0, 1, 5]) {
      const got = await textOf(DRAWS, ahead, options)
      expect(got.tokens).toEqual(want.tokens)
      // What no token is left for is not sent.
      expect(got.network.drawnSteps).toBe(39)
    }
  })

  it('ends at a stop string in the middle, an end token, a full context', async () => {
    const all = (await textOf({}, undefined, { temperature: 0 })).text
    const stop = all.slice(11, 14)
    for (const ahead of [0, 5]) {
      const got = await textOf(DRAWS, ahead, { temperature: 0, stop: [stop] })
      expect(got.finishReason).toBe('stop')
      expect(got.text).toBe(all.slice(0, all.indexOf(stop)))
      const spelled = { ...DRAWS, logits: spelling('as it was', 5) }
      expect(await textOf(spelled, ahead, {})).toMatchObject({
        text: 'as it was',
        finishReason: 'eos',
      })
      const small = { ...DRAWS, contextLength: 32 }
      expect(await textOf(small, ahead, {}, tokens(20))).toMatchObject({ finishReason: 'context' })
      const slid = await textOf(small, ahead, { overflow: 'slide', keep: 4 }, tokens(20))
      const want = await textOf(
        { contextLength: 32 },
        undefined,
        { overflow: 'slide', keep: 4 },
        tokens(20),
      )
      expect(slid.tokens).toEqual(want.tokens)
      expect(slid.slides).toBeGreaterThan(0)
    }
  })

  it('goes on alone when another is cancelled, and beside one that joins', async () => {
    const alone = await Promise.all(
      ['Once', 'Twice', 'Thrice'].map(p => textOf({}, undefined, {}, p)),
    )
    const { engine, network } = start(DRAWS, { maxSequences: 3, speculation: 'off' }, { ahead: 4 })
    const once = run(engine, 'Once', { seed: 5, maxTokens: 40 })
    const twice = run(engine, 'Twice', { seed: 5, maxTokens: 40 })
    while (twice.chunks.length < 6) await soon()
    twice.cancel()
    const thrice = run(engine, 'Thrice', { seed: 5, maxTokens: 40 })
    await Promise.all([once.ended, thrice.ended])
    expect(once.result!.tokens).toEqual(alone[0]!.tokens)
    expect(thrice.result!.tokens).toEqual(alone[2]!.tokens)
    expect(twice.chunks.flatMap(c => c.tokens)).toEqual(
      alone[1]!.tokens.slice(0, twice.chunks.length),
    )
    expect(network.kv.usedBlocks).toBe(0)
    expect(network.drawnSteps).toBeGreaterThan(40)
  })

  it('survives eviction: memory for one of two', async () => {
    const long = { seed: 5, maxTokens: 90 }
    const want = await Promise.all(['Once', 'Twice'].map(p => textOf({}, undefined, long, p)))
    const { engine, network } = start(
      { ...DRAWS, blocks: 5 },
      { maxSequences: 2, speculation: 'off' },
      { ahead: 5 },
    )
    const both = ['Once', 'Twice'].map(p => run(engine, p, long))
    for (const [i, { ended }] of both.entries()) {
      expect((await ended).result!.tokens).toEqual(want[i]!.tokens)
    }
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('reads what cannot be drawn, and goes on drawing', async () => {
    let odd = 0
    const logits = (out: Float32Array, held: readonly number[]): void => {
      pseudoLogits(out, held)
      // Every seventh row is flat: the likeliest 64 of it hold too little.
      if (held.length % 7 > 0) return
      odd++
      for (let i = 0; i < 250; i++) out[i] = 8 - i / 1000
    }
    const options = { temperature: 1, topK: 0, topP: 0.9 } as const
    const want = await textOf({ logits }, undefined, options)
    const got = await textOf({ ...DRAWS, logits }, 3, options)
    expect(got.tokens).toEqual(want.tokens)
    expect(odd).toBeGreaterThan(10)
  })

  it('says why it reads: penalties, bias, log-probabilities, more than 64', async () => {
    const { engine, network } = start(DRAWS, { speculation: 'off' }, { ahead: 3 })
    for (const options of [
      { repetitionPenalty: 1.2 },
      { logitBias: { 97: 1 } },
      { logprobs: 1 },
      { topK: 100 },
      { topK: 0, topP: 1 },
    ]) {
      const { result } = await run(engine, 'Once', { seed: 5, maxTokens: 4, ...options }).ended
      expect(result!.tokens).toHaveLength(4)
    }
    expect(network.drawnSteps).toBe(0)
    expect(network.steps.length).toBeGreaterThan(5 * 3)
  })
})

describe('how far ahead', () => {
  it('follows from the wait and the time of a token', () => {
    const pace = new Pace()
    expect(pace.steps).toBe(0)
    pace.learnWait(103)
    pace.learnWait(110)
    expect(pace.steps).toBe(0)
    for (let i = 0; i < 8; i++) pace.learnStep(103 + 20 * 3, 2)
    expect(pace).toMatchObject({ waitMs: 103, tokenMs: 20, steps: 5 })
    // Chrome: next to nothing, or a step or two.
    const chrome = new Pace()
    chrome.learnWait(0.5)
    chrome.learnStep(20.5, 0)
    expect(chrome.steps).toBe(0)
    const quick = new Pace()
    quick.learnWait(3)
    quick.learnStep(5, 0)
    expect(quick.steps).toBe(2)
  })

  it('keeps decode above 9 tokens a second where an answer takes 103 ms, and a stop within 250', async () => {
    const draws = () => new Promise<void>(resolve => setTimeout(resolve, 103))
    const { engine, network } = start({ draws }, { speculation: 'off' })
    await engine.measure()
    // The first answers teach it.
    await run(engine, 'Once', { maxTokens: 4, temperature: 0 }).ended
    const began = performance.now()
    const long = run(engine, 'Once', { maxTokens: 300, temperature: 0 })
    while (long.chunks.length < 30) await soon()
    expect((1000 * 30) / (performance.now() - began)).toBeGreaterThan(9)
    const asked = performance.now()
    long.cancel()
    expect((await long.ended).error).toMatchObject({ code: 'ABORTED' })
    // Another one is heard, too.
    const next = run(engine, 'Twice', { maxTokens: 1, temperature: 0 })
    await next.ended
    expect(performance.now() - asked).toBeLessThan(250)
    expect(network.kv.usedBlocks).toBe(0)
  })
})

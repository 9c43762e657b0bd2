// Prompts that begin alike share what was computed, and nobody can tell from the text; what no longer
// fits slides. The network of these tests reads its tokens from the KV blocks.
import { describe, expect, it } from 'vitest'
import { PrefixIndex } from '../../../src/engine/schedule/prefix-index.ts'
import { RyzError } from '../../../src/errors.ts'
import { KvCache } from '../../../src/model/kv-cache.ts'
import type { GenerateOptions } from '../../../src/types/index.ts'
import { run, score, slow, start, tokens } from '../driver.ts'
import { until } from '../fakes.ts'

const options: GenerateOptions = { maxTokens: 40, temperature: 1, seed: 4 }

/** What a prompt gets from an engine that knows nothing else. */
async function fresh(prompt: number[], more: GenerateOptions = {}): Promise<number[]> {
  const { engine } = start()
  return (await run(engine, prompt, { ...options, ...more }).ended).result!.tokens
}

describe('prefix reuse', () => {
  it('computes only what was not computed before, with the same answer', async () => {
    const { engine, network } = start()
    const system = tokens(100)
    const prompts = [1, 2, 3].map(last => [...system, last, last])
    for (const [i, prompt] of prompts.entries()) {
      const { result } = await run(engine, prompt, options).ended
      expect(result!.reusedTokens).toBe(i === 0 ? 0 : 96)
      expect(result!.tokens).toEqual(await fresh(prompt))
    }
    expect(network.kv.usedBlocks).toBe(0)
    expect(engine.stats().memory.kvBlocksCached).toBe(network.kv.cachedBlocks)
    expect(engine.stats().reuse).toEqual({ tokens: 192, requests: 2 })
    expect(engine.stats().prefill.tokens).toBe(102 + 6 + 6)
  })

  it('finds the answers of earlier turns', async () => {
    const { engine } = start()
    let chat = tokens(50)
    for (let turn = 0; turn < 4; turn++) {
      const { result } = await run(engine, chat, options).ended
      expect(result!.tokens).toEqual(await fresh(chat))
      // All full blocks of the turn before but for the last token, which nobody fed.
      if (turn > 0) expect(result!.reusedTokens).toBe(Math.floor((chat.length - 8) / 32) * 32)
      chat = [...chat, ...result!.tokens, ...tokens(7, turn)]
    }
  })

  it('shares blocks between requests that run at once, in every way of cutting prompts', async () => {
    const prompts = [0, 1, 2, 3].map(i => [...tokens(70), ...tokens(40, i)])
    const expected = await Promise.all(prompts.map(prompt => fresh(prompt)))
    for (const prefillPiece of [1, 7, 33, 128]) {
      const { engine, network } = start({}, { prefillPiece })
      const runs = prompts.map(prompt => run(engine, prompt, options))
      for (const [i, r] of runs.entries()) {
        expect((await r.ended).result!.tokens).toEqual(expected[i])
      }
      // All four began the shared 64 tokens themselves, and hold them once.
      expect(network.kv.cachedBlocks).toBeLessThanOrEqual(2 + 4 * 3)
    }
  })

  it('always computes the last token of a prompt: its logits are wanted', async () => {
    const { engine } = start()
    const prompt = tokens(64)
    const first = (await run(engine, prompt, options).ended).result!
    const again = (await run(engine, prompt, options).ended).result!
    expect(again.reusedTokens).toBe(32)
    expect(again.tokens).toEqual(first.tokens)
  })

  it('is off, and leaves nothing, with reuse: false; scores compute everything', async () => {
    const { engine, network } = start()
    await run(engine, tokens(64), { ...options, reuse: false }).ended
    expect(network.kv.cachedBlocks).toBe(0)
    await run(engine, tokens(64), options).ended
    const { result } = await run(engine, tokens(64), { ...options, reuse: false }).ended
    expect(result!.reusedTokens).toBe(0)
    expect((await score(engine, tokens(64))).logprobs).toHaveLength(64)
    expect(engine.stats().reuse).toEqual({ tokens: 0, requests: 0 })
  })

  it('gives blocks up at once when requests need them, the oldest first', async () => {
    const { engine, network } = start({ blocks: 6 })
    for (const from of [1, 2, 3]) await run(engine, tokens(40, from), { maxTokens: 24 }).ended
    expect(network.kv.cachedBlocks).toBe(3) // 63 tokens were fed each time: one full block
    const large = await run(engine, tokens(150, 9), { maxTokens: 4 }).ended
    expect(large.result!.tokens).toHaveLength(4)
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('keeps the blocks of a request that lost its memory, if nobody needs them', async () => {
    const expected = await Promise.all([0, 1].map(i => fresh(tokens(60, i), { maxTokens: 60 })))
    const { engine } = start({ blocks: 7 }, { maxSequences: 2 })
    const runs = [0, 1].map(i => run(engine, tokens(60, i), { ...options, maxTokens: 60 }))
    for (const [i, r] of runs.entries()) expect((await r.ended).result!.tokens).toEqual(expected[i])
    expect(engine.stats().reuse.tokens).toBeGreaterThan(0)
  })

  it('forgets what a failed request has computed', async () => {
    const { engine, network } = start({
      onStep: (_, step) => {
        if (step === 3) throw new RyzError('BAD_WEIGHTS', 'planted')
      },
    })
    expect((await run(engine, tokens(64), options).ended).error).toMatchObject({
      code: 'BAD_WEIGHTS',
    })
    expect(network.kv.cachedBlocks).toBe(0)
    const after = (await run(engine, tokens(64), options).ended).result!
    expect(after.reusedTokens).toBe(0)
    expect(after.tokens).toEqual(await fresh(tokens(64)))
  })

  it('keeps whole blocks of a request that was cancelled', async () => {
    const { engine, network } = start(slow)
    const r = run(engine, tokens(80), { ...options, maxTokens: 400 })
    await until(() => r.chunks.length > 0, 'it generates')
    r.cancel()
    await until(() => network.kv.usedBlocks === 0, 'blocks are back')
    const next = (await run(engine, tokens(80), options).ended).result!
    expect(next.reusedTokens).toBe(64)
    expect(next.tokens).toEqual(await fresh(tokens(80)))
  })
})

describe('the index', () => {
  it('evicts leaves, least recently used first, and never what a sequence holds', () => {
    const kv = new KvCache(4, 1024, () => undefined)
    const index = new PrefixIndex(kv)
    const fill = (keys: string[]) => {
      const seq = kv.open()
      kv.reserve(seq, keys.length * 32)
      kv.advance(seq, keys.length * 32)
      let node: typeof index.root | undefined = index.root
      for (const key of keys) node = index.add(node!, key, seq)
      return seq
    }
    const held = fill(['a', 'b'])
    kv.close(fill(['a', 'c'])) // shares 'a'
    kv.close(fill(['d']))
    expect([kv.usedBlocks, kv.cachedBlocks, index.size]).toEqual([2, 2, 4])
    expect(index.match(b => ['a', 'c'][b]!, 2).depth).toBe(2) // 'd' is the oldest now
    expect(kv.reserve(kv.open(), 32)).toBe(true)
    expect(index.match(() => 'd', 1).depth).toBe(0)
    expect(index.match(b => ['a', 'c'][b]!, 2).depth).toBe(2)
    expect(kv.reserve(kv.open(), 64)).toBe(false) // only 'c' could go
    kv.close(held)
    expect(kv.reserve(kv.open(), 96)).toBe(true)
    expect(index.size).toBe(0)
  })
})

describe('overflow: slide', () => {
  const context = { contextLength: 128, blocks: 64 }

  it('goes on past the context with the first tokens and the newest half', async () => {
    const { engine, network } = start(context)
    const prompt = tokens(60)
    const more: GenerateOptions = { maxTokens: 400, overflow: 'slide', keep: 32 }
    const { result } = await run(engine, prompt, { ...options, ...more }).ended
    expect(result).toMatchObject({ finishReason: 'length', promptTokens: 60 })
    expect(result!.tokens).toHaveLength(400)
    expect(result!.slides).toBe(7) // the first after 68 tokens, then one every 48
    expect(network.kv.usedBlocks).toBe(0)
    // The text is that of the same windows in an engine that never saw the rest.
    let window = prompt
    const text: number[] = []
    while (text.length < 400) {
      const room = Math.min(400 - text.length, 128 - window.length)
      text.push(...(await greedy(window, room)))
      const all = [...window, ...text.slice(-room)]
      window = [...prompt.slice(0, 32), ...all.slice(all.length - 48)]
    }
    const again = await run(engine, prompt, { ...more, temperature: 0 }).ended
    expect(again.result!.tokens).toEqual(text)
  })

  it('cuts a prompt that does not fit instead of refusing it', async () => {
    const { engine } = start(context)
    const prompt = tokens(500)
    const r = await run(engine, prompt, { temperature: 0, maxTokens: 9, overflow: 'slide' }).ended
    expect(r.result).toMatchObject({ promptTokens: 500, slides: 1 })
    expect(r.result!.tokens).toEqual(
      await greedy([...prompt.slice(0, 32), ...prompt.slice(500 - 48)], 9),
    )
  })

  it('finds the kept blocks instead of computing them', async () => {
    const { engine } = start(context)
    await run(engine, tokens(60), { maxTokens: 200, overflow: 'slide' }).ended
    expect(engine.stats().reuse.tokens).toBe(3 * 32)
  })

  it('slides when memory is all there is, too', async () => {
    const { engine, network } = start({ blocks: 2, contextLength: 512 })
    const r = await run(engine, tokens(40), { maxTokens: 100, overflow: 'slide', keep: 8 }).ended
    expect(r.result).toMatchObject({ finishReason: 'length' })
    expect(r.result!.tokens).toHaveLength(100)
    expect(network.kv.usedBlocks).toBe(0)
  })

  async function greedy(prompt: number[], maxTokens: number): Promise<number[]> {
    const { engine } = start()
    const r = await run(engine, prompt, { temperature: 0, maxTokens, reuse: false }).ended
    return r.result!.tokens
  }
})

// Prefix reuse on the real model: the logits after a prompt that begins with blocks of another request
// have the bits they have without, whatever ran beside it and however the prompts were cut.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Engine } from '../../src/engine/engine.ts'
import type { GenerateOptions, GenerateResult, TokenLogprob } from '../../src/types/index.ts'
import { loadRyzTales } from '../golden/load.ts'
import { EMBEDDED, fileOf, type OpenParts, openParts } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

const IDS = loadRyzTales().perplexity.ids
/** Four prompts that share 75 tokens: two full KV blocks and a part of the third. */
const PROMPTS = [0, 1, 2, 3].map(i => [
  ...IDS.slice(0, 75),
  ...IDS.slice(100 + 40 * i, 140 + 40 * i),
])
const OPTIONS: GenerateOptions = { maxTokens: 24, seed: 9, temperature: 1, logprobs: 5 }

interface Answer {
  result: GenerateResult
  logprobs: TokenLogprob[][]
}

function ask(engine: Engine, tokens: number[], options: GenerateOptions): Promise<Answer> {
  const logprobs: TokenLogprob[][] = []
  return new Promise((resolve, error) => {
    engine.generate({ kind: 'tokens', tokens }, options, {
      token: chunk => logprobs.push(...(chunk.logprobs ?? [])),
      done: result => resolve({ result, logprobs }),
      error,
    })
  })
}

describe.each(['f16', 'int8', 'int4'] as const)('KV %s', kv => {
  let parts: OpenParts
  let alone: Answer[]
  beforeAll(async () => {
    parts = await openParts([fileOf(EMBEDDED)], wasmFactory('simd128', 2), { kv })
    alone = []
    const engine = new Engine(parts)
    for (const prompt of PROMPTS)
      alone.push(await ask(engine, prompt, { ...OPTIONS, reuse: false }))
    expect(parts.network.kv.cachedBlocks).toBe(0)
  })
  afterAll(() => parts?.close())

  test.each([1, 7, 128])('one after another, in pieces of %i tokens', async prefillPiece => {
    const engine = new Engine(parts, { prefillPiece })
    for (const [i, prompt] of PROMPTS.entries()) {
      const { result, logprobs } = await ask(engine, prompt, OPTIONS)
      expect(result.reusedTokens).toBe(i === 0 ? 0 : 64)
      expect(result.tokens).toEqual(alone[i].result.tokens)
      expect(logprobs).toEqual(alone[i].logprobs)
      if (i === 0) {
        // The answer is a prefix as good as the prompt.
        const longer = [...prompt, ...result.tokens, ...IDS.slice(400, 410)]
        const reused = await ask(engine, longer, OPTIONS)
        expect(reused.result.reusedTokens).toBe(128)
        expect(reused.logprobs).toEqual(
          (await ask(engine, longer, { ...OPTIONS, reuse: false })).logprobs,
        )
      }
    }
    drop(engine)
  })

  test('all at once, and again when all is known', async () => {
    const engine = new Engine(parts)
    for (const reused of [[], [96, 96, 96, 96]]) {
      const answers = await Promise.all(PROMPTS.map(prompt => ask(engine, prompt, OPTIONS)))
      for (const [i, { result, logprobs }] of answers.entries()) {
        expect(logprobs).toEqual(alone[i].logprobs)
        if (reused[i] !== undefined) expect(result.reusedTokens).toBe(reused[i])
      }
    }
    drop(engine)
  })

  /** The engines of this file share their parts, so none closes them; each leaves the cache empty. */
  function drop(engine: Engine): void {
    engine.forgetPrefixes()
    expect(parts.network.kv.cachedBlocks).toBe(0)
  }
})

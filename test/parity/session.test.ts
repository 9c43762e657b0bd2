// Sessions on the real model: saved on one rung of the ladder, restored on every other one, the text goes
// on with the same bits; and every other model refuses it.
import { expect, test } from 'vitest'
import { Engine } from '../../src/engine/engine.ts'
import type { GenerateOptions, TokenLogprob } from '../../src/types/index.ts'
import { loadRyzTales } from '../golden/load.ts'
import { EMBEDDED, fileOf, openParts, RUNGS } from '../support/open.ts'

const IDS = loadRyzTales().perplexity.ids
const PROMPT = IDS.slice(0, 110)
const OPTIONS: GenerateOptions = { maxTokens: 12, seed: 3, temperature: 1, logprobs: 5 }

function ask(
  engine: Engine,
  reuse: boolean,
): Promise<{ logprobs: TokenLogprob[][]; reused: number }> {
  const logprobs: TokenLogprob[][] = []
  return new Promise((resolve, error) => {
    engine.generate(
      { kind: 'tokens', tokens: PROMPT },
      { ...OPTIONS, reuse },
      {
        token: chunk => logprobs.push(...(chunk.logprobs ?? [])),
        done: result => resolve({ logprobs, reused: result.reusedTokens }),
        error,
      },
    )
  })
}

test.each(['f16', 'int8', 'int4'] as const)(
  'a %s session goes on with the same bits on every rung',
  async kv => {
    let saved: Blob | undefined
    let expected: TokenLogprob[][] | undefined
    for (const { rung, factory } of [...RUNGS].reverse()) {
      const engine = new Engine(await openParts([fileOf(EMBEDDED)], factory, { kv }))
      expected ??= (await ask(engine, false)).logprobs
      saved ??= await engine.saveSession({ kind: 'tokens', tokens: IDS.slice(0, 100) })
      engine.forgetPrefixes()
      expect(await engine.restoreSession(saved), rung).toEqual({ tokens: 96, restoredTokens: 96 })
      const { logprobs, reused } = await ask(engine, true)
      expect(reused).toBe(96)
      expect(logprobs, rung).toEqual(expected)
      await engine.close()
    }
  },
)

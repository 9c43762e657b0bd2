// What a smaller table of embeddings (in the embedded model also the head) costs: perplexity over sampled
// text in windows of 256 tokens, against the file's own values. The figures stand in docs/KERNEL-NOTES.md.
import { beforeAll, expect, test } from 'vitest'
import type { LoadOptions } from '../../src/types/index.ts'
import { loadRyzTales } from '../golden/load.ts'
import { EMBEDDED, fileOf, logitsOf, openParts, perplexity, RUNGS } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

const IDS = loadRyzTales().perplexity.ids
/** Relative change of perplexity, measured, and doubled for room. */
const LIMITS = [
  ['int8', 0.002],
  ['int4', 0.0175],
] as const

let exact: number
beforeAll(async () => {
  exact = await withHead({ strict: true })
})

test.each(LIMITS)(
  'perplexity with a head of %s is within %f of the file’s',
  async (head, limit) => {
    const change = (await withHead({ head })) / exact - 1
    console.log(
      `${head} head: perplexity ${(100 * change).toFixed(4)} % against ${exact.toFixed(4)}`,
    )
    expect(Math.abs(change)).toBeLessThan(limit)
  },
)

test('a head of int4 gives the same bits on every rung, and other ones than int8', async () => {
  const ids = IDS.slice(0, 20)
  let truth: Uint32Array | undefined
  for (const { rung, factory } of RUNGS) {
    for (const head of ['int4', 'int8'] as const) {
      const parts = await openParts([fileOf(EMBEDDED)], factory, { head })
      const bits = new Uint32Array((await logitsOf(parts.network, ids)).slice().buffer)
      parts.close()
      truth ??= bits
      const differ = bits.reduce((sum, word, i) => sum + (word === truth![i] ? 0 : 1), 0)
      if (head === 'int4') expect(differ, rung).toBe(0)
      else expect(differ).toBeGreaterThan(bits.length / 2)
    }
  }
})

async function withHead(options: LoadOptions): Promise<number> {
  const parts = await openParts([fileOf(EMBEDDED)], wasmFactory('relaxed', 1), {
    kv: 'f32',
    ...options,
  })
  try {
    return await perplexity(parts, IDS)
  } finally {
    parts.close()
  }
}

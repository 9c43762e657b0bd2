// What each KV type costs: perplexity of the embedded model against f32 KV, over sampled text in windows
// of 256 tokens. The figures stand in docs/KERNEL-NOTES.md.
import { beforeAll, expect, test } from 'vitest'
import type { KvType } from '../../src/types/index.ts'
import { loadRyzTales } from '../golden/load.ts'
import { EMBEDDED, fileOf, openParts, perplexity } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

const IDS = loadRyzTales().perplexity.ids
/** Relative change of perplexity, measured, and doubled for room. */
const LIMITS: readonly [KvType, number][] = [
  ['f16', 0.001],
  ['int8', 0.001],
  ['int4', 0.015],
]

let f32: number
beforeAll(async () => {
  f32 = await withKv('f32')
})

test.each(LIMITS)('perplexity with %s KV is within %f of that with f32', async (kv, limit) => {
  const change = (await withKv(kv)) / f32 - 1
  console.log(`${kv} KV: perplexity ${(100 * change).toFixed(4)} % against f32 (${f32.toFixed(4)})`)
  expect(Math.abs(change)).toBeLessThan(limit)
})

async function withKv(kv: KvType): Promise<number> {
  const parts = await openParts([fileOf(EMBEDDED)], wasmFactory('relaxed', 1), { kv })
  try {
    return await perplexity(parts, IDS)
  } finally {
    parts.close()
  }
}

// The same bits everywhere: every rung of the ladder, every number of threads, alone and in a batch, in
// prefill pieces of 1, 7 and 128 tokens, in every KV type. What the reference backend computes for a
// whole prompt at once is the truth.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StepRow } from '../../src/model/network.ts'
import type { BackendNetwork } from '../../src/model/run-network.ts'
import type { KvType } from '../../src/types/index.ts'
import { loadRyzTales } from '../golden/load.ts'
import {
  EMBEDDED,
  fileOf,
  logitsOf,
  type OpenParts,
  openParts,
  RUNGS,
  referenceFactory,
} from '../support/open.ts'

/** 69 tokens: two full KV blocks and a partial one. */
const IDS = loadRyzTales().perplexity.ids.slice(0, 69)
const KV_TYPES: readonly KvType[] = ['f32', 'f16', 'int8', 'int4']

describe.each(KV_TYPES)('KV %s', kv => {
  let truth: Float32Array
  beforeAll(async () => {
    const parts = await openParts([fileOf(EMBEDDED)], referenceFactory, { kv })
    truth = await logitsOf(parts.network, IDS)
    parts.close()
  })

  describe.each(RUNGS)('$rung', ({ rung, factory }) => {
    let parts: OpenParts
    // The reference takes ten times as long: two sequences say as much of it.
    const starts = rung === 'reference' ? [40, 64] : [0, 3, 40, 64]
    beforeAll(async () => {
      parts = await openParts([fileOf(EMBEDDED)], factory, { kv })
    })
    afterAll(() => parts?.close())

    test.each([1, 7, 128])('in pieces of %i tokens', async piece => {
      expect(sameBits(await logitsOf(parts.network, IDS, piece), truth)).toBe(true)
    })

    test('in a batch of sequences at different positions', async () => {
      const all = await batchLogits(parts.network, IDS, starts)
      expect(all.every((got, i) => sameBits(got, tail(truth, starts[i], parts)))).toBe(true)
    })

    test('in steps of any size, with wrong tokens behind the right ones that are forgotten', async () => {
      const { network } = parts
      const { vocab } = network.config
      const seq = network.kv.open()
      const all = new Float32Array(IDS.length * vocab)
      // 1 to 6 right ones with 0 to 15 wrong ones: what speculation does. Kernels change at 2, 4, 8, 14 and 16.
      for (let first = 0, step = 0; first < IDS.length; step++) {
        const right = IDS.slice(first, first + 1 + (step % 6))
        const wrong = Array.from({ length: (step * 5) % 16 }, (_, i) => (i * 41 + step) % vocab)
        const rows = [...right, ...wrong].map(token => ({ seq, token, wants: 'logits' as const }))
        network.kv.reserve(seq, rows.length)
        const { logits } = await network.forward(rows)
        all.set(logits.subarray(0, right.length * vocab), first * vocab)
        first += right.length
        network.kv.truncate(seq, first)
      }
      network.kv.close(seq)
      expect(sameBits(all, truth)).toBe(true)
    })

    test('after a fork in the middle of a block', async () => {
      const { network } = parts
      const { kv: cache } = network
      const seq = cache.open()
      cache.reserve(seq, 40)
      await network.forward(IDS.slice(0, 40).map(token => ({ seq, token, wants: 'nothing' })))
      const fork = cache.fork(seq, 40)
      cache.reserve(seq, 1)
      await network.forward([{ seq, token: 5, wants: 'nothing' }])
      cache.reserve(fork, IDS.length - 40)
      const rows = IDS.slice(40).map(token => ({ seq: fork, token, wants: 'logits' as const }))
      const { logits } = await network.forward(rows)
      expect(sameBits(logits, tail(truth, 40, parts))).toBe(true)
      cache.close(seq)
      cache.close(fork)
      expect(cache.usedBlocks).toBe(0)
    })
  })
})

test('strict mode gives the same bits on every rung', async () => {
  let truth: Float32Array | undefined
  for (const { rung, factory } of RUNGS) {
    const parts = await openParts([fileOf(EMBEDDED)], factory, { strict: true })
    const logits = await logitsOf(parts.network, IDS.slice(0, 20))
    truth ??= logits
    expect(sameBits(logits, truth), rung).toBe(true)
    parts.close()
  }
})

test('float activations give the same bits on every rung', async () => {
  let truth: Float32Array | undefined
  for (const { rung, factory } of RUNGS) {
    const parts = await openParts([fileOf(EMBEDDED)], factory, { activations: 'float' })
    const logits = await logitsOf(parts.network, IDS.slice(0, 20))
    truth ??= logits
    expect(sameBits(logits, truth), rung).toBe(true)
    parts.close()
  }
})

/** Bit equality: -0 and +0 differ, NaN never passes. */
function sameBits(a: Float32Array, b: Float32Array): boolean {
  if (a.length !== b.length) return false
  const [x, y] = [a.slice(), b.slice()].map(v => new Uint32Array(v.buffer))
  return x.every((bits, i) => bits === y[i] && !Number.isNaN(a[i]))
}

/** Rows from position `first` on. */
function tail(logits: Float32Array, first: number, parts: OpenParts): Float32Array {
  return logits.subarray(first * parts.network.config.vocab)
}

/**
 * One sequence per entry of `prefixes`: the prefix is prefilled alone, then all go on together, one row
 * of each in a step, until every one has seen all ids.
 * @returns logits of each sequence after its prefix
 */
async function batchLogits(
  network: BackendNetwork,
  ids: readonly number[],
  prefixes: readonly number[],
): Promise<Float32Array[]> {
  const { vocab } = network.config
  const sequences = prefixes.map(() => network.kv.open())
  for (const [i, prefix] of prefixes.entries()) {
    network.kv.reserve(sequences[i], ids.length)
    if (prefix === 0) continue
    const seq = sequences[i]
    await network.forward(ids.slice(0, prefix).map(token => ({ seq, token, wants: 'nothing' })))
  }
  const results = prefixes.map(prefix => new Float32Array((ids.length - prefix) * vocab))
  for (let step = 0; step < ids.length; step++) {
    const rows: StepRow[] = []
    const targets: { result: Float32Array; at: number }[] = []
    for (const [i, prefix] of prefixes.entries()) {
      const position = prefix + step
      if (position >= ids.length) continue
      rows.push({ seq: sequences[i], token: ids[position], wants: 'logits' })
      targets.push({ result: results[i], at: step * vocab })
    }
    const { logits } = await network.forward(rows)
    for (const [r, { result, at }] of targets.entries()) {
      result.set(logits.subarray(r * vocab, (r + 1) * vocab), at)
    }
  }
  for (const seq of sequences) network.kv.close(seq)
  return results
}

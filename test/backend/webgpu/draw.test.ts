// Tokens drawn on the device against the engine's sampler: the same logits, options and seeds give the same
// tokens, in vocabularies of one piece and of many, with ties, and where all logits have to be looked at. On
// SwiftShader in Node.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createWebGpuBackend,
  type WebGpuBackend,
} from '../../../src/backend/webgpu/webgpu-backend.ts'
import { Random } from '../../../src/engine/sampling/random.ts'
import { Sampler, SamplerScratch } from '../../../src/engine/sampling/sampler.ts'
import { resolveGenerate } from '../../../src/engine/tasks/options.ts'
import type { SamplingOptions } from '../../../src/types/index.ts'
import { adapterHere, sharedGpu } from '../../support/webgpu.ts'

const adapter = await adapterHere()
const ROWS = 8
const SEED = Number(process.env.RYZ_SEED ?? 20261128)

describe.skipIf(adapter === undefined)(`on ${adapter ?? 'no adapter'}, seed ${SEED}`, () => {
  let backend: WebGpuBackend
  beforeAll(async () => {
    const limits = { maxRows: ROWS, maxContext: 32, maxCols: 64 }
    backend = createWebGpuBackend({ gpu: await sharedGpu(), limits })
  })
  afterAll(() => backend.close())

  /** What device and sampler draw of each row. */
  async function both(
    rows: readonly Float32Array[],
    options: Partial<SamplingOptions>,
    seed: number,
  ) {
    const vocab = rows[0]!.length
    const logits = backend.alloc(4 * ROWS * vocab, 'logits')
    for (const [r, row] of rows.entries()) {
      backend.writer(logits).write(4 * vocab * r, new Uint8Array(row.buffer))
    }
    const scratch = new SamplerScratch(vocab)
    const resolved = rows.map((_, r) =>
      resolveGenerate({ ...options, seed: seed + r }, vocab, () => 0),
    )
    const drawings = resolved.map(o => ({ ...o, random: new Random(o.seed).uniform() }))
    const got = [...(await backend.draw(logits, vocab, rows.length, drawings))]
    const want = rows.map((row, r) => {
      try {
        return new Sampler(resolved[r]!, scratch).sample(row)
      } catch {
        return -1
      }
    })
    return { got, want }
  }

  /** Logits as a model gives them: most near 0, few high. */
  function rowsOf(vocab: number, seed: number, spread = 4): Float32Array[] {
    const random = new Random(seed)
    return Array.from({ length: ROWS }, () =>
      Float32Array.from({ length: vocab }, () => -spread * Math.log(1e-9 + random.uniform()) - 9),
    )
  }

  it.each<Partial<SamplingOptions>>([
    { temperature: 0 },
    {},
    { topK: 64, topP: 1 },
    { topK: 1, temperature: 2 },
    { topK: 7, topP: 0.5, temperature: 1.3 },
    { topK: 40, minP: 0.3, topP: 1 },
    { topK: 50, topP: 0 },
    { topK: 0, topP: 0.2, temperature: 0.3 },
  ])('%o', async options => {
    for (const vocab of options.topK === undefined ? [99, 5003, 33_000] : [99, 5003]) {
      const { got, want } = await both(rowsOf(vocab, SEED + vocab), options, SEED)
      expect(got).toEqual(want)
    }
  })

  it('of equals the lowest ids come first', async () => {
    const random = new Random(SEED)
    const rows = Array.from({ length: ROWS }, () =>
      Float32Array.from({ length: 4500 }, () => Math.floor(random.uniform() * 3) - 1),
    )
    // Both zeros are one.
    rows[0]!.fill(-0)
    rows[0]![3] = 0
    rows[1]!.fill(7)
    for (const options of [
      { temperature: 0 },
      { topK: 64, topP: 1 },
      { topK: 3, temperature: 1 },
    ]) {
      const { got, want } = await both(rows, options, SEED)
      expect(got).toEqual(want)
    }
  })

  it('says so where the likeliest 64 hold too little', async () => {
    const flat = rowsOf(3000, SEED, 0.01)
    const { got, want } = await both(flat, { topK: 0, topP: 0.9 }, SEED)
    expect(got).toEqual(got.map(() => -1))
    expect(want.every(token => token >= 0)).toBe(true)
  })

  it('says so where a logit is not finite, in that row alone', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const rows = rowsOf(2500, SEED)
      rows[2]![2400] = bad
      for (const options of [{ temperature: 0 }, {}]) {
        const { got, want } = await both(rows, options, SEED)
        expect(got[2]).toBe(-1)
        expect(got.toSpliced(2, 1)).toEqual(want.toSpliced(2, 1))
      }
    }
  })
})

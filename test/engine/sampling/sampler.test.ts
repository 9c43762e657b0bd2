// The sampler against a slow, plain twin: same candidates, same draw. And its distribution, its
// penalties, its refusals.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../src/engine/sampling/random.ts'
import { logprobsOf, Sampler, SamplerScratch } from '../../../src/engine/sampling/sampler.ts'
import { type ResolvedSampling, resolveGenerate } from '../../../src/engine/tasks/options.ts'
import { RyzError } from '../../../src/errors.ts'
import type { SamplingOptions } from '../../../src/types/index.ts'

const resolve = (options: SamplingOptions, vocab: number) =>
  resolveGenerate(options, vocab, () => 1)

/** Everything by sorting, in the documented order of stages. */
function slowSample(
  row: Float32Array,
  seen: readonly number[],
  o: ResolvedSampling,
  random: Random,
): number {
  const window = o.penaltyWindow === 0 ? [] : seen.slice(-o.penaltyWindow)
  const logits = Float32Array.from(row, (x, id) => {
    const count = window.filter(t => t === id).length
    if (count === 0) return x
    const repeated = x > 0 ? x / o.repetitionPenalty : x * o.repetitionPenalty
    return repeated - o.frequencyPenalty * count - o.presencePenalty
  })
  for (const [id, bias] of Object.entries(o.logitBias)) logits[Number(id)]! += bias
  let ids = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b)
  if (o.temperature === 0) return ids[0]!
  const max = logits[ids[0]!]!
  const weight = (id: number) => Math.exp((logits[id]! - max) / o.temperature)
  if (o.topK > 0) ids = ids.slice(0, o.topK)
  if (o.topP < 1) {
    const total = ids.reduce((sum, id) => sum + weight(id), 0)
    let mass = 0
    ids = ids.filter(id => {
      const keep = mass === 0 || mass < o.topP * total
      mass += weight(id)
      return keep
    })
  }
  ids = ids.filter(id => weight(id) >= o.minP)
  if (o.topP === 1 && (o.topK === 0 || o.topK >= row.length)) ids.sort((a, b) => a - b)
  let left = random.uniform() * ids.reduce((sum, id) => sum + weight(id), 0)
  for (const id of ids) {
    left -= weight(id)
    if (left < 0) return id
  }
  return ids.at(-1)!
}

function draws(row: number[], options: SamplingOptions, count: number): number[] {
  const sampler = new Sampler(resolve(options, row.length), new SamplerScratch(row.length))
  const logits = Float32Array.from(row)
  const hits = new Array<number>(row.length).fill(0)
  for (let i = 0; i < count; i++) hits[sampler.sample(logits)]!++
  return hits
}

/** Chi-square of counts against probabilities; zero-probability entries must be zero. */
function chiSquare(hits: number[], p: number[]): number {
  const n = hits.reduce((a, b) => a + b)
  let sum = 0
  for (const [i, hit] of hits.entries()) {
    if (p[i] === 0) expect(hit).toBe(0)
    else sum += (hit - n * p[i]!) ** 2 / (n * p[i]!)
  }
  return sum
}

describe('sampler', () => {
  it('draws what a plain sorting implementation draws, for any options', () => {
    const values = fc.array(fc.integer({ min: -64, max: 64 }), { minLength: 2, maxLength: 60 })
    fc.assert(
      fc.property(
        values,
        fc.array(fc.nat(1000), { maxLength: 30 }),
        fc.record({
          temperature: fc.constantFrom(0, 0.05, 0.7, 1, 3),
          topK: fc.constantFrom(0, 1, 2, 5, 40, 1000),
          topP: fc.constantFrom(1, 0.99, 0.9, 0.5, 0.01, 5e-324, 0),
          minP: fc.constantFrom(0, 0.01, 0.3, 1),
          repetitionPenalty: fc.constantFrom(1, 1.3, 0.8),
          frequencyPenalty: fc.constantFrom(0, 0.5, -0.25),
          presencePenalty: fc.constantFrom(0, 1),
          penaltyWindow: fc.constantFrom(0, 1, 3, 64),
          logitBias: fc.constantFrom<Record<number, number>>(
            {},
            { 0: 4 },
            { 1: Number.NEGATIVE_INFINITY, 0: -0.5 },
          ),
          seed: fc.integer({ min: 0, max: 0xffffffff }),
        }),
        (ints, history, options) => {
          const row = Float32Array.from(ints, x => x / 8)
          const o = resolve(options, row.length)
          const sampler = new Sampler(o, new SamplerScratch(row.length))
          const random = new Random(o.seed)
          const seen = history.map(x => x % row.length)
          for (const token of seen) sampler.accept(token)
          for (let i = 0; i < 8; i++) {
            const token = sampler.sample(row)
            expect(token).toBe(slowSample(row, seen, o, random))
            sampler.accept(token)
            seen.push(token)
          }
        },
      ),
      { numRuns: 800 },
    )
  })

  it('follows the softmax at temperature 1 and its square root at temperature 2', () => {
    const p = [0.5, 0.25, 0.15, 0.1]
    const row = p.map(Math.log)
    const plain = { topK: 0, topP: 1, seed: 42 }
    // 3 degrees of freedom: 16.3 is exceeded once in 1000.
    expect(chiSquare(draws(row, { ...plain, temperature: 1 }, 20_000), p)).toBeLessThan(16.3)
    const roots = p.map(Math.sqrt)
    const total = roots.reduce((a, b) => a + b)
    const warm = draws(row, { ...plain, temperature: 2 }, 20_000)
    expect(
      chiSquare(
        warm,
        roots.map(x => x / total),
      ),
    ).toBeLessThan(16.3)
  })

  it('renormalises what top-k, top-p and min-p leave', () => {
    const row = [0.5, 0.25, 0.15, 0.1].map(Math.log)
    const base = { temperature: 1, seed: 7 }
    const two = [2 / 3, 1 / 3, 0, 0]
    const cuts = [
      { topK: 2, topP: 1 },
      { topK: 0, topP: 0.7 },
      { topK: 0, topP: 1, minP: 0.4 },
    ]
    for (const cut of cuts) {
      expect(chiSquare(draws(row, { ...base, ...cut }, 20_000), two)).toBeLessThan(10.8) // 1 in 1000
    }
  })

  it('gives the same tokens for the same seed and others for another', () => {
    const row = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i))
    const run = (seed: number) => {
      const sampler = new Sampler(resolve({ seed }, 100), new SamplerScratch(100))
      return Array.from({ length: 50 }, () => sampler.sample(row))
    }
    expect(run(5)).toEqual(run(5))
    expect(run(5)).not.toEqual(run(6))
  })

  it('takes the lowest id among equals at temperature 0', () => {
    const row = Float32Array.from([1, 3, 3, 2])
    const sampler = new Sampler(resolve({ temperature: 0 }, 4), new SamplerScratch(4))
    expect(sampler.sample(row)).toBe(1)
  })

  it('reads a row in the middle of a matrix and leaves it as it is', () => {
    const rows = Float32Array.from([9, 0, 0, 0, 0, 5, 0, 9, 0])
    const before = rows.slice()
    const options = resolve({ temperature: 0, logitBias: { 0: 1 } }, 3)
    expect(new Sampler(options, new SamplerScratch(3)).sample(rows, 3)).toBe(2)
    expect(rows).toEqual(before)
  })

  it('is not disturbed by another sampler on the same scratch', () => {
    const row = Float32Array.from({ length: 64 }, (_, i) => Math.cos(i * 7))
    const options = resolve({ seed: 3, repetitionPenalty: 1.5 }, 64)
    const run = (shared: boolean) => {
      const scratch = new SamplerScratch(64)
      const sampler = new Sampler(options, scratch)
      const other = new Sampler(resolve({ seed: 9, frequencyPenalty: 2 }, 64), scratch)
      return Array.from({ length: 40 }, () => {
        if (shared) other.accept(other.sample(row))
        const token = sampler.sample(row)
        sampler.accept(token)
        return token
      })
    }
    expect(run(true)).toEqual(run(false))
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('refuses a logit of %s as BAD_WEIGHTS', value => {
    const sampler = new Sampler(resolve({}, 3), new SamplerScratch(3))
    expect(() => sampler.sample(Float32Array.from([0, value, 1]))).toThrow(
      expect.objectContaining({ code: 'BAD_WEIGHTS', detail: { token: 1 } }),
    )
  })

  it('refuses a bias that forbids every token', () => {
    const forbid = Number.NEGATIVE_INFINITY
    const options = resolve({ logitBias: { 0: forbid, 1: forbid } }, 2)
    const sampler = new Sampler(options, new SamplerScratch(2))
    expect(() => sampler.sample(Float32Array.from([0, 1]))).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION' }),
    )
  })

  it('reports log-probabilities of the raw distribution, best first', () => {
    const p = [0.1, 0.6, 0.3]
    const row = Float32Array.from([0, 0, ...p.map(x => Math.log(x) + 5)])
    const found = logprobsOf(row, 2, 0, 2, new SamplerScratch(3))
    expect(found.map(f => f.token)).toEqual([0, 1, 2])
    for (const { token, logprob } of found) expect(Math.exp(logprob)).toBeCloseTo(p[token]!, 6)
  })
})

describe('sampling options', () => {
  const wrong: [keyof SamplingOptions, unknown][] = [
    ['temperature', -1],
    ['temperature', Number.NaN],
    ['temperature', '1'],
    ['topK', 1.5],
    ['topK', -1],
    ['topP', -0.1],
    ['topP', 1.1],
    ['minP', 2],
    ['repetitionPenalty', 0],
    ['frequencyPenalty', Number.POSITIVE_INFINITY],
    ['presencePenalty', null],
    ['penaltyWindow', -5],
    ['seed', 2 ** 32],
    ['seed', -1],
    ['logitBias', { 99: 1 }],
    ['logitBias', { x: 1 }],
    ['logitBias', { 1: Number.NaN }],
    ['logitBias', [1]],
  ]
  it.each(wrong)('refuses %s = %s as BAD_OPTION and names it', (name, value) => {
    let caught: unknown
    try {
      resolve({ [name]: value } as SamplingOptions, 10)
    } catch (error) {
      caught = error
    }
    expect(caught).toBeInstanceOf(RyzError)
    expect(caught).toMatchObject({ code: 'BAD_OPTION' })
    expect((caught as RyzError).message).toContain(name)
  })

  it('draws a seed only when none is given', () => {
    expect(resolveGenerate({}, 4, () => 77).seed).toBe(77)
    expect(resolveGenerate({ seed: 0 }, 4, () => 77).seed).toBe(0)
  })
})

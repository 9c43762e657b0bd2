// The sampler against a slow, plain twin: same candidates, same draw. And its distribution, its
// penalties, its refusals.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LogitFilter } from '../../../src/engine/sampling/logit-filter.ts'
import { Random } from '../../../src/engine/sampling/random.ts'
import { logprobsOf, Sampler, SamplerScratch } from '../../../src/engine/sampling/sampler.ts'
import { type ResolvedSampling, resolveGenerate } from '../../../src/engine/tasks/options.ts'
import { RyzError } from '../../../src/errors.ts'
import type { SamplingOptions } from '../../../src/types/index.ts'

const resolve = (options: SamplingOptions, vocab: number) =>
  resolveGenerate(options, vocab, () => 1)

/** Lets these tokens pass, always. An impatient one gives masks up, and counts the tokens that it is asked for. */
function only(allowed: ReadonlySet<number>, impatient = { asked: -1, masks: 0 }): LogitFilter {
  return {
    mask: (logits, patienceMs) => {
      if (patienceMs !== undefined && impatient.asked >= 0) return false
      impatient.masks++
      for (const id of logits.keys()) if (!allowed.has(id)) logits[id] = Number.NEGATIVE_INFINITY
      return true
    },
    allows: token => {
      impatient.asked++
      return allowed.has(token)
    },
    accept: () => undefined,
    take: token => allowed.has(token),
    fork: () => only(allowed),
    restore: () => undefined,
    complete: false,
    ended: false,
  }
}

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

  describe('at the extremes', () => {
    const row = Float32Array.from([1, 3, -2, 3, 0.5])
    const all = [0, 1, 2, 3, 4]
    /** Which ids come out of 400 draws. */
    const drawn = (options: SamplingOptions, logits = row, seen: number[] = []): number[] => {
      const sampler = new Sampler(
        resolve(options, logits.length),
        new SamplerScratch(logits.length),
      )
      for (const token of seen) sampler.accept(token)
      return [...new Set(Array.from({ length: 400 }, () => sampler.sample(logits)))].sort()
    }
    const most = 3.4028234663852886e38
    const free = { temperature: 1, topK: 0, topP: 1 }
    const forbid = Number.NEGATIVE_INFINITY
    const cases: [string, SamplingOptions, number[], number[]?][] = [
      ['temperature 1e-30 draws among the likeliest', { ...free, temperature: 1e-30 }, [1, 3]],
      ['temperature 5e-324 too', { ...free, temperature: 5e-324 }, [1, 3]],
      ['temperature -0 is greedy', { temperature: -0 }, [1]],
      ['temperature 1e30 draws among all', { ...free, temperature: 1e30 }, all],
      ['temperature 1.8e308 too', { ...free, temperature: Number.MAX_VALUE }, all],
      ['topP 0 keeps the likeliest alone', { topP: 0 }, [1]],
      ['topP 1e-9 too', { topP: 1e-9 }, [1]],
      ['topP just below 1 keeps all', { ...free, temperature: 1e30, topP: 1 - 2 ** -53 }, all],
      ['minP 1 keeps the likeliest', { ...free, minP: 1 }, [1, 3]],
      ['topK 2^53 - 1 keeps all', { ...free, temperature: 1e30, topK: 2 ** 53 - 1 }, all],
      ['a bias of 1e308 is certain', { ...free, logitBias: { 2: 1e308 } }, [2]],
      ['two of them share', { ...free, logitBias: { 2: 1e308, 4: 1e300 } }, [2, 4]],
      [
        'a bias of -1e308 on all forbids none',
        { ...free, logitBias: { 0: -1e308, 1: -1e308, 2: -1e308, 3: -1e308, 4: -1e308 } },
        all,
      ],
      [
        'what is forbidden stays so',
        { ...free, temperature: 1e308, logitBias: { 0: forbid, 1: forbid, 3: forbid } },
        [2, 4],
      ],
      [
        'a repetition penalty of 1000',
        { ...free, temperature: 0, repetitionPenalty: 1000 },
        [4],
        [1, 3, 0],
      ],
      [
        'a repetition penalty of 1e-300',
        { ...free, temperature: 0, repetitionPenalty: 1e-300 },
        [0],
        [0],
      ],
      ['a presence penalty of -1000', { temperature: 0, presencePenalty: -1000 }, [2], [2]],
      [
        'a frequency penalty of 1000 twice',
        { temperature: 0, frequencyPenalty: 1000 },
        [4],
        [1, 3, 1, 3, 0, 2],
      ],
      [
        'a window of 0 sees nothing',
        { temperature: 0, presencePenalty: 1000, penaltyWindow: 0 },
        [1],
        [1, 3],
      ],
      [
        'a window of 2^20 sees all',
        { temperature: 0, presencePenalty: 1000, penaltyWindow: 2 ** 20 },
        [4],
        [1, 3, 0, ...new Array(200).fill(2)],
      ],
    ]
    it.each(cases)('%s', (_, options, ids, seen) => {
      expect(drawn(options, row, seen)).toEqual(ids)
    })

    it('logits at the ends of f32, or forbidden by the model', () => {
      const ends = Float32Array.from([most, -most, forbid, most, 0])
      expect(drawn(free, ends)).toEqual([0, 3])
      expect(drawn({ ...free, logitBias: { 2: 1e308 } }, ends)).toEqual([0, 3])
      expect(drawn({ ...free, temperature: 1e308 }, ends)).toEqual([0, 1, 3, 4])
      expect(drawn({ temperature: 0, repetitionPenalty: 1000 }, ends, [0, 3])).toEqual([0])
      const low = Float32Array.from([-most, forbid, -most])
      expect(drawn({ ...free, repetitionPenalty: 1000 }, low, [0, 2, 1])).toEqual([0, 2])
    })

    it('any options with any logits: a token that may come, or the error that says why none can', () => {
      const x = (...values: number[]) => fc.constantFrom(...values)
      const options = fc.record(
        {
          temperature: x(0, -0, 5e-324, 1e-30, 1, 1e30, Number.MAX_VALUE),
          topK: x(0, 1, 2, 2 ** 53 - 1),
          topP: x(0, 5e-324, 1e-9, 0.5, 1 - 2 ** -53, 1),
          minP: x(0, 5e-324, 0.5, 1),
          repetitionPenalty: x(5e-324, 1e-300, 1, 1.1, 1000),
          frequencyPenalty: x(-1000, -5e-324, 0, 1000),
          presencePenalty: x(-1000, 0, 1e-300, 1000),
          penaltyWindow: x(0, 1, 3, 2 ** 20),
          logitBias: fc.dictionary(
            x(0, 1, 2, 3, 4).map(String),
            x(forbid, -1e308, -0, 100, Number.MAX_VALUE),
          ),
          seed: x(0, -0, 1, 2 ** 32 - 1),
        },
        { requiredKeys: [] },
      )
      const logit = x(
        forbid,
        -most,
        -1,
        -0,
        0,
        1e-45,
        1,
        80,
        most,
        Number.NaN,
        Number.POSITIVE_INFINITY,
      )
      const logits = fc.oneof(
        fc.array(logit, { minLength: 5, maxLength: 5 }),
        fc.constant(new Array<number>(5).fill(forbid)),
      )
      const seen = fc.array(fc.nat(4), { maxLength: 6 })
      fc.assert(
        fc.property(options, logits, seen, (given, values, tokens) => {
          const sampler = new Sampler(resolve(given, 5), new SamplerScratch(5))
          for (const token of tokens) sampler.accept(token)
          const may = (id: number) => values[id]! > forbid && given.logitBias?.[id] !== forbid
          const damaged = values.some(value => !(value < Number.POSITIVE_INFINITY))
          let token: number
          try {
            token = sampler.sample(Float32Array.from(values))
          } catch (caught) {
            const code = damaged || values.every(v => v === forbid) ? 'BAD_WEIGHTS' : 'BAD_OPTION'
            expect(caught).toMatchObject({ code })
            expect(damaged || !all.some(may)).toBe(true)
            return
          }
          expect(damaged).toBe(false)
          expect(may(token)).toBe(true)
        }),
        { numRuns: 3000 },
      )
    })

    it('logits that allow no token are the model\u2019s fault', () => {
      const none = new Float32Array(3).fill(forbid)
      for (const options of [{ temperature: 0 }, free, { ...free, logitBias: { 1: 1e308 } }]) {
        const sampler = new Sampler(resolve(options, 3), new SamplerScratch(3))
        expect(() => sampler.sample(none)).toThrow(expect.objectContaining({ code: 'BAD_WEIGHTS' }))
      }
    })

    it('a bias of 100,000 entries is applied', () => {
      const vocab = 128_256
      const ids = Array.from({ length: 100_000 }, (_, id) => [id, forbid])
      const logitBias = { ...Object.fromEntries(ids), 100001: 50 }
      const sampler = new Sampler(resolve({ logitBias }, vocab), new SamplerScratch(vocab))
      expect(sampler.sample(new Float32Array(vocab))).toBe(100_001)
    })
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

  it('draws of what a filter allows, the lowest of equals, also where it allows the likeliest of all', () => {
    const random = new Random(6)
    for (let round = 0; round < 300; round++) {
      const vocab = 1 + Math.floor(random.uniform() * 12)
      const row = Float32Array.from({ length: vocab }, () => Math.floor(random.uniform() * 4))
      const allowed = new Set([...row.keys()].filter(() => random.uniform() < 0.6))
      allowed.add(Math.floor(random.uniform() * vocab))
      const [want] = [...allowed].sort((a, b) => row[b]! - row[a]! || a - b)
      const sampler = new Sampler(resolve({ temperature: 0 }, vocab), new SamplerScratch(vocab))
      sampler.addFilter(only(allowed))
      expect(sampler.sample(row)).toBe(want)
    }
  })

  it('draws of what a filter allows as of logits that are masked, whether tokens are looked up or masks are ready', () => {
    let unmasked = 0
    let behindFirst = 0
    const arbitrary = fc.record({
      seed: fc.nat(),
      vocab: fc.constantFrom(40, 700, 3000),
      share: fc.constantFrom(0, 0.002, 0.05, 0.3, 0.9, 1),
      levels: fc.constantFrom(3, 50, 1e9),
      /** The greatest logit; the larger, the surer is the model. */
      height: fc.constantFrom(0.01, 3, 12, 40, 900),
      temperature: fc.constantFrom(0, 0.3, 1, 4),
      topK: fc.constantFrom(0, 1, 7, 40, 200, 1024, 2999),
      topP: fc.constantFrom(0, 0.5, 0.95, 1),
      minP: fc.constantFrom(0, 0.1),
      repetitionPenalty: fc.constantFrom(1, 1.3),
      bias: fc.constantFrom(Number.NEGATIVE_INFINITY, -3, 5),
    })
    const check = (given: typeof arbitrary extends fc.Arbitrary<infer T> ? T : never) => {
      const { seed, vocab, share, levels, height, bias, ...sampling } = given
      const random = new Random(seed)
      const row = Float32Array.from(
        { length: vocab },
        () => (Math.floor(random.uniform() * levels) / levels) ** 8 * height,
      )
      const allowed = new Set([...row.keys()].filter(() => random.uniform() < share))
      allowed.add(Math.floor(random.uniform() * vocab))
      const impatient = { asked: 0, masks: 0 }
      const options = resolve({ ...sampling, seed, logitBias: { 3: bias, 17: bias } }, vocab)
      const masked = row.map((x, id) => (allowed.has(id) ? x : Number.NEGATIVE_INFINITY))
      const filters = [undefined, only(allowed), only(allowed, impatient)]
      const samplers = filters.map(filter => {
        const sampler = new Sampler(options, new SamplerScratch(vocab))
        if (filter !== undefined) sampler.addFilter(filter)
        return sampler
      })
      for (let i = 0; i < 4; i++) {
        const [a, b, c] = samplers.map((sampler, i) => {
          try {
            const token = sampler.sample(i === 0 ? masked : row)
            sampler.answered(token)
            return token
          } catch (caught) {
            return (caught as RyzError).code
          }
        })
        expect([b, c]).toEqual([a, a])
        if (c !== undefined && impatient.masks === 0 && typeof c === 'number') {
          if (row[c]! < Math.max(...[...allowed].map(id => row[id]!))) behindFirst++
        }
        expect(impatient.asked).toBeLessThanOrEqual(1200 * (i + 1))
      }
      if (impatient.asked > 0 && impatient.masks === 0) unmasked++
    }
    fc.assert(fc.property(arbitrary, check), { numRuns: 400, seed: 14 })
    expect(unmasked).toBeGreaterThan(50)
    expect(behindFirst).toBeGreaterThan(50)
  })

  it('refuses a damaged row with a filter, too, wherever the damage is', () => {
    for (const row of [
      [3, Number.NaN, 1],
      [3, 1, Number.POSITIVE_INFINITY],
      [0, 0, 0].map(() => Number.NEGATIVE_INFINITY),
    ]) {
      const sampler = new Sampler(resolve({ temperature: 0 }, 3), new SamplerScratch(3))
      sampler.addFilter(only(new Set([0])))
      expect(() => sampler.sample(Float32Array.from(row))).toThrow(
        expect.objectContaining({ code: 'BAD_WEIGHTS' }),
      )
    }
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

// Figures and their errors, against numbers worked out by hand or by the definition's formula.
import { describe, expect, it } from 'vitest'
import { aggregate, bootstrapError, mean, meanError, pool } from '../../evals/metrics/aggregate.ts'
import { pairedMean, pairedPerplexity } from '../../evals/metrics/paired.ts'
import { exactMatch, rougeL, tokenF1 } from '../../evals/metrics/text-match.ts'
import { verdictOf } from '../../evals/metrics/verdict.ts'

describe('figures', () => {
  it('a mean has the error of a sample: n - 1', () => {
    const { value, error } = aggregate('acc', [1, 0, 0, 1, 1])
    expect(value).toBeCloseTo(0.6)
    expect(error).toBeCloseTo(Math.sqrt((3 * 0.16 + 2 * 0.36) / 4) / Math.sqrt(5))
    expect(aggregate('acc', [1]).error).toBeNull()
  })

  it('word perplexity weighs by words, not by documents', () => {
    const scores = [
      [-10, 5],
      [-90, 30],
    ] as const
    expect(aggregate('word_perplexity', scores)).toEqual({ value: Math.exp(100 / 35), error: null })
    expect(aggregate('bits_per_byte', scores).value).toBeCloseTo(100 / 35 / Math.LN2)
  })

  it('perplexity is of the mean of documents, and its error repeats', () => {
    const scores = [-1, -2, -3, -6]
    const figure = aggregate('perplexity', scores)
    expect(figure.value).toBeCloseTo(Math.exp(3))
    expect(figure.error).toBeGreaterThan(0)
    expect(aggregate('perplexity', scores)).toEqual(figure)
    // A bootstrap of a mean is near the closed form, which it underestimates by sqrt((n - 1) / n).
    const values = Array.from({ length: 200 }, (_, i) => (i * 37) % 11)
    expect(bootstrapError(values, mean) / meanError(values)).toBeCloseTo(1, 1)
  })

  it('a group is weighted by documents, its error pooled', () => {
    const a = Array.from({ length: 40 }, (_, i) => (i % 4 === 0 ? 1 : 0))
    const b = Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? 1 : 0))
    const pooled = pool([a, b].map(list => ({ ...aggregate('acc', list), count: list.length })))
    expect(pooled.value).toBeCloseTo(15 / 50)
    // Within the parts alone: their means differ, and that is no error of the group.
    const within = (list: number[]) => list.reduce((s, x) => s + (x - mean(list)) ** 2, 0)
    expect(pooled.error).toBeCloseTo(Math.sqrt((within(a) + within(b)) / 48 / 50))
    expect(pooled.error).not.toBeCloseTo(meanError([...a, ...b]), 4)
    const single = { value: 1, error: null, count: 1 }
    expect(pool([single, single]).error).toBeNull()
  })
})

describe('two runs over the same documents', () => {
  it('differ document by document: shared noise falls out', () => {
    const a = Array.from({ length: 100 }, (_, i) => i % 2)
    const b = a.map((x, i) => (i === 7 ? 1 - x : x))
    const delta = pairedMean(a, b)
    expect(delta.value).toBeCloseTo(-0.01)
    expect(delta.high - delta.low).toBeCloseTo(2 * 1.959964 * 0.01)
    expect(() => pairedMean(a, [1])).toThrow('100 and 1')
  })

  it('of perplexities: a factor minus one, with an interval over documents', () => {
    const a = [-100, -50, -80, -70]
    const b = a.map((x, i) => x - 1 - i / 10)
    const { value, low, high } = pairedPerplexity(a, b, [10, 10, 10, 10])
    expect(value).toBeCloseTo(Math.exp(4.6 / 40) - 1)
    expect(low).toBeLessThan(value)
    expect(high).toBeGreaterThan(value)
    expect(pairedPerplexity(a, a, [1, 2, 3, 4])).toEqual({ value: 0, low: 0, high: 0 })
  })
})

describe('answers in words', () => {
  it('match without case, punctuation and articles', () => {
    expect(exactMatch('The Mill.', 'mill')).toBe(1)
    expect(exactMatch('the old mill', 'mill')).toBe(0)
    expect(tokenF1('an old mill by the river', 'the old mill')).toBeCloseTo((2 * 0.5 * 1) / 1.5)
    expect(tokenF1('mill mill', 'mill')).toBeCloseTo(2 / 3)
    expect(tokenF1('', 'mill')).toBe(0)
  })

  it('ROUGE-L follows the order of words', () => {
    expect(rougeL('the cat sat', 'the cat sat')).toBe(1)
    expect(rougeL('sat cat the', 'the cat sat')).toBeCloseTo(1 / 3)
    expect(rougeL('', 'x')).toBe(0)
  })
})

describe('verdicts', () => {
  const none = { value: 0, low: -0.01, high: 0.01 }
  const delta = (value: number, by: number) => ({ value, low: value - by, high: value + by })
  it.each([
    [delta(0.0001, 0.001), none, 'no measurable loss: perplexity changes by less than 0.11 %'],
    [delta(0.002, 0.001), none, 'negligible: perplexity 0.20 % larger'],
    [delta(0.01, 0.005), none, 'small: perplexity 1.00 % larger'],
    [delta(0.05, 0.01), none, 'noticeable: perplexity 5.00 % larger'],
    [delta(0.4, 0.01), none, 'large: perplexity 40.00 % larger'],
    [delta(-0.02, 0.01), none, 'perplexity is 2.00 % smaller'],
  ])('%j', (perplexity, accuracy, text) => {
    expect(verdictOf(perplexity, accuracy)).toBe(`${text}; the tasks show no difference`)
  })

  it('says nothing of tasks that do differ', () => {
    expect(verdictOf(delta(0.4, 0.01), delta(-0.2, 0.1))).toBe('large: perplexity 40.00 % larger')
  })
})

// From the scores of the documents to the figures of a task, with their standard errors, as
// lm-evaluation-harness computes them. Used by evals/report.
import { PythonRandom } from '../text/python-random.ts'
import type { MetricName, Score } from '../types.ts'

/** A figure and its standard error; null where the definition has none. */
export interface Figure {
  readonly value: number
  readonly error: number | null
}

/** Whether more is better. */
export const HIGHER_IS_BETTER: Readonly<Record<MetricName, boolean>> = {
  acc: true,
  acc_norm: true,
  exact_match: true,
  perplexity: false,
  word_perplexity: false,
  byte_perplexity: false,
  bits_per_byte: false,
}

/** Resamples of a bootstrapped error; the definition takes 100,000, which moves the third digit. */
export const BOOTSTRAP_DRAWS = 1000

export function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}

/** Standard deviation of a sample (n - 1). NaN for fewer than two. */
export function deviation(values: readonly number[]): number {
  const mu = mean(values)
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mu) ** 2, 0) / (values.length - 1))
}

/** Standard error of a mean: deviation over the root of n. */
export function meanError(values: readonly number[]): number {
  return deviation(values) / Math.sqrt(values.length)
}

/** The deviation of a statistic over resamples of the values; seeded, so that a run repeats. */
export function bootstrapError<T>(
  values: readonly T[],
  statistic: (sample: readonly T[]) => number,
  draws = BOOTSTRAP_DRAWS,
): number {
  const random = new PythonRandom(0)
  const results: number[] = []
  for (let d = 0; d < draws; d++) {
    results.push(statistic(values.map(() => values[random.below(values.length)]!)))
  }
  return deviation(results)
}

/** The figure of a metric over all documents. */
export function aggregate(metric: MetricName, scores: readonly Score[]): Figure {
  switch (metric) {
    case 'acc':
    case 'acc_norm':
    case 'exact_match': {
      const values = scores as readonly number[]
      return { value: mean(values), error: known(meanError(values)) }
    }
    case 'perplexity': {
      const perplexity = (sample: readonly number[]) => Math.exp(-mean(sample))
      const values = scores as readonly number[]
      const error = values.length < 2 ? null : known(bootstrapError(values, perplexity))
      return { value: perplexity(values), error }
    }
    case 'word_perplexity':
    case 'byte_perplexity':
      return { value: Math.exp(-weightedMean(scores)), error: null }
    case 'bits_per_byte':
      return { value: -weightedMean(scores) / Math.LN2, error: null }
    default:
      return metric satisfies never
  }
}

/** Sum of log-likelihoods over the sum of weights: long documents count for more. */
function weightedMean(scores: readonly Score[]): number {
  let sum = 0
  let weight = 0
  for (const score of scores as readonly (readonly [number, number])[]) {
    sum += score[0]
    weight += score[1]
  }
  return sum / weight
}

function known(error: number): number | null {
  return Number.isFinite(error) ? error : null
}

/**
 * A group of tasks as one: the mean weighted by documents, and the pooled error,
 * sqrt(sum((n - 1) n e^2) / (sum(n) - tasks) / sum(n)).
 */
export function pool(parts: readonly (Figure & { readonly count: number })[]): Figure {
  const all = parts.reduce((sum, p) => sum + p.count, 0)
  const value = parts.reduce((sum, p) => sum + p.value * p.count, 0) / all
  const free = all - parts.length
  if (free <= 0 || parts.some(p => p.error === null && p.count > 1)) return { value, error: null }
  const squares = parts.reduce((sum, p) => sum + (p.count - 1) * p.count * (p.error ?? 0) ** 2, 0)
  return { value, error: Math.sqrt(squares / free / all) }
}

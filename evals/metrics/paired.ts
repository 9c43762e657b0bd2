// Two runs over the same documents, compared document by document: the noise that both share falls out, so a
// small difference shows in far fewer documents than two separate errors would need. Used by evals/accuracy.
import { PythonRandom } from '../text/python-random.ts'
import { mean, meanError } from './aggregate.ts'

/** A difference with its 95 % interval. */
export interface Delta {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** Two-sided 95 % of a normal distribution. */
const Z95 = 1.959964

/** Mean of `b - a` over documents. @throws RangeError when the runs do not hold the same number */
export function pairedMean(a: readonly number[], b: readonly number[]): Delta {
  if (a.length !== b.length) throw new RangeError(`${a.length} and ${b.length} documents`)
  const differences = a.map((x, i) => b[i]! - x)
  const value = mean(differences)
  const error = differences.length < 2 ? Number.NaN : meanError(differences)
  return { value, low: value - Z95 * error, high: value + Z95 * error }
}

/**
 * How much larger the perplexity of run b is than that of run a, as a factor minus 1. The interval is a
 * bootstrap over documents (seeded): tokens of one text hang together.
 * @param a, b  log-likelihoods by document
 * @param weights  what a perplexity is taken over: tokens, words or bytes by document
 */
export function pairedPerplexity(
  a: readonly number[],
  b: readonly number[],
  weights: readonly number[],
  draws = 2000,
): Delta {
  if (a.length !== b.length) throw new RangeError(`${a.length} and ${b.length} documents`)
  const ratio = (sample: readonly number[]) => {
    let sum = 0
    let weight = 0
    for (const i of sample) {
      sum += a[i]! - b[i]!
      weight += weights[i]!
    }
    return Math.expm1(sum / weight)
  }
  const all = a.map((_, i) => i)
  const random = new PythonRandom(0)
  const results = Array.from({ length: draws }, () =>
    ratio(all.map(() => random.below(all.length))),
  ).sort((x, y) => x - y)
  const at = (share: number) => results[Math.round(share * (draws - 1))]!
  return { value: ratio(all), low: at(0.025), high: at(0.975) }
}

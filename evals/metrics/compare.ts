// Two runs over the same documents, answer by answer: how far log-likelihoods are apart, and which documents are
// scored otherwise. Used by e2e/published/published.ts and its test.
import type { Answer, Scores } from '../types.ts'

/** One line of what "Save every answer" gives. */
export interface Sample {
  readonly task: string
  readonly index: number
  readonly scores: Scores
  readonly answers: readonly Answer[]
}

export interface Compared {
  /** That both runs have. */
  readonly documents: number
  /** Documents with another acc, acc_norm or exact match. */
  readonly differ: number
  /** Log-likelihoods compared. */
  readonly answers: number
  /** How far they are apart, for each token of the continuation: a sum of forty is less exact than one. */
  readonly median: number
  readonly most: number
  /** Generated texts that are not the same. */
  readonly texts: number
}

/** Over the documents of the shorter run. @throws RangeError when they have none in common */
export function compare(a: readonly Sample[], b: readonly Sample[]): Compared {
  const keyOf = ({ task, index }: Sample) => `${task}/${index}`
  const first = new Map(a.map(sample => [keyOf(sample), sample]))
  const pairs = b.flatMap(sample => {
    const other = first.get(keyOf(sample))
    return other ? [[other, sample] as const] : []
  })
  if (pairs.length === 0) throw new RangeError('the runs have no document in common')
  const gaps: number[] = []
  let texts = 0
  for (const [one, two] of pairs) {
    one.answers.forEach((answer, i) => {
      const other = two.answers[i]!
      if (answer.kind === 'generate') {
        if (other.kind !== 'generate' || other.text !== answer.text) texts++
      } else if (other.kind === 'generate') gaps.push(Number.POSITIVE_INFINITY)
      else gaps.push(Math.abs(answer.logprob - other.logprob) / Math.max(1, answer.tokens))
    })
  }
  gaps.sort((x, y) => x - y)
  return {
    documents: pairs.length,
    differ: pairs.filter(([one, two]) => verdicts(one) !== verdicts(two)).length,
    answers: gaps.length,
    median: gaps[gaps.length >> 1] ?? 0,
    most: gaps.at(-1) ?? 0,
    texts,
  }
}

/** Scores that are right or wrong; perplexities are compared as log-likelihoods. */
function verdicts({ scores }: Sample): string {
  return JSON.stringify(
    Object.entries(scores).filter(([key]) => /^(acc|acc_norm|exact_match),/.test(key)),
  )
}

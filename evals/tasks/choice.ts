// Multiple choice by log-likelihood: which ending is likeliest after the question. acc compares sums of
// log-probabilities; acc_norm divides them by the length of the choice. Used by the tasks that choose.
import { codePoints } from '../text/python-text.ts'
import type { Answer, Item, LikelihoodAnswer, MetricName, Row, Task } from '../types.ts'

/** A question with its options. */
export interface Choice {
  readonly question: string
  /** Without the space that parts them from the question. */
  readonly choices: readonly string[]
  readonly gold: number
}

type ChoiceTask = Omit<Task, 'open' | 'output'> & { read(row: Row): Choice }

/** A task whose options are scored after one question. */
export function choiceTask({ read, ...task }: ChoiceTask): Task {
  return {
    ...task,
    output: 'multiple_choice',
    open(row) {
      const { question, choices, gold } = read(row)
      return {
        shot: `${question} ${choices[gold]}`,
        target: choices[gold]!,
        requests: shots =>
          choices.map(choice => ({
            kind: 'loglikelihood',
            context: shots + question,
            continuation: ` ${choice}`,
          })),
        score: answers => scoreChoices(task.metrics, choices, gold, answers),
      } satisfies Item
    },
  }
}

/**
 * acc and acc_norm of one document.
 * @param choices  whose lengths in code points acc_norm divides by, without a leading space
 */
export function scoreChoices(
  metrics: readonly MetricName[],
  choices: readonly string[],
  gold: number,
  answers: readonly Answer[],
): Record<string, number> {
  const logprobs = (answers as readonly LikelihoodAnswer[]).map(answer => answer.logprob)
  const scores: Record<string, number> = {}
  if (metrics.includes('acc')) scores['acc,none'] = likeliest(logprobs) === gold ? 1 : 0
  if (metrics.includes('acc_norm')) {
    const normed = logprobs.map((logprob, i) => logprob / codePoints(choices[i]!))
    scores['acc_norm,none'] = likeliest(normed) === gold ? 1 : 0
  }
  return scores
}

/** The place of the largest; of equals the first. */
export function likeliest(values: readonly number[]): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

// LAMBADA (Paperno et al. 2016), the plain texts that OpenAI gave out: the last word of a passage. acc is
// whether greedy sampling writes just that word; perplexity is over words, not tokens.
import type { LikelihoodAnswer, Task } from '../types.ts'
import { textOf } from './fields.ts'

export const lambada: Task = {
  name: 'lambada_openai',
  title: 'LAMBADA: the last word of a passage',
  definition: { task: 'lambada_openai', version: '1.0' },
  output: 'loglikelihood',
  shots: 0,
  shotOrder: 'drawn',
  metrics: ['acc', 'perplexity'],
  files: 'lambada_test.jsonl, or Parquet, with text',
  open(row) {
    const words = textOf(row, 'text').split(' ')
    const last = words.pop()!
    const context = words.join(' ')
    return {
      shot: `${context}  ${last}`,
      target: last,
      requests: shots => [
        { kind: 'loglikelihood', context: shots + context, continuation: ` ${last}` },
      ],
      score([answer]) {
        const { logprob, greedy } = answer as LikelihoodAnswer
        return { 'acc,none': greedy ? 1 : 0, 'perplexity,none': logprob }
      },
    }
  },
}

// GSM8K (Cobbe et al. 2021): sums in words. The model writes its way to a number; two filters find it: the
// strict one takes the first after ####, the flexible one the last number of all.
import type { GenerateAnswer, Task } from '../types.ts'
import { textOf } from './fields.ts'

/** New tokens at most, where a task does not say: as in the definition. */
export const NEW_TOKENS = 256

const UNTIL = ['Question:', '</s>', '<|im_end|>']

export const gsm8k: Task = {
  name: 'gsm8k',
  title: 'GSM8K: sums in words',
  definition: { task: 'gsm8k', version: '3.0' },
  output: 'generate_until',
  shots: 5,
  shotOrder: 'drawn',
  metrics: ['exact_match'],
  files: 'test.jsonl and, for the examples, train.jsonl, or Parquet, with question and answer',
  open(row) {
    const question = `Question: ${textOf(row, 'question')}\nAnswer:`
    const answer = textOf(row, 'answer')
    return {
      shot: `${question} ${answer}`,
      target: comparable(answer),
      requests: shots => [
        { kind: 'generate', context: shots + question, until: UNTIL, maxTokens: NEW_TOKENS },
      ],
      score([given]) {
        const { text } = given as GenerateAnswer
        const right = comparable(answer)
        const match = (found: string): number => (comparable(found) === right ? 1 : 0)
        return {
          'exact_match,strict-match': match(strictMatch(text)),
          'exact_match,flexible-extract': match(flexibleExtract(text)),
        }
      },
    }
  },
}

/** What a filter gives that finds nothing. */
const NOTHING = '[invalid]'

/** The first number that stands after ####. */
export function strictMatch(text: string): string {
  return /#### (-?[0-9.,]+)/.exec(text)?.[1] ?? NOTHING
}

/** The last number of the text. */
export function flexibleExtract(text: string): string {
  return text.match(/-?[$0-9.,]{2,}|-?[0-9]+/g)?.at(-1) ?? NOTHING
}

/** Both sides of the comparison: without commas, dollars, what is before the answer, and a full stop at the end. */
export function comparable(text: string): string {
  return text
    .replaceAll(',', '')
    .replaceAll('$', '')
    .replace(/[\s\S]*#### /, '')
    .replace(/\.(?=\n?$)/, '')
    .toLowerCase()
}

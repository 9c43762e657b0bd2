// WinoGrande (Sakaguchi et al. 2020), partial scoring: an option is put into the gap, and what is scored is the
// rest of the sentence after it, the same for both. So there is no length to divide by: acc only.
import { strip } from '../text/python-text.ts'
import type { Task } from '../types.ts'
import { scoreChoices } from './choice.ts'
import { missing, textOf } from './fields.ts'

export const winogrande: Task = {
  name: 'winogrande',
  title: 'WinoGrande: whom a sentence means',
  definition: { task: 'winogrande', version: '1.0' },
  output: 'multiple_choice',
  shots: 0,
  shotOrder: 'drawn',
  metrics: ['acc'],
  files: 'dev.jsonl or train_xl.jsonl, or Parquet, with sentence, option1, option2 and answer',
  open(row) {
    const sentence = textOf(row, 'sentence')
    const gap = sentence.indexOf('_')
    if (gap < 0) throw missing(row, 'sentence', 'a sentence with a gap, written _')
    const answer = String(row.answer)
    if (answer !== '1' && answer !== '2') throw missing(row, 'answer', '"1" or "2"')
    const gold = Number(answer) - 1
    const rest = strip(sentence.slice(gap + 1))
    const begun = [textOf(row, 'option1'), textOf(row, 'option2')].map(
      option => sentence.slice(0, gap) + option,
    )
    return {
      shot: `${begun[gold]} ${rest}`,
      target: begun[gold]!,
      requests: shots =>
        begun.map(context => ({
          kind: 'loglikelihood',
          context: shots + context,
          continuation: ` ${rest}`,
        })),
      score: answers => scoreChoices(['acc'], begun, gold, answers),
    }
  },
}

// HellaSwag (Zellers et al. 2019): which of four endings goes on with a scene. Contexts and endings are
// cleaned of marks that the WikiHow part of the data carries.
import { capitalize, strip } from '../text/python-text.ts'
import { choiceTask } from './choice.ts'
import { indexOf, textOf, textsOf } from './fields.ts'

export const hellaswag = choiceTask({
  name: 'hellaswag',
  title: 'HellaSwag: how a scene goes on',
  definition: { task: 'hellaswag', version: '1.0' },
  shots: 0,
  shotOrder: 'drawn',
  metrics: ['acc', 'acc_norm'],
  files: 'hellaswag_val.jsonl or Parquet with activity_label, ctx_a, ctx_b, endings, label',
  read(row) {
    const context =
      typeof row.ctx_a === 'string'
        ? `${row.ctx_a} ${capitalize(textOf(row, 'ctx_b'))}`
        : textOf(row, 'ctx')
    const choices = textsOf(row, 'endings').map(clean)
    return {
      question: clean(`${textOf(row, 'activity_label')}: ${context}`),
      choices,
      gold: indexOf(row, 'label', choices.length),
    }
  },
  note: row =>
    typeof row.ctx_a === 'string'
      ? undefined
      : 'the file has no ctx_a and ctx_b: ctx is taken as it stands, and the begun sentence is not capitalised',
})

/** One pass: titles become full stops, other brackets go, double spaces become one, not repeated. */
export function clean(text: string): string {
  return strip(text)
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/g, '')
    .replaceAll('  ', ' ')
}

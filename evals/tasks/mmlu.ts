// MMLU (Hendrycks et al. 2021): 57 subjects, four options, their letters are scored. Five examples from the
// subject's dev file in its order. Subjects are tasks of their own; groups weigh them by documents.
import { HarnessError } from '../harness-error.ts'
import { strip } from '../text/python-text.ts'
import type { Row } from '../types.ts'
import { choiceTask } from './choice.ts'
import { indexOf, missing, textOf, textsOf } from './fields.ts'

const LETTERS = ['A', 'B', 'C', 'D'] as const

/** The published groups of subjects. */
export const MMLU_GROUPS: Readonly<Record<string, readonly string[]>> = {
  humanities:
    'formal_logic high_school_european_history high_school_us_history high_school_world_history international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory professional_law world_religions'.split(
      ' ',
    ),
  other:
    'business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology'.split(
      ' ',
    ),
  social_sciences:
    'econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations security_studies sociology us_foreign_policy'.split(
      ' ',
    ),
  stem: 'abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science college_mathematics college_physics computer_security conceptual_physics electrical_engineering elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science high_school_mathematics high_school_physics high_school_statistics machine_learning'.split(
    ' ',
  ),
}

export const mmlu = choiceTask({
  name: 'mmlu',
  title: 'MMLU: knowledge of 57 subjects',
  definition: { task: 'mmlu', version: '1.0' },
  shots: 5,
  shotOrder: 'first',
  metrics: ['acc'],
  files:
    'SUBJECT_test.csv and SUBJECT_dev.csv without a header, or Parquet with question, subject, choices, answer',
  layout: 'cells',
  description: subject =>
    `The following are multiple choice questions (with answers) about ${subject.replaceAll('_', ' ')}.\n\n`,
  part(row, file) {
    if (typeof row.subject === 'string' && row.subject !== '') return row.subject
    const name = file
      .split('/')
      .at(-1)!
      .replace(/\.\w+$/, '')
    return name.replace(/_(test|dev|val)$/, '')
  },
  read(row) {
    const { question, choices, gold } = Array.isArray(row.cells)
      ? ofCells(row.cells)
      : ofFields(row)
    const options = choices.map((choice, i) => `${LETTERS[i]}. ${choice}`)
    return {
      question: `${strip(question)}\n${options.join('\n')}\nAnswer:`,
      choices: LETTERS,
      gold,
    }
  },
})

function ofFields(row: Row) {
  const choices = textsOf(row, 'choices')
  if (choices.length !== 4) throw missing(row, 'choices', 'a list of four')
  return { question: textOf(row, 'question'), choices, gold: indexOf(row, 'answer', 4) }
}

function ofCells(cells: readonly string[]) {
  const [question, a, b, c, d, letter] = cells
  const gold = LETTERS.indexOf(strip(letter ?? '') as 'A')
  if (cells.length !== 6 || gold < 0) {
    throw new HarnessError(
      `a line must hold a question, four options and a letter from A to D; it holds ${cells.length} cells: ${cells.join(' | ').slice(0, 120)}`,
    )
  }
  return { question: question!, choices: [a!, b!, c!, d!], gold }
}

// The tasks that ask one question and score its options, each with its own prompt: ARC, CommonsenseQA, PIQA,
// OpenBookQA and BoolQ.
import { lstrip, strip } from '../text/python-text.ts'
import type { Row, Task } from '../types.ts'
import { choiceTask } from './choice.ts'
import { indexOf, isObject, labelled, missing, placeOf, textOf } from './fields.ts'

/** ARC (Clark et al. 2018): the options' texts are scored. */
function arc(name: 'arc_easy' | 'arc_challenge', title: string): Task {
  return choiceTask({
    name,
    title,
    definition: { task: name, version: '1.0' },
    shots: 0,
    shotOrder: 'drawn',
    metrics: ['acc', 'acc_norm'],
    files: 'JSONL as published, or Parquet, with question, choices and answerKey',
    read(row) {
      const { stem, texts, labels } = stemmed(row, 'question')
      return {
        question: `Question: ${stem}\nAnswer:`,
        choices: texts,
        gold: placeOf(row, labels, textOf(row, 'answerKey')),
      }
    },
  })
}

export const arcEasy = arc('arc_easy', 'ARC-Easy: science questions of school')
export const arcChallenge = arc('arc_challenge', 'ARC-Challenge: the harder ones')

/** CommonsenseQA (Talmor et al. 2019): the options stand in the question, and their letters are scored. */
export const commonsenseQa = choiceTask({
  name: 'commonsense_qa',
  title: 'CommonsenseQA: what everybody knows',
  definition: { task: 'commonsense_qa', version: '1.0' },
  shots: 0,
  shotOrder: 'drawn',
  metrics: ['acc'],
  files: 'dev_rand_split.jsonl, or Parquet, with question, choices and answerKey',
  read(row) {
    const { stem, texts } = stemmed(row, 'question')
    if (texts.length !== 5) throw missing(row, 'choices', 'five options')
    const letters = ['A', 'B', 'C', 'D', 'E']
    const options = texts.map((text, i) => `${letters[i]}. ${text}`)
    return {
      question: `Question: ${strip(stem)}\n${options.join('\n')}\nAnswer:`,
      choices: letters,
      gold: placeOf(row, letters, textOf(row, 'answerKey')),
    }
  },
})

/** PIQA (Bisk et al. 2020): two ways to reach a goal. */
export const piqa = choiceTask({
  name: 'piqa',
  title: 'PIQA: how things are done',
  definition: { task: 'piqa', version: '1.0' },
  shots: 0,
  shotOrder: 'drawn',
  metrics: ['acc', 'acc_norm'],
  files: 'valid.jsonl with valid-labels.lst, or one file with goal, sol1, sol2 and label',
  read: row => ({
    question: `Question: ${textOf(row, 'goal')}\nAnswer:`,
    choices: [textOf(row, 'sol1'), textOf(row, 'sol2')],
    gold: indexOf(row, 'label', 2),
  }),
})

/** OpenBookQA (Mihaylov et al. 2018): the bare stem, with no word before or after it. */
export const openBookQa = choiceTask({
  name: 'openbookqa',
  title: 'OpenBookQA: a fact and what follows',
  definition: { task: 'openbookqa', version: '1.0' },
  shots: 0,
  shotOrder: 'drawn',
  metrics: ['acc', 'acc_norm'],
  files: 'test.jsonl, or Parquet, with question_stem, choices and answerKey',
  read(row) {
    const { stem, texts, labels } = stemmed(row, 'question_stem')
    return {
      question: stem,
      choices: texts,
      gold: placeOf(row, labels, lstrip(textOf(row, 'answerKey'))),
    }
  },
})

/** BoolQ (Clark et al. 2019): a passage and a question about it; "no" comes first. */
export const boolQ = choiceTask({
  name: 'boolq',
  title: 'BoolQ: yes or no, by a passage',
  definition: { task: 'boolq', version: '2.0' },
  shots: 0,
  shotOrder: 'drawn',
  metrics: ['acc'],
  files:
    'val.jsonl of SuperGLUE (label) or dev.jsonl (answer), or Parquet, with passage and question',
  read(row) {
    const label = row.label ?? row.answer
    const gold = typeof label === 'boolean' ? Number(label) : indexOf({ ...row, label }, 'label', 2)
    return {
      question: `${textOf(row, 'passage')}\nQuestion: ${textOf(row, 'question')}?\nAnswer:`,
      choices: ['no', 'yes'],
      gold,
    }
  },
})

/** A question with options, nested as in the published JSONL or flat as in Parquet. */
function stemmed(row: Row, name: string): { stem: string; texts: string[]; labels: string[] } {
  const nested = row.question
  if (isObject(nested)) return { stem: textOf(nested, 'stem'), ...labelled(nested, 'choices') }
  return { stem: textOf(row, name), ...labelled(row, 'choices') }
}

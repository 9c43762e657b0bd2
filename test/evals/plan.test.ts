// Which examples stand before which question.
import { describe, expect, it } from 'vitest'
import type { PlacedRow } from '../../evals/read/rows.ts'
import { planTask } from '../../evals/run/plan.ts'
import { taskNamed } from '../../evals/tasks/table.ts'
import type { Row } from '../../evals/types.ts'

const placed = (file: string, rows: Row[]): PlacedRow[] =>
  rows.map((row, i) => ({ row, file, line: i + 1 }))
const mmlu = (n: number, letter = 'A') =>
  Array.from({ length: n }, (_, i) => ({ cells: [`q${i}`, 'a', 'b', 'c', 'd', letter] }))
const sums = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ question: `s${i}`, answer: `#### ${i}` }))

describe('examples', () => {
  it('of MMLU are the first of the dev file of the subject, in its order', () => {
    const plan = planTask(
      taskNamed('mmlu'),
      [...placed('b_test.csv', mmlu(2, 'B')), ...placed('a_test.csv', mmlu(1, 'C'))],
      [...placed('a_dev.csv', mmlu(7)), ...placed('b_dev.csv', mmlu(5, 'D'))],
    )
    expect(plan.parts.map(part => [part.name, part.shots, part.original])).toEqual([
      ['mmlu_a', 5, 1],
      ['mmlu_b', 5, 2],
    ])
    const [a, b] = plan.parts.map(part => part.documents[0]!.context)
    const example = (i: number, letter: string) =>
      `q${i}\nA. a\nB. b\nC. c\nD. d\nAnswer: ${letter}\n\n`
    const about = 'The following are multiple choice questions (with answers) about'
    expect(a).toBe(`${about} a.\n\n${[0, 1, 2, 3, 4].map(i => example(i, 'A')).join('')}`)
    expect(b).toBe(`${about} b.\n\n${[0, 1, 2, 3, 4].map(i => example(i, 'D')).join('')}`)
  })

  it('of GSM8K are drawn anew for each document, from one seeded stream as in Python', () => {
    const plan = (seed?: number, limit?: number) =>
      planTask(taskNamed('gsm8k'), placed('test', sums(3)), placed('train', sums(7473).slice(3)), {
        seed,
        limit,
      }).parts[0]!.documents.map(({ context }) => context.match(/s\d+/g))
    // random.Random(1234), sample(range(7470), 5) three times; rows begin at s3.
    const drawn = [
      [6374, 3610, 957, 61, 742],
      [7462, 6610, 4769, 286, 5501],
      [5677, 687, 806, 6279, 2905],
    ].map(list => list.map(i => `s${i + 3}`))
    expect(plan()).toEqual(drawn)
    expect(plan(undefined, 2)).toEqual(drawn.slice(0, 2))
    expect(plan(1)).not.toEqual(drawn)
  })

  it('are never the document itself', () => {
    const rows = placed('test', sums(8))
    const { documents } = planTask(taskNamed('gsm8k'), rows, rows).parts[0]!
    for (const { context, index } of documents) {
      expect(context.match(/Question:/g)).toHaveLength(5)
      expect(context).not.toContain(`s${index}\n`)
    }
  })

  it('too few are refused, and none are needed for none', () => {
    const few = () =>
      planTask(taskNamed('gsm8k'), placed('t', sums(2)), placed('x', sums(9).slice(6)))
    expect(few).toThrow('5 examples stand before each question and 3 are given')
    const none = planTask(taskNamed('gsm8k'), placed('t', sums(2)), [], { shots: 0 })
    expect(none.parts[0]!.documents[0]!.context).toBe('')
    expect(() => planTask(taskNamed('piqa'), [], [])).toThrow('no documents')
  })
})

it('documents that stand there twice are counted, and told', () => {
  const rows = placed('x.jsonl', [{ text: 'a b' }, { text: 'c d' }, { text: 'a b' }])
  const { parts, notes } = planTask(taskNamed('lambada_openai'), rows, [])
  expect(parts[0]!.documents).toHaveLength(3)
  expect(notes).toEqual(['1 documents stand in the data a second time, and are counted so'])
  expect(planTask(taskNamed('lambada_openai'), rows.slice(0, 2), []).notes).toEqual([])
})

it('a wrong row is named by file and line', () => {
  const rows = placed('x.jsonl', [{ text: 'a b' }, { txt: 'c' }])
  const plan = () => planTask(taskNamed('lambada_openai'), rows, [])
  expect(plan).toThrow('line 2 of x.jsonl: text must be a text, in {"txt":"c"}')
})

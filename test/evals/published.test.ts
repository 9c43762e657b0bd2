// Published files by their names, and two runs answer by answer.
import { describe, expect, it } from 'vitest'
import { compare, type Sample } from '../../evals/metrics/compare.ts'
import { planOfFiles, publishedIn, shotsOf } from '../../evals/node/published.ts'
import { isExampleFile, publishedTasks, taskOfFile } from '../../evals/read/published.ts'

describe('files', () => {
  it.each([
    ['hellaswag_val.jsonl', 'hellaswag'],
    ['mmlu/test/world_religions_test.csv', 'mmlu'],
    ['ARC-V1-Feb2018/ARC-Challenge/ARC-Challenge-Test.jsonl', 'arc_challenge'],
    ['ARC-Easy/test-00000-of-00001.parquet', 'arc_easy'],
    ['arc/ARC-Easy-Test.jsonl', 'arc_easy'],
    ['commonsense_qa/dev_rand_split.jsonl', 'commonsense_qa'],
    ['commonsenseqa_200.jsonl', 'commonsense_qa'],
    ['physicaliqa-train-dev/dev.jsonl', 'piqa'],
    ['OpenBookQA-V1-Sep2018/Data/Main/test.jsonl', 'openbookqa'],
    ['BoolQ/val.jsonl', 'boolq'],
    ['winogrande_1.1/dev.jsonl', 'winogrande'],
    ['lambada_test_en.jsonl', 'lambada_openai'],
    ['gsm8k/main/test.parquet', 'gsm8k'],
    ['wikitext-2-raw/wiki.test.raw', 'wikitext'],
    ['search/notes.jsonl', undefined],
  ])('%s', (name, task) => expect(taskOfFile(name)).toBe(task))

  it('of examples are dev files in MMLU, training files elsewhere', () => {
    expect(isExampleFile('mmlu', 'mmlu/dev/anatomy_dev.csv')).toBe(true)
    expect(isExampleFile('mmlu', 'mmlu/test/device_test.csv')).toBe(false)
    expect(isExampleFile('gsm8k', 'gsm8k/train.jsonl')).toBe(true)
    expect(isExampleFile('winogrande', 'dev.jsonl')).toBe(false)
    expect(isExampleFile('hellaswag', 'constraint.jsonl')).toBe(false)
    const names = ['gsm8k/train.jsonl', 'gsm8k/test.jsonl', 'piqa/train.jsonl']
    expect(publishedTasks(names)).toEqual([
      { task: 'gsm8k', documents: ['gsm8k/test.jsonl'], examples: ['gsm8k/train.jsonl'] },
    ])
  })

  it('of our own folder make a plan each; without a file of examples there are none', async () => {
    const found = publishedIn('evals/set')
    expect(found.map(({ task }) => task)).toEqual([
      'mmlu',
      'hellaswag',
      'arc_easy',
      'commonsense_qa',
      'piqa',
      'openbookqa',
      'boolq',
      'winogrande',
      'lambada_openai',
      'gsm8k',
      'wikitext',
    ])
    for (const published of found) {
      const { plan } = await planOfFiles('evals/set', published)
      expect(plan.parts[0]!.documents.length).toBeGreaterThan(0)
    }
    expect(found.map(shotsOf)).toEqual([5, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0])
    expect(shotsOf({ task: 'gsm8k', documents: ['x'], examples: [] })).toBe(0)
    expect(() => publishedIn('evals/tasks')).toThrow('holds no files of the tasks')
  })
})

it('two runs are compared over the documents that both have', () => {
  const sample = (index: number, logprob: number, acc = 1, tokens = 1): Sample => ({
    task: 't',
    index,
    scores: { 'acc,none': acc, 'perplexity,none': logprob },
    answers: [{ kind: 'loglikelihood', logprob, greedy: true, tokens, cut: 0 }],
  })
  const text = (words: string): Sample => ({
    task: 'g',
    index: 0,
    scores: {},
    answers: [{ kind: 'generate', text: words, cut: 0 }],
  })
  const a = [sample(0, -1), sample(1, -12, 1, 40), sample(2, -3), sample(3, -4), text('x')]
  const b = [sample(2, -3.5, 0), sample(0, -1), sample(1, -22, 1, 40), text('y')]
  expect(compare(a, b)).toEqual({
    documents: 4,
    differ: 1,
    answers: 3,
    median: 0.25,
    most: 0.5,
    texts: 1,
  })
  expect(() => compare(a, [{ ...sample(0, 0), task: 'other' }])).toThrow('no document in common')
})

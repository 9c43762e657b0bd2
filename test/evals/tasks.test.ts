// The prompts and rules of every task, written out. Each case fails when its rule is dropped. Definitions:
// lm-evaluation-harness, the version that evals/tasks names.
import { describe, expect, it } from 'vitest'
import { likeliest } from '../../evals/tasks/choice.ts'
import { comparable, flexibleExtract, strictMatch } from '../../evals/tasks/gsm8k.ts'
import { clean } from '../../evals/tasks/hellaswag.ts'
import { MMLU_GROUPS } from '../../evals/tasks/mmlu.ts'
import { TASKS, taskNamed } from '../../evals/tasks/table.ts'
import { detokenize } from '../../evals/tasks/wikitext.ts'
import type { Answer, GenerateRequest, LikelihoodRequest, Row } from '../../evals/types.ts'

const open = (task: string, row: Row) => taskNamed(task).open(row)
/** [context, continuation] of each option. */
const pairs = (task: string, row: Row, shots = '') =>
  open(task, row)
    .requests(shots)
    .map(request => request as LikelihoodRequest)
    .map(({ context, continuation }) => [context, continuation])
const answers = (...logprobs: number[]): Answer[] =>
  logprobs.map(logprob => ({ kind: 'loglikelihood', logprob, greedy: false, tokens: 1, cut: 0 }))

it('every task names its definition and version', () => {
  expect(TASKS.map(({ name, definition }) => [name, definition.task, definition.version])).toEqual([
    ['mmlu', 'mmlu', '1.0'],
    ['hellaswag', 'hellaswag', '1.0'],
    ['arc_easy', 'arc_easy', '1.0'],
    ['arc_challenge', 'arc_challenge', '1.0'],
    ['commonsense_qa', 'commonsense_qa', '1.0'],
    ['piqa', 'piqa', '1.0'],
    ['openbookqa', 'openbookqa', '1.0'],
    ['boolq', 'boolq', '2.0'],
    ['winogrande', 'winogrande', '1.0'],
    ['lambada_openai', 'lambada_openai', '1.0'],
    ['gsm8k', 'gsm8k', '3.0'],
    ['wikitext', 'wikitext', '2.0'],
  ])
  expect(() => taskNamed('mmul')).toThrow('there are mmlu')
})

describe('options', () => {
  const row = { goal: 'g', sol1: 'ab', sol2: 'abcdef', label: 1 }
  it('acc compares sums, acc_norm divides by the code points of the choice', () => {
    const item = open('piqa', row)
    expect(item.score(answers(-2, -3))).toEqual({ 'acc,none': 0, 'acc_norm,none': 1 })
    // -2 / 2 and -6.5 / 6: with the space counted, -2 / 3 would beat -6.5 / 7 too, -5.4 / 6 would not.
    expect(item.score(answers(-2, -6.5))).toEqual({ 'acc,none': 0, 'acc_norm,none': 0 })
    // With the leading space: -2 / 3 > -5.4 / 7. Without: -2 / 2 < -5.4 / 6.
    expect(item.score(answers(-2, -5.4))['acc_norm,none']).toBe(1)
    // A character beyond U+FFFF counts once: -2 / 2 and -1.5 / 1, not -1.5 / 2.
    const croissant = open('piqa', { ...row, sol2: '🥐' })
    expect(croissant.score(answers(-2, -1.5))['acc_norm,none']).toBe(0)
    // Nor bytes: é is one.
    expect(open('piqa', { ...row, sol2: 'é' }).score(answers(-2, -1.5))['acc_norm,none']).toBe(0)
  })

  it('ties go to the first', () => {
    expect(likeliest([-3, -1, -1])).toBe(1)
    expect(open('piqa', { ...row, label: 0 }).score(answers(-1, -1))['acc,none']).toBe(1)
  })
})

describe('MMLU', () => {
  const mmlu = taskNamed('mmlu')
  it('strips the question alone, and puts one space before the subject', () => {
    const row = { cells: ['  What? ', ' a', 'b ', 'c', 'd', 'C'] }
    expect(pairs('mmlu', row, 'S')).toEqual(
      ['A', 'B', 'C', 'D'].map(letter => [
        'SWhat?\nA.  a\nB. b \nC. c\nD. d\nAnswer:',
        ` ${letter}`,
      ]),
    )
    expect(open('mmlu', row).shot).toBe('What?\nA.  a\nB. b \nC. c\nD. d\nAnswer: C')
    expect(mmlu.description!('farm_animals')).toBe(
      'The following are multiple choice questions (with answers) about farm animals.\n\n',
    )
    expect(open('mmlu', row).score(answers(-1, -2, -0.5, -3))).toEqual({ 'acc,none': 1 })
    const fields = {
      question: '  What? ',
      subject: 's',
      choices: [' a', 'b ', 'c', 'd'],
      answer: 2,
    }
    expect(pairs('mmlu', fields)).toEqual(pairs('mmlu', row))
  })

  it('finds the subject in the row, or in the name of the file', () => {
    expect(mmlu.part!({ subject: 'anatomy' }, 'test.parquet')).toBe('anatomy')
    expect(mmlu.part!({}, 'data/test/world_religions_test.csv')).toBe('world_religions')
    expect(mmlu.part!({}, 'dev/anatomy.csv')).toBe('anatomy')
    expect(Object.values(MMLU_GROUPS).flat()).toHaveLength(57)
    expect(new Set(Object.values(MMLU_GROUPS).flat()).size).toBe(57)
  })

  it('refuses a line that has something else', () => {
    expect(() => open('mmlu', { cells: ['q', 'a', 'b', 'c', 'A'] })).toThrow('it holds 5 cells')
    expect(() => open('mmlu', { cells: ['q', 'a', 'b', 'c', 'd', 'E'] })).toThrow('from A to D')
  })
})

describe('HellaSwag', () => {
  const row = {
    activity_label: 'Baking',
    ctx_a: 'A cook stirs.',
    ctx_b: 'then SHE',
    endings: ['eats. [step] ', ' [title] Now  rest'],
    label: '1',
  }
  it('joins ctx_a and the capitalised ctx_b, which lowers the rest', () => {
    expect(pairs('hellaswag', row)).toEqual([
      ['Baking: A cook stirs. Then she', ' eats. '],
      ['Baking: A cook stirs. Then she', '  Now rest'],
    ])
    const wiki = { ...row, ctx_a: 'Dig a hole. [header] Go', ctx_b: '' }
    expect(pairs('hellaswag', wiki)[0]![0]).toBe('Baking: Dig a hole. Go')
  })

  it('cleans in one pass: strip, titles, brackets, then double spaces once', () => {
    expect(clean('  a [title] b [x] c  ')).toBe('a. b c')
    // Four spaces become two, not one; what a bracket leaves is not stripped again.
    expect(clean('a    b')).toBe('a  b')
    expect(clean('a [x]')).toBe('a ')
    expect(clean('[a [b] c]')).toBe(' c]')
    // A dot does not reach over a line end.
    expect(clean('[a\nb]')).toBe('[a\nb]')
    // The title mark needs its space.
    expect(clean('a[title]b')).toBe('ab')
  })

  it('without ctx_a takes ctx, and says so', () => {
    const plain = { activity_label: 'B', ctx: 'A cook. she', endings: ['x'], label: 0 }
    expect(pairs('hellaswag', plain)).toEqual([['B: A cook. she', ' x']])
    expect(taskNamed('hellaswag').note!(plain)).toContain('no ctx_a')
    expect(taskNamed('hellaswag').note!(row)).toBeUndefined()
  })
})

describe('questions', () => {
  const nested = {
    question: {
      stem: ' Why? ',
      choices: [
        { text: 'x', label: '1' },
        { text: 'y', label: '2' },
      ],
    },
    answerKey: '2',
  }
  const flat = {
    question: ' Why? ',
    choices: { text: ['x', 'y'], label: ['1', '2'] },
    answerKey: '2',
  }
  it('ARC scores the texts, in both layouts, with labels of letters or numbers', () => {
    const expected = [
      ['Question:  Why? \nAnswer:', ' x'],
      ['Question:  Why? \nAnswer:', ' y'],
    ]
    expect(pairs('arc_easy', flat)).toEqual(expected)
    expect(pairs('arc_challenge', nested)).toEqual(expected)
    expect(open('arc_easy', nested).target).toBe('y')
    expect(() => open('arc_easy', { ...flat, answerKey: 'B' })).toThrow('none of the labels 1, 2')
  })

  it('CommonsenseQA shows the options and scores their letters', () => {
    const texts = ['a', 'b', 'c', 'd', 'e']
    const choices = texts.map((text, i) => ({ text, label: 'ABCDE'[i]! }))
    const row = { question: { stem: ' Why? ', choices }, answerKey: 'D' }
    expect(pairs('commonsense_qa', row)[3]).toEqual([
      'Question: Why?\nA. a\nB. b\nC. c\nD. d\nE. e\nAnswer:',
      ' D',
    ])
    expect(open('commonsense_qa', row).shot.endsWith('Answer: D')).toBe(true)
  })

  it('OpenBookQA scores after the bare stem; the answer may have a space', () => {
    const row = { question_stem: 'Ice is', choices: flat.choices, answerKey: ' 2' }
    expect(pairs('openbookqa', row)).toEqual([
      ['Ice is', ' x'],
      ['Ice is', ' y'],
    ])
    expect(open('openbookqa', row).shot).toBe('Ice is y')
  })

  it('PIQA and BoolQ', () => {
    expect(pairs('piqa', { goal: 'g', sol1: 'a', sol2: 'b', label: '0' })[1]).toEqual([
      'Question: g\nAnswer:',
      ' b',
    ])
    const boolq = { passage: 'P.', question: 'is it', label: true }
    expect(pairs('boolq', boolq)).toEqual([
      ['P.\nQuestion: is it?\nAnswer:', ' no'],
      ['P.\nQuestion: is it?\nAnswer:', ' yes'],
    ])
    expect([open('boolq', boolq).target, open('boolq', { ...boolq, label: 0 }).target]).toEqual([
      'yes',
      'no',
    ])
    expect(open('boolq', { passage: 'P.', question: 'q', answer: false }).target).toBe('no')
  })

  it('say which field is missing', () => {
    expect(() => open('piqa', { goal: 'g', sol1: 'a', label: 0 })).toThrow('sol2 must be a text')
    expect(() => open('piqa', { goal: 'g', sol1: 'a', sol2: 'b', label: 2 })).toThrow('from 0 to 1')
    expect(() => open('piqa', { goal: 'g', sol1: 'a', sol2: 'b', label: '' })).toThrow('label')
    for (const label of [' ', '0x1', '1e0', '-0', true, [1]]) {
      const row = { goal: 'g', sol1: 'a', sol2: 'b', label }
      expect(() => open('piqa', row), String(label)).toThrow('label must be a number from 0 to 1')
    }
    expect(open('piqa', { goal: 'g', sol1: 'a', sol2: 'b', label: ' 1 ' }).target).toBe('b')
    expect(() => open('arc_easy', { question: 'q', choices: 3, answerKey: 'A' })).toThrow('choices')
  })
})

describe('WinoGrande', () => {
  const row = {
    sentence: 'The cat ran from the dog because _ was afraid. ',
    option1: 'it',
    option2: 'he',
    answer: '2',
  }
  it('scores the rest of the sentence after each option, by acc alone', () => {
    expect(pairs('winogrande', row, 'S ')).toEqual([
      ['S The cat ran from the dog because it', ' was afraid.'],
      ['S The cat ran from the dog because he', ' was afraid.'],
    ])
    expect(open('winogrande', row).score(answers(-3, -2))).toEqual({ 'acc,none': 1 })
    expect(open('winogrande', row).shot).toBe('The cat ran from the dog because he was afraid.')
    expect(() => open('winogrande', { ...row, sentence: 'no gap' })).toThrow('written _')
  })
})

describe('LAMBADA', () => {
  it('acc is whether greedy sampling writes the last word, perplexity its likelihood', () => {
    const item = open('lambada_openai', { text: 'He had  a boat' })
    expect(item.requests('')).toEqual([
      { kind: 'loglikelihood', context: 'He had  a', continuation: ' boat' },
    ])
    const answer = { kind: 'loglikelihood', logprob: -0.1, tokens: 1, cut: 0 } as const
    // Likely is not enough: another word may be likelier still.
    expect(item.score([{ ...answer, greedy: false }])).toEqual({
      'acc,none': 0,
      'perplexity,none': -0.1,
    })
    expect(item.score([{ ...answer, greedy: true }])['acc,none']).toBe(1)
  })
})

describe('GSM8K', () => {
  const row = { question: 'How many?', answer: 'It is 1 + 1 = 2.\n#### 1,002' }
  const score = (text: string) => open('gsm8k', row).score([{ kind: 'generate', text, cut: 0 }])
  it('asks with three ends, and 256 new tokens', () => {
    const [request] = open('gsm8k', row).requests('S') as GenerateRequest[]
    expect(request).toEqual({
      kind: 'generate',
      context: 'SQuestion: How many?\nAnswer:',
      until: ['Question:', '</s>', '<|im_end|>'],
      maxTokens: 256,
    })
    expect(open('gsm8k', row).shot).toBe(
      'Question: How many?\nAnswer: It is 1 + 1 = 2.\n#### 1,002',
    )
  })

  it('strict takes the first number after ####, flexible the last of all', () => {
    const text = 'a 7 #### 12 and #### -3,4. or $5.50 left 9'
    expect(strictMatch(text)).toBe('12')
    expect(flexibleExtract(text)).toBe('9')
    expect(flexibleExtract('it is $1,002.')).toBe('$1,002.')
    expect(strictMatch('12')).toBe('[invalid]')
    expect(flexibleExtract('none')).toBe('[invalid]')
    expect(flexibleExtract('a-12b')).toBe('-12')
  })

  it('commas, dollars, what is before the number and a full stop at the end go on both sides', () => {
    expect(comparable('x\n#### y #### $1,002.')).toBe('1002')
    expect(comparable('1.5')).toBe('1.5')
    expect(comparable('2.\n')).toBe('2\n')
    expect(score('#### 1002.')).toEqual({
      'exact_match,strict-match': 1,
      'exact_match,flexible-extract': 1,
    })
    expect(score('so $1,002.')).toEqual({
      'exact_match,strict-match': 0,
      'exact_match,flexible-extract': 1,
    })
    expect(score('#### 1003\n#### 1002')).toEqual({
      'exact_match,strict-match': 0,
      'exact_match,flexible-extract': 1,
    })
  })
})

describe('WikiText', () => {
  it('counts words and bytes of the page before the clean-up', () => {
    const page = ' = É = \n a , b @-@ c . '
    const item = open('wikitext', { page })
    expect(item.requests('')).toEqual([{ kind: 'rolling', text: ' = É =\na, b-c. ' }])
    const scores = item.score([{ kind: 'rolling', logprob: -5, tokens: 3, windows: 1 }])
    expect(scores).toEqual({
      'word_perplexity,none': [-5, 11],
      'byte_perplexity,none': [-5, 24],
      'bits_per_byte,none': [-5, 24],
    })
  })

  it.each([
    ["the brothers ' house", "the brothers' house"],
    ['1 @,@ 000 @.@ 5', '1,000.5'],
    ['a : b ; c . d ! e ? f , g', 'a: b; c. d! e? f, g'],
    ['( a ) [ b ] { c } " d "', '(a) [b] {c} "d"'],
    [" it ' s x ' y", " it's x' y"],
    ['= = = = x = = = y = =', '==== x === y =='],
    ['5 ° C', '5°C'],
    ['a \n b', 'a\nb'],
    ['a N b', 'a 1 b'],
    ["it 's", "it's"],
    ["x/' 5/y", "x/'[0-9]/y"],
  ])('cleans %j', (page, text) => expect(detokenize(page)).toBe(text))
})

// Answers taken apart while they come: for each family what is a call and what stays text, the same however the
// text is cut.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { offeredOf } from '../../../src/engine/answer/calls.ts'
import {
  type CallFormat,
  formatOf,
  HERMES,
  LLAMA3,
  MISTRAL,
  QWEN_XML,
} from '../../../src/engine/answer/formats.ts'
import { reasoningOf } from '../../../src/engine/answer/read.ts'
import { AnswerReader, type ReaderOptions } from '../../../src/engine/answer/reader.ts'

const tool = (name: string, properties: object = {}) => ({
  type: 'function' as const,
  function: { name, parameters: { type: 'object', properties } },
})
const TOOLS = [
  tool('light', { room: { type: 'string' }, on: { type: 'boolean' }, level: { type: 'integer' } }),
  tool('now'),
  tool('save.v2-x', {
    text: { type: 'string' },
    tags: { type: 'array' },
    meta: { anyOf: [{ type: 'object' }, { type: 'null' }] },
    any: {},
  }),
]
const THINK = { open: '<think>', close: '</think>' }

interface Read {
  text: string
  reasoning: string
  calls: [name: string, args: string][]
  partial: string
}

function read(
  pieces: readonly string[],
  format: CallFormat,
  cut = false,
  more: Partial<ReaderOptions> = {},
): Read {
  const reader = new AnswerReader({
    calls: { format, offered: offeredOf(TOOLS) },
    reasoning: THINK,
    newId: index => `call${index}`,
    ...more,
  })
  const begun = pieces.map(piece => reader.push(piece))
  const last = reader.end(cut)
  const all = [...begun, last]
  const calls = all.flatMap(piece => piece.calls)
  expect(calls.map(call => call.index)).toEqual(calls.map((_, i) => i))
  return {
    text: all.map(piece => piece.text).join(''),
    reasoning: all.map(piece => piece.reasoning).join(''),
    calls: calls.map(({ function: { name, arguments: args } }) => [name, args]),
    partial: last.partialCall,
  }
}

/** Read whole, by characters, and in two at every place: always the same. */
function readEveryWay(text: string, format: CallFormat, cut = false): Read {
  const whole = read([text], format, cut)
  const letters = Array.from(text)
  expect(read(letters, format, cut), 'by characters').toEqual(whole)
  for (let i = 1; i < letters.length; i++) {
    const halves = [letters.slice(0, i).join(''), letters.slice(i).join('')]
    expect(read(halves, format, cut), `cut at ${i}`).toEqual(whole)
  }
  return whole
}

const T = (inside: string) => `<tool_call>\n${inside}\n</tool_call>`
const ON = '{"name": "light", "arguments": {"room": "hall", "on": true}}'
const on: [string, string] = ['light', '{"room": "hall", "on": true}']
const now: [string, string] = ['now', '{}']
const XML =
  '<function=light>\n<parameter=room>\nhall\n</parameter>\n<parameter=on>\ntrue\n</parameter>\n</function>'

/** Text, what is content, which calls. */
const CASES: [CallFormat, string, string, [string, string][]][] = [
  [HERMES, T(ON), '', [on]],
  [HERMES, `Wait. ${T(ON)}`, 'Wait.', [on]],
  [HERMES, `\n ${T(ON)} \n`, '', [on]],
  [HERMES, `A\n${T(ON)}\n${T('{"name": "now"}')}\nB`, 'A\nB', [on, now]],
  [HERMES, `A${T(ON)}\n\nB  C`, 'A\n\nB  C', [on]],
  [HERMES, T('{"name": "now", "arguments": null}'), '', [now]],
  [HERMES, T('{"name": "now", "arguments": ""}'), '', [now]],
  [HERMES, T('{"name": "now", "arguments": "{\\"a\\": 1}"}'), '', [['now', '{"a": 1}']]],
  [
    HERMES,
    T('{"arguments": {"b": 1e400, "a": 9007199254740993, "__proto__": {}}, "name": "now"}'),
    '',
    [['now', '{"b": 1e400, "a": 9007199254740993, "__proto__": {}}']],
  ],
  [HERMES, T(`${ON}\n${ON}`), '', [on, on]],
  [HERMES, T(`[${ON}, ${ON}]`), '', [on, on]],
  [HERMES, `<tool_call>${ON}`, '', [on]],
  [HERMES, `<tool_call>${ON}\n<tool_call>${ON}</tool_call>`, '', [on, on]],
  [HERMES, `<tool_call>${ON}</tool_call`, '', [on]],
  [HERMES, `<tool_call>${ON} and so on`, 'and so on', [on]],
  [
    HERMES,
    T('{"name": "now", "arguments": {"a": "</tool_call> } <tool_call> \\" {"}}'),
    '',
    [['now', '{"a": "</tool_call> } <tool_call> \\" {"}']],
  ],
  [HERMES, T(XML), '', [['light', '{"room": "hall", "on": true}']]],
  // What is none stays text.
  [HERMES, T('{"name": "off"}'), T('{"name": "off"}'), []],
  [HERMES, T('{"name": 5, "arguments": {}}'), T('{"name": 5, "arguments": {}}'), []],
  [HERMES, T('{"name": "now", "arguments": [1]}'), T('{"name": "now", "arguments": [1]}'), []],
  [HERMES, T('{"name": "now", "arguments": "no"}'), T('{"name": "now", "arguments": "no"}'), []],
  [HERMES, T('{name: "now"}'), T('{name: "now"}'), []],
  [
    HERMES,
    `${T('{"name": "now", "arguments": {"a" 1}}')}${T(ON)}`,
    `${T('{"name": "now", "arguments": {"a" 1}}')}`,
    [on],
  ],
  [
    HERMES,
    'Write <tool_call> and a </tool_call> <tool',
    'Write <tool_call> and a </tool_call> <tool',
    [],
  ],
  [HERMES, '<tool_call>', '<tool_call>', []],
  [HERMES, ' \n x < y \n', ' \n x < y \n', []],
  [QWEN_XML, T(XML), '', [on]],
  [QWEN_XML, XML, '', [on]],
  [QWEN_XML, `One. ${T(XML)} ${T('<function=now>\n</function>')}`, 'One.', [on, now]],
  [
    QWEN_XML,
    T(
      '<function=light><parameter=room>007</parameter><parameter=level> 12 </parameter><parameter=on>maybe</parameter></function>',
    ),
    '',
    [['light', '{"room": "007", "level": 12, "on": "maybe"}']],
  ],
  [
    QWEN_XML,
    T(
      '<function=save.v2-x>\n<parameter=text>\n\n a </function> </parameter> b\n\n</parameter>\n<parameter=meta>\nnull\n</parameter>\n<parameter=tags>\n[1.0]\n</parameter>\n<parameter=any>\n5\n</parameter>\n</function>',
    ),
    '',
    [
      [
        'save.v2-x',
        '{"text": "\\n a </function> </parameter> b\\n", "meta": null, "tags": [1.0], "any": "5"}',
      ],
    ],
  ],
  [QWEN_XML, T('<function=off>\n</function>'), T('<function=off>\n</function>'), []],
  [
    QWEN_XML,
    T('<function=light>\n<parameter=room>\n</function>'),
    T('<function=light>\n<parameter=room>\n</function>'),
    [],
  ],
  [LLAMA3, '{"name": "light", "parameters": {"room": "hall", "on": true}}', '', [on]],
  [LLAMA3, ' \n{"name": "now", "parameters": {}}<|eom_id|>', '', [now]],
  [LLAMA3, `<|python_tag|>${ON}; ${ON};{"name": "now", "parameters": {}}`, '', [on, on, now]],
  [LLAMA3, '{"name": "now"}', '{"name": "now"}', []],
  [LLAMA3, '{"name": "off", "parameters": {}}', '{"name": "off", "parameters": {}}', []],
  [LLAMA3, `Here: ${ON}`, `Here: ${ON}`, []],
  [LLAMA3, '<|python_tag|>print(1)', '<|python_tag|>print(1)', []],
  [LLAMA3, '{"a": 1} is JSON', '{"a": 1} is JSON', []],
  [MISTRAL, `[TOOL_CALLS] [${ON}, {"name": "now", "arguments": {}}]`, '', [on, now]],
  [MISTRAL, `Yes. [TOOL_CALLS][${ON}]</s>`, 'Yes.', [on]],
  [
    MISTRAL,
    '[TOOL_CALLS]light[ARGS]{"room": "hall", "on": true}[TOOL_CALLS]now[ARGS]{}',
    '',
    [on, now],
  ],
  [
    MISTRAL,
    '[TOOL_CALLS]save.v2-x[CALL_ID]aB3aB3aB3[ARGS]{"text": "[TOOL_CALLS]"}',
    '',
    [['save.v2-x', '{"text": "[TOOL_CALLS]"}']],
  ],
  [MISTRAL, '[TOOL_CALLS]off[ARGS]{}', '[TOOL_CALLS]off[ARGS]{}', []],
  [MISTRAL, '[TOOL_CALLS] is a token', '[TOOL_CALLS] is a token', []],
]

describe('calls', () => {
  it.each(CASES.map(row => [row[0].id, row[1], row] as const))('%s %s', (_, __, row) => {
    const [format, text, content, calls] = row
    expect(readEveryWay(text, format)).toEqual({ text: content, reasoning: '', calls, partial: '' })
  })

  it('that were cut off by length are no calls and no content', () => {
    const cases: [CallFormat, string, [string, string][], string][] = [
      [HERMES, `<tool_call>${ON.slice(0, 30)}`, [], `<tool_call>${ON.slice(0, 30)}`],
      [HERMES, `${T(ON)}\n<tool_call>\n{"na`, [on], '<tool_call>\n{"na'],
      [HERMES, `<tool_call>${ON}\n</tool`, [on], ''],
      [QWEN_XML, T(XML).slice(0, 60), [], T(XML).slice(0, 60)],
      [LLAMA3, '{"name": "no', [], '{"name": "no'],
      [MISTRAL, '[TOOL_CALLS]li', [], '[TOOL_CALLS]li'],
    ]
    for (const [format, text, calls, partial] of cases) {
      expect(readEveryWay(text, format, true)).toEqual({ text: '', reasoning: '', calls, partial })
    }
  })

  it('keep the id that was written, and get one otherwise', () => {
    const options = {
      calls: { format: MISTRAL, offered: offeredOf(TOOLS) },
      newId: (i: number) => `new${i}`,
    }
    const reader = new AnswerReader(options)
    const { calls } = reader.push(
      '[TOOL_CALLS]now[CALL_ID]aB3aB3aB3[ARGS]{}[TOOL_CALLS]now[ARGS]{}',
    )
    expect(calls.map(call => call.id)).toEqual(['aB3aB3aB3', 'new1'])
  })

  const json = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 })
  const white = fc.constantFrom('', ' ', '\n')
  const forms: [CallFormat, (calls: string[][]) => string][] = [
    [
      HERMES,
      calls =>
        calls.map(([name, args]) => T(`{"name": "${name}", "arguments": ${args}}`)).join('\n'),
    ],
    [
      HERMES,
      calls =>
        T(
          `[${calls.map(([name, args]) => `{"name": "${name}", "arguments": ${args}}`).join(', ')}]`,
        ),
    ],
    [
      LLAMA3,
      calls => calls.map(([name, args]) => `{"name": "${name}", "parameters": ${args}}`).join(';'),
    ],
    [MISTRAL, calls => calls.map(([name, args]) => `[TOOL_CALLS]${name}[ARGS]${args}`).join('')],
  ]
  it.each(forms.map(([format, write], i) => [format.id, i, write, format] as const))(
    'of any arguments come back as they were written (%s %i)',
    (_, __, write, format) => {
      const call = fc.tuple(
        fc.constantFrom('light', 'now', 'save.v2-x'),
        json.map(value => JSON.stringify(value)),
      )
      const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 })
      fc.assert(
        fc.property(
          fc.array(call, { minLength: 1, maxLength: 3 }),
          white,
          cuts,
          (calls, around, sizes) => {
            const text = around + write(calls) + around
            const pieces: string[] = []
            for (let at = 0, i = 0; at < text.length; i++) {
              const size = sizes[i % sizes.length]!
              pieces.push(text.slice(at, at + size))
              at += size
            }
            expect(read(pieces, format)).toEqual({ text: '', reasoning: '', calls, partial: '' })
          },
        ),
      )
    },
  )

  it('any text without a call stays as it is', () => {
    const bits = fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '[TOOL_CALLS]',
      '[ARGS]',
      '{',
      '}',
      '"',
      'now',
      ' ',
      '\n',
      '<',
      '[',
      '<function=',
      '</function>',
      '<parameter=a>',
      '<|python_tag|>',
      '<|eom_id|>',
      '{"name": "off", "arguments": {}}',
      ',',
      ';',
      '\u00e9\u{1f600}',
    )
    const formats = fc.constantFrom(HERMES, QWEN_XML, LLAMA3, MISTRAL)
    fc.assert(
      fc.property(fc.array(bits, { maxLength: 12 }), formats, (all, format) => {
        const whole = read([all.join('')], format)
        expect(read(all, format)).toEqual(whole)
        expect(read(Array.from(all.join('')), format)).toEqual(whole)
        if (whole.calls.length === 0) expect(whole.text).toBe(all.join(''))
      }),
      { numRuns: 3000 },
    )
  })
})

describe('reasoning', () => {
  const cases: [string, string, string, [string, string][]][] = [
    ['<think>\nHm.\n\nSo.\n</think>\n\nYes. \n', 'Yes. \n', 'Hm.\n\nSo.', []],
    ['\n<think>\n\n</think>\n\nYes', 'Yes', '', []],
    [`<think>${T(ON)}</think>\n${T(ON)}`, '', T(ON), [on]],
    ['<think>never ended', '', 'never ended', []],
    ['I <think> so </think>', 'I <think> so </think>', '', []],
    ['<thin', '<thin', '', []],
    ['<think>a</think', '', 'a</think', []],
  ]
  it.each(cases)('%s', (text, content, reasoning, calls) => {
    expect(readEveryWay(text, HERMES)).toEqual({ text: content, reasoning, calls, partial: '' })
  })

  it('that the prompt has begun', () => {
    const more = { reasoningBegun: true }
    for (const pieces of [['Hm.</think>\n\nYes'], Array.from('Hm.</think>\n\nYes')]) {
      expect(read(pieces, HERMES, false, more)).toMatchObject({ text: 'Yes', reasoning: 'Hm.' })
    }
  })

  it('is text where the template knows none', () => {
    const more = { reasoning: undefined }
    expect(read(['<think>a</think>'], HERMES, false, more).text).toBe('<think>a</think>')
  })
})

it('a template shows its format and its reasoning', () => {
  expect(formatOf("{{ '<tool_call>' }}")).toBe(HERMES)
  expect(formatOf("'<tool_call>\\n<function=x>' '<parameter=y>'")).toBe(QWEN_XML)
  expect(formatOf("{{ '<|python_tag|>' }}")).toBe(LLAMA3)
  expect(formatOf('respond with {"name": function name, "parameters": dictionary}')).toBe(LLAMA3)
  expect(formatOf("{{ '[TOOL_CALLS]' }}")).toBe(MISTRAL)
  expect(formatOf('{{ messages }}')).toBe(HERMES)
  expect(reasoningOf("{{ message.content.split('</think>')[-1] }}")).toEqual(THINK)
  expect(reasoningOf('{{ messages }}')).toBeUndefined()
})

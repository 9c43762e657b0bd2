// Templates render as Python's jinja2 renders them, or are refused: never another text. The goldens are
// made by test/golden/jinja/make-cases.py.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { TemplateFault } from '../../../src/tokenizer/jinja/faults.ts'
import { parseJson } from '../../../src/tokenizer/jinja/json.ts'
import { renderAtOnce, Template } from '../../../src/tokenizer/jinja/template.ts'
import { Text, TYPED } from '../../../src/tokenizer/jinja/text.ts'
import { Dict, type Value } from '../../../src/tokenizer/jinja/values.ts'
import { LIMITS, render } from './render.ts'

const file = readFileSync(resolve(import.meta.dirname, '../../golden/jinja/cases.json'), 'utf8')
const golden = JSON.parse(file) as {
  now: string
  cases: { template: string; text?: string; error?: true }[]
}
// Read by our own reader: 1.0 is a float in there, and one integer is beyond 2^53.
const variables = entriesOf(entriesOf(parseJson(file, TYPED)).get('variables'))

function entriesOf(value: Value | undefined): Map<string, Value> {
  if (!(value instanceof Dict)) throw new Error('not a dict')
  return new Map([...value.entries.values()].map(([key, item]) => [(key as Text).s, item]))
}

/** What Python renders and we refuse, by name. */
const REFUSED = [
  'the attribute real of a int is not supported',
  'the attribute __class__ is not supported',
  'str.encode() is not supported',
  'of a string marked safe is not supported',
  'a number in other digits than 0-9 is not supported',
]

test.each(golden.cases)('$template', ({ template, text }) => {
  const now = () => new Date(golden.now)
  let result: string | undefined
  let fault: TemplateFault | undefined
  try {
    result = renderAtOnce(new Template(template), { variables, now }, LIMITS).s
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error
    fault = error
  }
  if (text === undefined) expect(result).toBeUndefined()
  else if (result !== undefined) expect(result).toBe(text)
  else expect(REFUSED.some(reason => fault!.message.endsWith(reason)) || fault!.message).toBe(true)
})

test('nearly nothing of it is refused', () => {
  const refused = golden.cases.filter(({ template, text }) => {
    try {
      renderAtOnce(new Template(template), { variables }, LIMITS)
      return false
    } catch {
      return text !== undefined
    }
  })
  expect(golden.cases.length).toBeGreaterThan(350)
  expect(refused.length).toBeLessThan(golden.cases.length / 50)
})

describe('a fault names its construct and its line', () => {
  test.each([
    ['a\n{{ x | urlize }}', 2, 'the filter urlize is not supported'],
    ['a\n\n{% include "x" %}', 3, '{% include %} is not supported'],
    ['{% if x %}\n{{ x.__class__ }}{% endif %}', 2, 'the attribute __class__ is not supported'],
    ['a\n{{ "\\N{DASH}" }}', 2, 'the escape \\N{name} is not supported'],
    ['a\n{% block x %}{% endblock %}', 2, '{% block %} is not supported'],
    ['{% set a = 1 %}\n\n{{ a.b.c }}', 3, "'int object' has no attribute 'b'"],
    ['a\n{{ raise_exception("roles must alternate") }}', 2, 'roles must alternate'],
    ['a\nb\n{{ x | nofilter }}', 3, "No filter named 'nofilter'"],
    ['a\n{{ 1 + }}', 2, 'unexpected variable end'],
    ['a\n{{ strftime_now("%Q") }}', 2, 'the strftime code %Q is not supported'],
  ])('%j', (template, line, message) => {
    let fault: unknown
    try {
      render(template, { x: 'x' })
    } catch (error) {
      fault = error
    }
    expect(fault).toBeInstanceOf(TemplateFault)
    expect((fault as TemplateFault).message).toContain(message)
    expect((fault as TemplateFault).line).toBe(line)
  })
})

test('values of the caller keep their kinds', () => {
  const value = { n: 1, f: 1.5, b: 2 ** 53, u: undefined, l: [undefined], z: -0, d: { '1': 'a' } }
  expect(render('{{ v }}', { v: value }).s).toBe(
    "{'n': 1, 'f': 1.5, 'b': 9007199254740992.0, 'l': [None], 'z': 0, 'd': {'1': 'a'}}",
  )
  expect(() => render('{{ v }}', { v: () => 1 })).toThrow('a function among the values')
  const circle: unknown[] = []
  circle.push(circle)
  expect(() => render('{{ v }}', { v: circle })).toThrow('nested too deeply')
})

test('JSON is read as Python reads it', () => {
  const read = (json: string) => {
    const value = parseJson(json, 0)
    return value === undefined ? undefined : render('{{ v | tojson }}', {}).s && show(value)
  }
  const show = (v: Value) =>
    renderAtOnce(new Template('{{ v | tojson }}'), { variables: new Map([['v', v]]) }, LIMITS).s
  expect(
    parseJson('{"b": 12345678901234567890, "1": 1.0, "0": [null, true, "\\u00e9"]}', 0),
  ).toBeDefined()
  expect(show(parseJson('{"b": 12345678901234567890, "1": 1.0, "0": [null, "\\u00e9"]}', 0)!)).toBe(
    '{"b": 12345678901234567890, "1": 1.0, "0": [null, "é"]}',
  )
  for (const wrong of ['', '{', '{"a" 1}', '[1,]', '01', '"a', '{"a": 1} x', "{'a': 1}", 'nul']) {
    expect(read(wrong)).toBeUndefined()
  }
  expect(new Text('x').s).toBe('x')
})

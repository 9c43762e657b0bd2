// Templates come from model files, so they may be hostile: every one ends, soon, as a fault.
import { describe, expect, test } from 'vitest'
import { TemplateFault, TextTooLong } from '../../../src/tokenizer/jinja/faults.ts'
import { Template } from '../../../src/tokenizer/jinja/template.ts'
import { render } from './render.ts'

const grow = (step: string) =>
  `{% set ns = namespace(x='aaaaaaaa', l=[1,2,3,4]) %}{% for i in range(90000) %}${step}{% endfor %}`

describe('a hostile template', () => {
  test.each([
    ['with a syntax error', '{% for %}'],
    ['left open', '{% if true %}'],
    ['over a huge range', '{% for i in range(1000000000) %}x{% endfor %}'],
    ['over an endless range', '{% for i in range(0, 5, 0) %}x{% endfor %}'],
    [
      'of nested loops',
      '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}',
    ],
    ['that recurses', '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}'],
    ['that recurses in a loop', '{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}'],
    ['that holds itself', '{% set ns = namespace() %}{% set ns.n = ns %}{{ ns }}'],
    ['that nests a list', `${grow('{% set ns.l = [ns.l] %}')}{{ ns.l }}`],
    ['that compares nested lists', `${grow('{% set ns.l = [ns.l] %}')}{{ ns.l == [ns.l] }}`],
    ['nested deeply', `{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`],
    ['of many signs', `{{ ${'-'.repeat(50_000)}1 }}`],
    ['of many nots', `{{ ${'not '.repeat(50_000)}1 }}`],
    ['of deep blocks', '{% if true %}'.repeat(20_000) + '{% endif %}'.repeat(20_000)],
    ['of many sums', `{{ ${'1+'.repeat(100_000)}1 }}`],
    ['of many members', `{{ x${'.a'.repeat(100_000)} }}`],
    ['of many filters', `{{ x${'|trim'.repeat(100_000)} }}`],
    ['that doubles a text', grow('{% set ns.x = ns.x ~ ns.x %}')],
    ['that doubles a list', grow('{% set ns.l = ns.l + ns.l %}')],
    ['that powers', grow('{% set ns.x = 7 %}{% set ns.l = ns.x ** 9999999999 %}')],
    [
      'that squares',
      '{% set ns = namespace(x=7) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}',
    ],
    [
      'that writes too much',
      '{% for i in range(99999) %}{{ "xxxxxxxxxxxxxxxxxxxxxxxx" }}{% endfor %}',
    ],
    ['that joins too much', "{{ range(99999) | join('xxxxxxxxxxxxxxxxxxxxxxxxxxx') }}"],
    ['that pads too much', "{{ 'x'.center(999999999) }}"],
    ['that repeats too much', "{{ 'x' * 999999999 }}"],
    ['that formats too much', "{{ '%999999999d' % 1 }}"],
    ['that formats many digits', "{{ '{:.999999}'.format(1.5) }}"],
    ['that indents JSON', '{{ [[[1]]] | tojson(indent=999999999) }}'],
    ['that expands tabs', "{{ ('\\t' * 99999).expandtabs(999999) }}"],
    [
      'that sorts for ever',
      '{% for i in range(9999) %}{{ range(99999) | reverse | sort | length }}{% endfor %}',
    ],
    ['that searches for ever', grow("{{ ('a' * 99999).find('b') }}")],
  ])('%s is a fault', (_, template) => {
    const started = performance.now()
    expect(() => render(template)).toThrow(TemplateFault)
    expect(performance.now() - started).toBeLessThan(3000)
  })

  test('of white space only takes no time', () => {
    const started = performance.now()
    const blanks = ' '.repeat(200_000)
    expect(render(`a${blanks}b{%- if true %}${blanks}c{% endif -%}${blanks}`).s.length).toBe(
      400_003,
    )
    expect(() => render(`{% raw %}${`{%${blanks.slice(0, 9999)}`.repeat(20)}`)).toThrow(
      TemplateFault,
    )
    expect(performance.now() - started).toBeLessThan(2000)
  })

  test('that writes more than is wanted says how much that is', () => {
    const limits = { steps: 100_000, chars: 100_000, output: 100 }
    expect(() => render('{{ "x" * 101 }}', {}, limits)).toThrow(TextTooLong)
    expect(render('{{ "x" * 100 }}', {}, limits).s.length).toBe(100)
    expect(render('{% set y = "x" * 1000 %}{{ y | length }}', {}, limits).s).toBe('1000')
  })

  test('stops every few thousand steps, so that others have a turn', () => {
    const template = new Template('{% for i in range(9999) %}{% set x = i * 2 %}{% endfor %}done')
    const limits = { steps: 1_000_000, chars: 1000, output: 1000 }
    const steps = template.render(() => ({ variables: new Map() }), limits)
    let stops = 0
    let step = steps.next()
    for (; !step.done; step = steps.next()) stops++
    expect(stops).toBeGreaterThan(5)
    expect(step.value.s).toBe('done')
  })

  test('stops within a macro that is called in an expression, too', () => {
    const macro = '{% macro m() %}{% for i in range(9999) %}{{ "" }}{% endfor %}x{% endmacro %}'
    const steps = new Template(`${macro}{{ "a" ~ m() | upper }}`).render(
      () => ({ variables: new Map() }),
      { steps: 1_000_000, chars: 1000, output: 1000 },
    )
    let stops = 0
    let step = steps.next()
    for (; !step.done; step = steps.next()) stops++
    expect(stops).toBeGreaterThan(3)
    expect(step.value.s).toBe('aX')
  })

  test('two that take turns are charged apart', () => {
    const limits = { steps: 60_000, chars: 1000, output: 100 }
    const one = new Template('{% for i in range(5000) %}{{ "" }}{% endfor %}1')
    const both = [one, one].map(t => t.render(() => ({ variables: new Map() }), limits))
    const results = both.map(() => '')
    while (results.includes('')) {
      both.forEach((steps, i) => {
        const step = steps.next()
        if (step.done) results[i] ||= step.value?.s ?? 'done'
      })
    }
    expect(results).toEqual(['1', '1'])
  })

  test('reaches nothing beyond its values', () => {
    expect(
      render('{{ self_ }}{{ postMessage }}{{ globalThis }}{{ constructor }}{{ toString }}').s,
    ).toBe('')
    for (const path of [
      'x.constructor',
      "x['constructor']",
      'range.constructor',
      'd.hasOwnProperty',
      'd.toString',
    ]) {
      expect(render(`{{ ${path} }}`, { x: 'a', d: {} }).s).toBe('')
    }
    expect(
      render('{{ d.constructor }}{{ d["__proto__"] }}', { d: JSON.parse('{"constructor": 1}') }).s,
    ).toBe('1')
  })
})

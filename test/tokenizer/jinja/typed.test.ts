// A text keeps the mark of what was typed through everything a template does with it, and what the template
// writes itself never gets one.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { render, showTyped } from './render.ts'

describe('what is typed stays marked', () => {
  const cases: [template: string, expected: string][] = [
    ['<u>{{ x }}</u>', '<u>[ ab,cd ]</u>'],
    ['{{ "<" ~ x ~ ">" }}', '<[ ab,cd ]>'],
    ['{{ "<" + x + ">" }}', '<[ ab,cd ]>'],
    ['{{ x | trim }}|{{ x.strip() }}|{{ x.lstrip(" a") }}', '[ab,cd]|[ab,cd]|[b,cd ]'],
    ['{{ x.split(",") | join("-") }}', '[ ab]-[cd ]'],
    ['{{ x.split(",")[-1] }}', '[cd ]'],
    ['{{ x.replace("a", "<a>") }}', '[ ]<a>[b,cd ]'],
    ['{{ "a-a" | replace("a", x) }}', '[ ab,cd ]-[ ab,cd ]'],
    ['{{ x[1:3] }}{{ x[::-1] }}{{ x[2] }}', '[ab dc,ba b]'],
    ['{{ x | upper }}!{{ x | title }}!{{ x.capitalize() }}', '[ AB,CD ]![ Ab,cd ]![ ab,cd ]'],
    ['{{ x | tojson }}', '"[ ab,cd ]"'],
    ['{{ {"k": [x]} | tojson }}', '{"k": ["[ ab,cd ]"]}'],
    ['{{ [x] }}', "['[ ab,cd ]']"],
    ['{{ "%s;" % x }}{{ "{:>9};".format(x) }}', '[ ab,cd ];  [ ab,cd ];'],
    ['{{ "%s" | format(x) }}', '[ ab,cd ]'],
    ['{% set y %}<{{ x }}>{% endset %}{{ y }}', '<[ ab,cd ]>'],
    ['{% filter upper %}a{{ x }}{% endfilter %}', 'A[ AB,CD ]'],
    ['{% macro m(v) %}({{ v }}){% endmacro %}{{ m(x) }}', '([ ab,cd ])'],
    ['{% for c in x.strip() %}{{ c }}.{% endfor %}', '[a].[b].[,].[c].[d].'],
    ['{{ x if x is string else "n" }}', '[ ab,cd ]'],
    ['{{ x | indent(2, true) }}', '  [ ab,cd ]'],
    ['{{ x | truncate(5, true, "..", 0) }}', '[ ab]..'],
    ['{{ x * 2 }}', '[ ab,cd  ab,cd ]'],
    ['{{ x.center(11) }}', '  [ ab,cd ]  '],
    ['{{ (x | e) }}{{ ("<" ~ x) | e }}', '[ ab,cd ]&lt;[ ab,cd ]'],
    ['{{ x.partition(",") | join }}', '[ ab,cd ]'],
    ['{{ [x, "b"] | sort | join }}', '[ ab,cd ]b'],
    [
      '{% set ns = namespace(t="") %}{% for i in [1, 2] %}{% set ns.t = ns.t + x + "." %}{% endfor %}{{ ns.t }}',
      '[ ab,cd ].[ ab,cd ].',
    ],
    [
      '{{ x | length }}{{ x == " ab,cd " }}{{ "ab" in x }}{{ x.startswith(" a") }}',
      '7TrueTrueTrue',
    ],
    ['{{ {" ab,cd ": "mine"}[x] }}', 'mine'],
    ['{{ d.k }}{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}', '[vk]=[v]'],
    ['{{ d }}', "{'[k]': '[v]'}"],
    ['{{ d | tojson(indent=1) }}', '{\n "[k]": "[v]"\n}'],
    ['{{ q | tojson }}{{ [q] }}', '"[\\"\\n]"[\'"\\n\']'.replace("['\"\\n']", "['[\"\\n]']")],
    ['{{ strftime_now(x) }}', '[ ab,cd ]'],
    ['{{ "ß" ~ x | upper }}{{ ("ß" ~ x) | upper }}', 'ß[ AB,CD ]SS[ AB,CD ]'],
    ['{{ s | upper }}', '[SS]'],
  ]
  test.each(cases)('%s', (template, expected) => {
    const shown = showTyped(render(template, { x: ' ab,cd ', d: { k: 'v' }, q: '"\n', s: 'ß' }))
    expect(shown.replaceAll('\\n', '\n')).toBe(expected.replaceAll('\\n', '\n'))
  })

  test('by one alphabet for what is typed and another for the template', () => {
    const small = fc.constantFrom('a', '-', 'b c', '')
    const operation = fc.oneof(
      fc.constantFrom(
        '| trim',
        '| upper',
        '| title',
        '| reverse',
        '[1:]',
        '[::-1]',
        '[:-2]',
        '| indent',
      ),
      fc.constantFrom('.split() | join("_")', '| list | join("+")', '.swapcase()', '| truncate(9)'),
      fc.constantFrom(
        '.splitlines() | join("|")',
        '| tojson',
        '.center(20, "*")',
        '.partition(" ") | list',
      ),
      small.map(text => `~ "${text}"`),
      small.map(text => `.replace("${text}", "zz")`),
      small.map(text => `.split("${text || ' '}") | string`),
    )
    const typed = fc.string({ unit: fc.constantFrom(...'абв ГДж😀') })
    fc.assert(
      fc.property(typed, fc.array(operation, { maxLength: 5 }), (x, operations) => {
        const code = operations.reduce(
          (made, operation) => `((${made}) ${operation}) | string`,
          'x',
        )
        const text = render(`{{ ${code} }}`, { x })
        for (let i = 0; i < text.s.length; i++) {
          const isTyped = text.marksAt(i) === 1
          if (/[\p{Script=Cyrillic}\ud800-\udfff]/u.test(text.s[i]!)) expect(isTyped).toBe(true)
          else if (/[a-zA-Z+*|_-]/.test(text.s[i]!)) expect(isTyped).toBe(false)
        }
      }),
      { numRuns: 400 },
    )
  })
})

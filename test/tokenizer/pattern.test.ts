// The pattern matcher against the browser's own regular expressions, and its cost counted in steps.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FOUND, NONE, PAUSED, PatternMatcher } from '../../src/tokenizer/pattern/matcher.ts'
import { canBeEmpty, parsePattern } from '../../src/tokenizer/pattern/parse.ts'
import { compilePattern } from '../../src/tokenizer/pattern/program.ts'
import { tricky } from './small-vocabulary.ts'

function unitsOf(text: string): Uint16Array {
  return Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i))
}

/** All matches, as matchAll gives them; `slice` steps at a time. Counts steps. */
function matches(source: string, text: string, slice = 1e9) {
  const matcher = new PatternMatcher(compilePattern(source))
  const units = unitsOf(text)
  matcher.begin(units, 0, units.length)
  const budget = { left: slice }
  const found: string[] = []
  let steps = 0
  for (let at = 0; ; ) {
    const result = matcher.find(at, budget)
    if (result === PAUSED) {
      steps += slice
      budget.left = slice
      continue
    }
    if (result === NONE) break
    expect(result).toBe(FOUND)
    found.push(`${matcher.start}-${matcher.end}`)
    at = matcher.end
    if (matcher.end === matcher.start) at += text.codePointAt(at)! > 0xffff ? 2 : 1
  }
  return { found, steps: steps + slice - budget.left }
}

const expected = (source: string, text: string) =>
  // A dot is anything but \n; JavaScript's leaves out three more.
  [...text.matchAll(new RegExp(source.replaceAll('.', '[^\\n]'), 'gu'))].map(
    m => `${m.index}-${m.index + m[0].length}`,
  )

/** Engines differ in what they do with an empty round of a repetition. */
const solid = (source: string) => (canBeEmpty(parsePattern(source)) ? `b${source}` : source)

const piece = fc.constantFrom(
  ...['a', 'b', 'ab', 'aa', '[ab]', '[^a]', '.', '\\p{L}', '\\p{N}', '(?=b)', '(?!a)', '(?<=a)'],
  ...['(?:a|ab)', '(?:b|)', '(?=ab|ba)', '(?!(?:ab)+a)', '(?=a+b)', '🐉', '(?:a*)', '$(?!\\n)'],
)
const quantified = fc
  .tuple(piece, fc.constantFrom('', '', '', '*', '+', '?', '*?', '+?', '{2}', '{1,3}', '{2,}'))
  .map(([item, count]) => (canBeEmpty(parsePattern(item)) ? item : item + count))
const pattern = fc.letrec<{ node: string; seq: string }>(tie => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    quantified,
    tie('seq').map(s => `(?:${s})`),
    fc
      .tuple(tie('seq'), fc.constantFrom('*', '+', '?', '*?', '{2,3}'))
      .map(([s, count]) => `(?:${solid(s)})${count}`),
    fc.tuple(tie('seq'), tie('seq')).map(([a, b]) => `(?:${a}|${b})`),
    tie('seq').map(s => `(?=${s})`),
    tie('seq').map(s => `(?!${s})`),
  ),
  seq: fc.array(tie('node'), { minLength: 1, maxLength: 4 }).map(parts => parts.join('')),
})).seq

// Short, as JavaScript's own matching takes time that doubles with each letter: with 14 pieces one run took 60 s.
const abText = fc
  .array(fc.constantFrom('a', 'b', 'aa', 'ab', '1', '🐉', 'c'), { maxLength: 9 })
  .map(p => p.join(''))

describe('patterns', () => {
  test('match where backtracking would', () => {
    fc.assert(
      fc.property(pattern, abText, (source, text) => {
        const wanted = expected(source, text)
        // JavaScript also looks in the middle of a surrogate pair; such cases say nothing.
        fc.pre(
          wanted.every(match => !/^[\udc00-\udfff]/.test(text.slice(Number.parseInt(match, 10)))),
        )
        expect(matches(source, text).found).toEqual(wanted)
      }),
      { numRuns: 5000 },
    )
  })

  test('give the same in slices of any size', () => {
    fc.assert(
      fc.property(pattern, abText, fc.integer({ min: 1, max: 9 }), (source, text, slice) => {
        expect(matches(source, text, slice).found).toEqual(matches(source, text).found)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    "'s|'t|'re| ?\\p{L}+| ?\\p{N}+| ?[^\\p{White_Space}\\p{L}\\p{N}]+|\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+",
    '\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))',
    '[\\p{Lu}\\p{Lo}]*[\\p{Ll}\\p{Lo}]+|[\\p{Lu}\\p{Lo}]+|.',
  ])('%s on tricky text', source => {
    fc.assert(
      fc.property(tricky, text => {
        expect(matches(source, text).found).toEqual(expected(source, text))
      }),
      { numRuns: 1000 },
    )
  })

  test.each([
    ['(a+)+$b', 'a'],
    ['(a|a)*c', 'a'],
    ['a*b', 'a'],
    ['a*b|a', 'a'],
    ['(?:a|aa|aaa)*a+b+c', 'a'],
    ['(?=(\\d{3})+(?!\\d))', '1'],
    ['\\d(?=(?:\\d|\\d\\d)*x)', '1'],
    ['\\s+(?!\\S)|\\s*[\\r\\n]+|\\s', ' '],
    ['\\s*x|\\s*y|\\s', ' '],
    ['(?:(?:a?b)*a)*c', 'ab'],
  ])('%s on %j is linear', (source, bit) => {
    const steps = (n: number) => matches(source, bit.repeat(n)).steps
    expect(steps(40_000)).toBeLessThan(11 * steps(4000))
  })
})

// Regular expressions and EBNF: what they take, what they bar, and what is refused where.
import { describe, expect, it } from 'vitest'
import { accepts, compiled } from './support.ts'

const REGEX: [pattern: string, takes: string[], bars: string[]][] = [
  ['[0-9]{2}-[0-9]', ['12-3'], ['12-34', 'x12-3', '12-3\n']],
  ['^a|ab|abc$', ['a', 'ab', 'abc'], ['abcd', '']],
  ['x{2,}y{0}', ['xx', 'xxxx'], ['x', 'xxy']],
  ['\\D\\W\\S', ['a b', 'é!ü'], ['1 b', 'a_b', 'a! ']],
  ['[а-яё]+|[😀-🙏]{2}', ['привет', '😀🙏'], ['Привет', '😀', '']],
  ['\\p{Lu}\\p{L}*', ['Straße', 'Я'], ['a', '1']],
  ['a.c', ['abc', 'aéc', 'a😀c'], ['ac', 'a\nc']],
  ['(?:a+)+b', ['ab', 'aaaab'], ['a'.repeat(60), 'b']],
  ['(?:[a-z]{1,200}){1,200}', ['abc', 'a'.repeat(5000)], ['', 'ABC']],
  ['(?:[a-z]{3}){2,3}', ['abcdef', 'abcdefghi'], ['abc', 'abcdefg']],
  ['(a(b(c)?)?)?', ['', 'a', 'ab', 'abc'], ['b', 'ac']],
  ['\\bcat\\b', ['cat'], ['cats', 'a cat']],
  ['\\u{1F600}\\x41\\t', ['😀A\t'], ['😀A']],
]
const REGEX_FAULTS = [
  '(?=a)a',
  '(?!a)b',
  '(?<=a)b',
  '(a)\\1',
  '(?<n>a)\\k<n>',
  '\\q',
  '(',
  'a{2,1}',
  '[z-a]',
  '(?i:a)',
]

describe('a regular expression holds for the whole text', () => {
  it.each(REGEX)('%s', (pattern, takes, bars) => {
    const made = compiled({ kind: 'regex', pattern })
    expect(takes.filter(text => !accepts(made, text))).toEqual([])
    expect(bars.filter(text => accepts(made, text))).toEqual([])
  })

  it.each(REGEX_FAULTS)('%s is refused', pattern => {
    expect(() => compiled({ kind: 'regex', pattern })).toThrow('the pattern')
  })
})

const EBNF: [name: string, ebnf: string, takes: string[], bars: string[]][] = [
  [
    'comments and rules over lines',
    '# one\nroot ::= a | # two\n  (b\n c)\na ::= "x"\nb ::= "y" c ::= "z"',
    ['x', 'yz'],
    ['y', 'xz'],
  ],
  [
    'escapes',
    'root ::= "\\n\\t\\"\\\\\\x41\\u00e9\\U0001F600" [\\]\\-^a-c] ',
    ['\n\t"\\Aé😀]', '\n\t"\\Aé😀^'],
    ['\n\t"\\Aé😀d'],
  ],
  [
    'negated classes of whole characters',
    'root ::= [^a-yé]{2} .',
    ['zü😀', '日本x'],
    ['za', 'zé.', 'zz'],
  ],
  [
    'repeats',
    'root ::= "a"? "b"* "c"+ "d"{2} "e"{1,} "f"{0,2}',
    ['cdde', 'abbccddeeff'],
    ['dde', 'cddeefff', 'cde'],
  ],
  [
    'repeats of names, counted',
    'root ::= item{3,1000}\nitem ::= [a-z] ","',
    ['a,b,c,', 'a,'.repeat(1000)],
    ['a,b,', 'a,'.repeat(1001)],
  ],
  [
    'counts of what may be empty',
    'root ::= item{300,400} "."\nitem ::= "x"?',
    ['.', `${'x'.repeat(400)}.`],
    [`${'x'.repeat(401)}.`],
  ],
  [
    'left recursion',
    'root ::= root "+" term | term\nterm ::= [0-9] | "(" root ")"',
    ['1', '1+2+3', '(1+2)+3'],
    ['+1', '1+', '()', '1++2'],
  ],
  [
    'left recursion in a circle, behind what may be empty',
    'root ::= a "1" | "x"\na ::= none b "2"\nb ::= root "3" | "y"\nnone ::= "n"?',
    ['x', 'y21', 'ny21', 'x321', 'nx321', 'y21321'],
    ['y2', 'x1', 'y1'],
  ],
  [
    'recursion in the middle',
    'root ::= "(" root ")" | ""',
    ['', '()', '((()))'],
    ['(', '(()', ')('],
  ],
  [
    'ambiguous sums',
    'root ::= e\ne ::= e e | "a" | "b"?',
    ['', 'a', 'abab', 'a'.repeat(40)],
    ['c', 'ac'],
  ],
  ['nothing but the empty text', 'root ::= ""', [''], [' ']],
]
const EBNF_FAULTS: [ebnf: string, place: string, message: string][] = [
  ['root ::= "abc', '1:10', 'literal without its end'],
  ['root ::= ("a" | "b"', '1:10', 'expects )'],
  ['root ::= "a"\nb ::= [z-a]', '2:7', 'runs backwards'],
  ['root ::= "a" other', '1:14', 'not defined'],
  ['root ::= "a"\nroot ::= "b"', '2:1', 'twice'],
  ['root = "a"', '1:6', 'expects ::='],
  ['root ::= "\\q"', '1:13', 'escape'],
  ['root ::= "a"{3,2}', '1:13', 'no text meets'],
  ['root ::= "a" (= "b")', '1:14', 'look-ahead'],
  ['root ::= "a" root', '1:1', 'cannot be met'],
  ['start ::= "a"', '1:1', 'has no rule "root"'],
]

describe('a grammar', () => {
  it.each(EBNF)('%s', (_, ebnf, takes, bars) => {
    const made = compiled({ kind: 'ebnf', ebnf, root: 'root' })
    expect(takes.filter(text => !accepts(made, text))).toEqual([])
    expect(bars.filter(text => accepts(made, text))).toEqual([])
  })

  it.each(EBNF_FAULTS)('%j is refused at %s', (ebnf, place, message) => {
    expect(() => compiled({ kind: 'ebnf', ebnf, root: 'root' })).toThrow(
      expect.objectContaining({ place, message: expect.stringContaining(message) }),
    )
  })

  it('begins where the caller says', () => {
    const made = compiled({ kind: 'ebnf', ebnf: 'a ::= "x"\nb ::= a a', root: 'b' })
    expect(accepts(made, 'xx')).toBe(true)
    expect(accepts(made, 'x')).toBe(false)
  })
})

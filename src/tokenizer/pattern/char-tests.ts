// What one position of a pattern accepts: a test of code points. Unicode properties come from the
// browser's own tables. Called by parse.ts; program.ts turns tests into tables.
import { RyzError } from '../../errors.ts'

/** A test of one code point. Equal keys mean equal tests. */
export interface CharTest {
  readonly key: string
  has(code: number): boolean
}

export function only(code: number): CharTest {
  return { key: `=${code}`, has: c => c === code }
}

export function between(from: number, to: number): CharTest {
  return { key: `${from}-${to}`, has: c => c >= from && c <= to }
}

export function not(test: CharTest): CharTest {
  return { key: `!(${test.key})`, has: c => !test.has(c) }
}

export function anyOf(tests: readonly CharTest[]): CharTest {
  if (tests.length === 1) return tests[0]!
  return { key: `(${tests.map(t => t.key).join('|')})`, has: c => tests.some(t => t.has(c)) }
}

export function allOf(tests: readonly CharTest[]): CharTest {
  if (tests.length === 1) return tests[0]!
  return { key: `(${tests.map(t => t.key).join('&')})`, has: c => tests.every(t => t.has(c)) }
}

/** The same without regard to case: simple folding, one character to one. */
export function folded(test: CharTest): CharTest {
  return {
    key: `i(${test.key})`,
    has(code) {
      if (test.has(code)) return true
      const char = String.fromCodePoint(code)
      const upper = char.toUpperCase()
      return [char.toLowerCase(), upper, upper.toLowerCase()].some(other => {
        const variant = other.codePointAt(0)!
        return other.length === (variant > 0xffff ? 2 : 1) && test.has(variant)
      })
    },
  }
}

/** Names that are no Unicode property in JavaScript, as POSIX and Oniguruma mean them. */
const NAMED: Readonly<Record<string, string>> = {
  alnum: '[\\p{Alphabetic}\\p{Nd}]',
  alpha: '\\p{Alphabetic}',
  blank: '[\\t\\p{Zs}]',
  cntrl: '\\p{Cc}',
  digit: '\\p{Nd}',
  graph: '[^\\p{White_Space}\\p{Cc}\\p{Cn}\\p{Cs}]',
  lower: '\\p{Lowercase}',
  print: '[^\\p{Cc}\\p{Cn}\\p{Cs}]',
  punct: '[\\p{P}$+<=>^`|~]',
  space: '\\p{White_Space}',
  upper: '\\p{Uppercase}',
  word: '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]',
  xdigit: '[0-9A-Fa-f]',
}

const tests = new Map<string, CharTest>()

/**
 * A Unicode property, script or POSIX class by name: 'L', 'Han', 'White_Space', 'alnum'.
 * @throws RyzError UNSUPPORTED_FEATURE for a name that nobody knows
 */
export function property(name: string): CharTest {
  const known = tests.get(name)
  if (known) return known
  const found = expressionOf(name)
  if (!found) {
    throw new RyzError(
      'UNSUPPORTED_FEATURE',
      `the pattern names the character property "${name.slice(0, 40)}", which is not known here`,
    )
  }
  const test = { key: `p{${name}}`, has: (code: number) => found.test(String.fromCodePoint(code)) }
  tests.set(name, test)
  return test
}

export const WHITE_SPACE = property('White_Space')
export const WORD = property('word')
export const DIGIT = property('Nd')
export const HEX = property('xdigit')

function expressionOf(name: string): RegExp | undefined {
  const posix = NAMED[name.toLowerCase()]
  if (posix !== undefined && Object.hasOwn(NAMED, name.toLowerCase())) return new RegExp(posix, 'u')
  if (!/^[A-Za-z][\w=]*$/.test(name)) return undefined
  const title = name[0]!.toUpperCase() + name.slice(1).toLowerCase()
  for (const source of [name, `Script=${name}`, title, `Script=${title}`]) {
    try {
      return new RegExp(`\\p{${source}}`, 'u')
    } catch {
      // Not a name of this kind; the next may be.
    }
  }
  return undefined
}

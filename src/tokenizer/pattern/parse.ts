// Reads a regular expression as tokenizers write them (Oniguruma's syntax) into a tree. What cannot
// be matched in linear time or is not known is refused by name. Called by program.ts.
import { RyzError } from '../../errors.ts'
import {
  allOf,
  anyOf,
  between,
  type CharTest,
  DIGIT,
  folded,
  HEX,
  not,
  only,
  property,
  WHITE_SPACE,
  WORD,
} from './char-tests.ts'

/** Tests of a place that take no character; the last four look at one neighbour. */
export type Assertion =
  | 'lineStart'
  | 'lineEnd'
  | 'textStart'
  | 'textEnd'
  | 'lastLineEnd'
  | 'wordBoundary'
  | 'noWordBoundary'
  | 'ahead'
  | 'notAhead'
  | 'behind'
  | 'notBehind'

export type PatternNode =
  | { readonly kind: 'char'; readonly test: CharTest }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly options: readonly PatternNode[] }
  | {
      readonly kind: 'repeat'
      readonly item: PatternNode
      readonly least: number
      readonly most: number
      readonly lazy: boolean
    }
  | { readonly kind: 'assert'; readonly what: Assertion; readonly test?: CharTest }
  | { readonly kind: 'look'; readonly item: PatternNode; readonly negative: boolean }

/** Published patterns have at most some 600 characters. */
export const MAX_PATTERN = 8192
const MAX_REPEAT = 1000
const MAX_DEPTH = 32

const NEWLINE = 0x0a
const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  f: 0x0c,
  v: 0x0b,
  a: 0x07,
  e: 0x1b,
  '0': 0,
}

/** @throws RyzError TOKENIZER_INVALID when it is malformed, UNSUPPORTED_FEATURE naming the construct */
export function parsePattern(source: string): PatternNode {
  return new Parser(source).parse()
}

/** Whether it can match without taking a character. */
export function canBeEmpty(node: PatternNode): boolean {
  switch (node.kind) {
    case 'char':
      return false
    case 'sequence':
      return node.items.every(canBeEmpty)
    case 'choice':
      return node.options.some(canBeEmpty)
    case 'repeat':
      return node.least === 0 || canBeEmpty(node.item)
    default:
      return true
  }
}

class Parser {
  readonly #source: string
  #at = 0
  #depth = 0
  #ignoreCase = false
  #dotAll = false

  constructor(source: string) {
    this.#source = source
    if (source.length <= MAX_PATTERN) return
    throw new RyzError(
      'UNSUPPORTED_FEATURE',
      `a pattern of the tokenizer has ${source.length} characters, the limit is ${MAX_PATTERN}`,
    )
  }

  parse(): PatternNode {
    const tree = this.#choice()
    if (this.#at < this.#source.length) throw this.#malformed('a ")" that closes nothing')
    return tree
  }

  #choice(): PatternNode {
    if (++this.#depth > MAX_DEPTH) throw this.#unsupported(`groups nested ${MAX_DEPTH} deep`)
    const [ignoreCase, dotAll] = [this.#ignoreCase, this.#dotAll]
    const options = [this.#sequence()]
    while (this.#take('|')) options.push(this.#sequence())
    this.#ignoreCase = ignoreCase
    this.#dotAll = dotAll
    this.#depth--
    return options.length === 1 ? options[0]! : { kind: 'choice', options }
  }

  #sequence(): PatternNode {
    const items: PatternNode[] = []
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at]!)) {
      items.push(this.#repeated(this.#atom()))
    }
    return items.length === 1 ? items[0]! : { kind: 'sequence', items }
  }

  #repeated(first: PatternNode): PatternNode {
    let item = first
    for (;;) {
      const range = this.#quantifier()
      if (!range) return item
      const { least, most, braces } = range
      // What such a loop does with an empty round differs from one engine to the next.
      if (most === Number.POSITIVE_INFINITY && canBeEmpty(item)) {
        throw this.#unsupported('an endless repetition of what may be empty')
      }
      if (this.#take('?')) item = { kind: 'repeat', item, least, most, lazy: true }
      else if (!braces && this.#take('+')) item = this.#possessive(item, least, most)
      else item = { kind: 'repeat', item, least, most, lazy: false }
    }
  }

  #quantifier(): { least: number; most: number; braces: boolean } | undefined {
    if (this.#take('*')) return { least: 0, most: Number.POSITIVE_INFINITY, braces: false }
    if (this.#take('+')) return { least: 1, most: Number.POSITIVE_INFINITY, braces: false }
    if (this.#take('?')) return { least: 0, most: 1, braces: false }
    const [text, from, comma, to] = this.#match(/\{(\d*)(,?)(\d*)\}/y) ?? []
    if (text === undefined || (from === '' && to === '')) {
      if (text !== undefined) this.#at -= text.length
      return undefined
    }
    const least = from === '' ? 0 : Number(from)
    const most = comma === '' ? least : to === '' ? Number.POSITIVE_INFINITY : Number(to)
    if (most < least) throw this.#malformed(`the range ${text}`)
    if (least > MAX_REPEAT || (most > MAX_REPEAT && to !== '')) {
      throw this.#unsupported(`a repetition of more than ${MAX_REPEAT}`)
    }
    return { least, most, braces: true }
  }

  /** X++ of one character is X+ that no further X follows; so no backtracking is to be cut off. */
  #possessive(item: PatternNode, least: number, most: number): PatternNode {
    if (item.kind !== 'char') throw this.#unsupported('a possessive group')
    const noMore: PatternNode = { kind: 'assert', what: 'notAhead', test: item.test }
    if (most === 1) return { kind: 'choice', options: [item, noMore] }
    const repeat: PatternNode = { kind: 'repeat', item, least, most, lazy: false }
    return { kind: 'sequence', items: [repeat, noMore] }
  }

  #atom(): PatternNode {
    const char = this.#next()
    switch (char) {
      case '(':
        return this.#group()
      case '[':
        return this.#char(this.#charClass())
      case '.':
        return this.#char(this.#dotAll ? between(0, 0x10ffff) : not(only(NEWLINE)))
      case '^':
        return { kind: 'assert', what: 'lineStart' }
      case '$':
        return { kind: 'assert', what: 'lineEnd' }
      case '\\':
        return this.#escape()
      case '*':
      case '+':
      case '?':
        throw this.#malformed(`a "${char}" that repeats nothing`)
      default:
        return this.#char(only(char.codePointAt(0)!))
    }
  }

  #char(test: CharTest): PatternNode {
    return { kind: 'char', test: this.#ignoreCase ? folded(test) : test }
  }

  #group(): PatternNode {
    if (!this.#take('?')) return this.#closed(this.#choice())
    if (this.#take(':')) return this.#closed(this.#choice())
    for (const [mark, negative] of [
      ['=', false],
      ['!', true],
    ] as const) {
      if (this.#take(mark)) return this.#ahead(this.#closed(this.#choice()), negative)
      if (this.#take(`<${mark}`)) return this.#behind(this.#closed(this.#choice()), negative)
    }
    if (this.#take('>')) throw this.#unsupported('an atomic group (?>...)')
    if (this.#match(/<[A-Za-z_]\w*>|P<[A-Za-z_]\w*>/y)) return this.#closed(this.#choice())
    const flags = this.#match(/([im]*)(?:-([im]*))?([:)])/y)
    if (!flags) throw this.#unsupported(`the group (?${this.#source.slice(this.#at, this.#at + 8)}`)
    const [ignoreCase, dotAll] = [this.#ignoreCase, this.#dotAll]
    const [, on = '', off = '', end] = flags
    if (on.includes('i')) this.#ignoreCase = true
    if (on.includes('m')) this.#dotAll = true
    if (off.includes('i')) this.#ignoreCase = false
    if (off.includes('m')) this.#dotAll = false
    // (?i) holds up to the end of the group that it stands in, further options included.
    if (end === ')') return this.#restOfGroup(ignoreCase, dotAll)
    const inner = this.#closed(this.#choice())
    this.#ignoreCase = ignoreCase
    this.#dotAll = dotAll
    return inner
  }

  #restOfGroup(ignoreCase: boolean, dotAll: boolean): PatternNode {
    const rest = this.#choice()
    this.#ignoreCase = ignoreCase
    this.#dotAll = dotAll
    return rest
  }

  #ahead(item: PatternNode, negative: boolean): PatternNode {
    if (item.kind !== 'char') return { kind: 'look', item, negative }
    return { kind: 'assert', what: negative ? 'notAhead' : 'ahead', test: item.test }
  }

  #behind(item: PatternNode, negative: boolean): PatternNode {
    if (item.kind !== 'char') throw this.#unsupported('a look behind at more than one character')
    return { kind: 'assert', what: negative ? 'notBehind' : 'behind', test: item.test }
  }

  #closed(node: PatternNode): PatternNode {
    if (!this.#take(')')) throw this.#malformed('a "(" that is not closed')
    return node
  }

  /** After a backslash, outside a class. */
  #escape(): PatternNode {
    const places: Readonly<Record<string, Assertion>> = {
      A: 'textStart',
      z: 'textEnd',
      Z: 'lastLineEnd',
      b: 'wordBoundary',
      B: 'noWordBoundary',
    }
    const what = places[this.#source[this.#at] ?? '']
    if (what !== undefined) {
      this.#at++
      return what.endsWith('Boundary')
        ? { kind: 'assert', what, test: WORD }
        : { kind: 'assert', what }
    }
    return this.#char(this.#escapedTest())
  }

  /** After a backslash, anywhere. */
  #escapedTest(): CharTest {
    const char = this.#next()
    const simple = SIMPLE_ESCAPES[char]
    if (simple !== undefined) return only(simple)
    switch (char) {
      case 'd':
        return DIGIT
      case 'D':
        return not(DIGIT)
      case 'w':
        return WORD
      case 'W':
        return not(WORD)
      case 's':
        return WHITE_SPACE
      case 'S':
        return not(WHITE_SPACE)
      case 'h':
        return HEX
      case 'H':
        return not(HEX)
      case 'p':
      case 'P':
        return this.#propertyTest(char === 'P')
      case 'x':
      case 'u':
        return only(this.#codePoint(char))
      default:
        if (/[A-Za-z1-9]/.test(char)) throw this.#unsupported(`\\${char}`)
        return only(char.codePointAt(0)!)
    }
  }

  #propertyTest(negated: boolean): CharTest {
    const found = this.#match(/\{(\^?)([^{}]*)\}|([A-Z])/y)
    if (!found) throw this.#malformed('a \\p without a name')
    const [, caret = '', name = '', letter] = found
    const test = property(letter ?? name)
    return negated !== (caret === '^') ? not(test) : test
  }

  #codePoint(char: string): number {
    const digits = char === 'x' ? /\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2})/y : /()([0-9A-Fa-f]{4})/y
    const found = this.#match(digits)
    const code = found ? Number.parseInt(found[1] || found[2]!, 16) : Number.NaN
    if (!(code <= 0x10ffff)) throw this.#malformed(`the escape \\${char}`)
    return code
  }

  /** After "[". */
  #charClass(): CharTest {
    if (++this.#depth > MAX_DEPTH) throw this.#unsupported(`classes nested ${MAX_DEPTH} deep`)
    const negated = this.#take('^')
    const parts: CharTest[] = []
    let tests: CharTest[] = []
    for (let first = true; first || this.#source[this.#at] !== ']'; first = false) {
      if (this.#at >= this.#source.length) throw this.#malformed('a "[" that is not closed')
      if (this.#take('&&')) {
        parts.push(anyOf(tests))
        tests = []
      } else tests.push(this.#classItem())
    }
    this.#at++
    this.#depth--
    parts.push(anyOf(tests))
    const all = allOf(parts)
    return negated ? not(this.#ignoreCase ? folded(all) : all) : all
  }

  #classItem(): CharTest {
    const [posix, caret, name] = this.#match(/\[:(\^?)([a-z]+):\]/y) ?? []
    if (posix !== undefined) return caret === '' ? property(name!) : not(property(name!))
    if (this.#take('[')) return this.#charClass()
    const from = this.#classChar()
    const range = this.#source[this.#at] === '-' && !']['.includes(this.#source[this.#at + 1] ?? '')
    if (typeof from !== 'number' || !range) return typeof from === 'number' ? only(from) : from
    this.#at++
    const to = this.#classChar()
    if (typeof to !== 'number' || to < from) throw this.#malformed('a range in a class')
    return between(from, to)
  }

  /** A code point, or the test of an escape that stands for many. */
  #classChar(): number | CharTest {
    const char = this.#next()
    if (char !== '\\') return char.codePointAt(0)!
    if (this.#source[this.#at] === 'b') {
      this.#at++
      return 0x08
    }
    const test = this.#escapedTest()
    return test.key.startsWith('=') ? Number(test.key.slice(1)) : test
  }

  #next(): string {
    const code = this.#source.codePointAt(this.#at)
    if (code === undefined) throw this.#malformed('an end in the middle')
    const char = String.fromCodePoint(code)
    this.#at += char.length
    return char
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #match(sticky: RegExp): RegExpExecArray | undefined {
    sticky.lastIndex = this.#at
    const found = sticky.exec(this.#source)
    if (!found) return undefined
    this.#at += found[0].length
    return found
  }

  #malformed(what: string): RyzError {
    const where = `${this.#source.slice(0, 60)}", character ${this.#at}`
    return new RyzError('TOKENIZER_INVALID', `a pattern of the tokenizer has ${what} ("${where})`)
  }

  #unsupported(what: string): RyzError {
    return new RyzError(
      'UNSUPPORTED_FEATURE',
      `a pattern of the tokenizer uses ${what}, which is not implemented ("${this.#source.slice(0, 60)}")`,
    )
  }
}

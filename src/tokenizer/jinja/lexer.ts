// Template source -> tokens, as Jinja's lexer cuts it with trim_blocks and lstrip_blocks on and line
// statements off: white space control, raw blocks and comments end here. Called by parser.ts.
import { raise, refuse, TemplateFault } from './faults.ts'
import { SPACE, spaceStart } from './spaces.ts'

export type TokenKind =
  | 'data'
  | 'block_begin'
  | 'block_end'
  | 'variable_begin'
  | 'variable_end'
  | 'name'
  | 'string'
  | 'integer'
  | 'float'
  | 'operator'
  | 'eof'

export interface Token {
  readonly kind: TokenKind
  /** Text of names, operators and data; strings unescaped, numbers without underscores. */
  readonly value: string
  readonly line: number
}

const NAME = /[\p{ID_Start}\p{ID_Continue}_]+/uy
const IDENTIFIER = /^[\p{XID_Start}_]\p{XID_Continue}*$/u
const STRING = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy
const INTEGER = /0b(_?[01])+|0o(_?[0-7])+|0x(_?[\da-f])+|[1-9](_?\d)*|0(_?0)*/iy
const FLOAT = /(?<!\.)(\d+_)*\d+((\.(\d+_)*\d+)?e[+-]?(\d+_)*\d+|\.(\d+_)*\d+)/iy
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[+\-/*%~[\](){}><=.:|,;]/y
const BLANK = new RegExp(`[${SPACE}]+`, 'y')
const BLANK_ONLY = new RegExp(`^[${SPACE}]+$`)
const RAW = new RegExp(`\\{%([-+]?)[${SPACE}]*raw[${SPACE}]*(?:-%\\}[${SPACE}]*|%\\})`, 'y')
const END_RAW = new RegExp(
  `\\{%([-+]?)[${SPACE}]*endraw[${SPACE}]*(?:\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?)`,
  'g',
)
const END_COMMENT = new RegExp(`\\+#\\}|-#\\}[${SPACE}]*|#\\}\\n?`, 'g')
const END_BLOCK = new RegExp(`\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?`, 'y')
const END_VARIABLE = new RegExp(`-\\}\\}[${SPACE}]*|\\}\\}`, 'y')
const OPENING = /\{[{%#]/g
const CLOSERS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/** @throws TemplateFault with its line */
export function tokenize(template: string): Token[] {
  return new Lexer(template.replace(/\r\n?/g, '\n').replace(/\n$/, '')).run()
}

class Lexer {
  readonly #source: string
  readonly #tokens: Token[] = []
  #at = 0
  #line = 1
  /** Whether what was read last ended a line. */
  #lineStart = true

  constructor(source: string) {
    this.#source = source
  }

  run(): Token[] {
    try {
      while (this.#at < this.#source.length) this.#root()
    } catch (error) {
      if (error instanceof TemplateFault) error.line ??= this.#line
      throw error
    }
    this.#push('eof', '')
    return this.#tokens
  }

  /** Text up to the next tag, then the tag. */
  #root(): void {
    OPENING.lastIndex = this.#at
    const opening = OPENING.exec(this.#source)
    if (!opening) {
      this.#push('data', this.#source.slice(this.#at))
      this.#at = this.#source.length
      return
    }
    const data = this.#source.slice(this.#at, opening.index)
    this.#advanceLines(data)
    const raw = this.#match(RAW, opening.index)
    const sign = raw ? raw[1] : this.#signAt(opening.index + 2)
    const kept = this.#stripped(data, sign, opening[0] !== '{{')
    if (kept !== '') this.#tokens.push({ kind: 'data', value: kept, line: this.#line })
    if (raw) {
      this.#move(opening.index, raw[0])
      this.#raw()
      return
    }
    this.#move(opening.index, opening[0] + sign)
    if (opening[0] === '{#') this.#comment()
    else this.#code(opening[0] === '{{' ? 'variable' : 'block')
  }

  #signAt(at: number): string {
    const char = this.#source[at]
    return char === '-' || char === '+' ? char : ''
  }

  /** What is left of the text before a tag. */
  #stripped(data: string, sign: string, isBlock: boolean): string {
    if (sign === '-') return data.slice(0, spaceStart(data))
    if (sign === '+' || !isBlock) return data
    const lineAt = data.lastIndexOf('\n') + 1
    if (lineAt === 0 && !this.#lineStart) return data
    return BLANK_ONLY.test(data.slice(lineAt)) ? data.slice(0, lineAt) : data
  }

  #comment(): void {
    END_COMMENT.lastIndex = this.#at
    const end = END_COMMENT.exec(this.#source)
    if (!end) throw raise('TemplateSyntaxError', 'Missing end of comment tag')
    this.#advanceLines(this.#source.slice(this.#at, end.index))
    this.#move(end.index, end[0])
  }

  #raw(): void {
    END_RAW.lastIndex = this.#at
    const end = END_RAW.exec(this.#source)
    if (!end) throw raise('TemplateSyntaxError', 'Missing end of raw directive')
    const data = this.#source.slice(this.#at, end.index)
    const kept = this.#stripped(data, end[1], true)
    if (kept !== '') this.#push('data', kept)
    this.#advanceLines(data)
    this.#move(end.index, end[0])
  }

  #code(kind: 'block' | 'variable'): void {
    this.#push(`${kind}_begin`, '')
    const endOf = kind === 'block' ? END_BLOCK : END_VARIABLE
    const open: string[] = []
    while (this.#at < this.#source.length) {
      const end = open.length === 0 ? this.#match(endOf) : null
      if (end) {
        this.#push(`${kind}_end`, '')
        this.#move(this.#at, end[0])
        return
      }
      const blank = this.#match(BLANK)
      if (blank) this.#move(this.#at, blank[0])
      else this.#token(open)
    }
  }

  #token(open: string[]): void {
    const number = this.#match(FLOAT)
    if (number) {
      this.#take('float', number[0], number[0].replaceAll('_', ''))
      return
    }
    const integer = this.#match(INTEGER)
    if (integer) {
      this.#take('integer', integer[0], integer[0].replaceAll('_', ''))
      return
    }
    const name = this.#match(NAME)
    if (name) {
      if (!IDENTIFIER.test(name[0])) {
        throw raise('TemplateSyntaxError', `Invalid character in identifier ${name[0]}`)
      }
      this.#take('name', name[0], name[0])
      return
    }
    const string = this.#match(STRING)
    if (string) {
      this.#take('string', string[0], unescaped(string[0].slice(1, -1)))
      return
    }
    const operator = this.#match(OPERATOR)?.[0]
    if (operator === undefined) {
      throw raise(
        'TemplateSyntaxError',
        `unexpected char ${JSON.stringify(this.#source[this.#at])}`,
      )
    }
    if (CLOSERS[operator]) open.push(CLOSERS[operator])
    else if (')]}'.includes(operator)) {
      const expected = open.pop()
      if (expected !== operator) {
        const instead = expected === undefined ? '' : `, expected '${expected}'`
        throw raise('TemplateSyntaxError', `unexpected '${operator}'${instead}`)
      }
    }
    this.#take('operator', operator, operator)
  }

  #take(kind: TokenKind, text: string, value: string): void {
    this.#push(kind, value)
    this.#move(this.#at, text)
  }

  #push(kind: TokenKind, value: string): void {
    this.#tokens.push({ kind, value, line: this.#line })
  }

  #match(pattern: RegExp, at = this.#at): RegExpExecArray | null {
    pattern.lastIndex = at
    return pattern.exec(this.#source)
  }

  /** Goes behind `text`, which stands at `at`. */
  #move(at: number, text: string): void {
    this.#advanceLines(text)
    this.#at = at + text.length
    this.#lineStart = text.endsWith('\n')
  }

  #advanceLines(text: string): void {
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) this.#line++
  }
}

const SIMPLE: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** Python's unicode-escape. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|(.))/gsu,
    (whole: string, x?: string, u?: string, big?: string, octal?: string, char?: string) => {
      const hex = x ?? u ?? big
      if (hex !== undefined || octal !== undefined) {
        const code = hex !== undefined ? Number.parseInt(hex, 16) : Number.parseInt(octal!, 8)
        if (code > 0x10ffff) throw raise('TemplateSyntaxError', 'illegal Unicode character')
        return String.fromCodePoint(code)
      }
      if (char === 'x' || char === 'u' || char === 'U') {
        throw raise('TemplateSyntaxError', `truncated \\${char} escape`)
      }
      if (char === 'N') throw refuse('the escape \\N{name}')
      const code = char!.codePointAt(0)!
      // Python writes the character as an escape first, whose backslash the one before it then takes.
      if (code > 0xffff) return `\\U${code.toString(16).padStart(8, '0')}`
      if (code > 0xff) return `\\u${code.toString(16).padStart(4, '0')}`
      if (code > 0x7f) return `\\x${code.toString(16)}`
      return SIMPLE[char!] ?? whole
    },
  )
}

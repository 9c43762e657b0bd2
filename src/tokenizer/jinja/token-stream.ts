// The tokens of a template, taken one by one. Called by parser.ts.
import { raise, type TemplateFault } from './faults.ts'
import type { Token, TokenKind } from './lexer.ts'

/** Statements and expressions nested deeper than this are refused; templates need about 15. */
const MAX_DEPTH = 120

export class TokenStream {
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  get current(): Token {
    return this.#tokens[this.#at]
  }

  get next(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)]
  }

  get line(): number {
    return this.current.line
  }

  /** Goes on and gives the token it was at. */
  take(): Token {
    const token = this.current
    if (token.kind !== 'eof') this.#at++
    return token
  }

  is(kind: TokenKind, value?: string): boolean {
    return this.current.kind === kind && (value === undefined || this.current.value === value)
  }

  isName(...names: string[]): boolean {
    return this.current.kind === 'name' && names.includes(this.current.value)
  }

  isOperator(...operators: string[]): boolean {
    return this.current.kind === 'operator' && operators.includes(this.current.value)
  }

  skipName(name: string): boolean {
    return this.isName(name) && this.take() !== undefined
  }

  skipOperator(operator: string): boolean {
    return this.isOperator(operator) && this.take() !== undefined
  }

  expect(kind: TokenKind, value?: string): Token {
    if (this.is(kind, value)) return this.take()
    throw this.fault(`expected ${value ?? kind}, got ${this.describe()}`)
  }

  describe(): string {
    const { kind, value } = this.current
    if (kind === 'eof') return 'the end of the template'
    return kind === 'name' || kind === 'operator' ? `'${value}'` : kind.replace('_', ' ')
  }

  fault(message: string, line = this.line): TemplateFault {
    const fault = raise('TemplateSyntaxError', message)
    fault.line = line
    return fault
  }

  /** One level deeper while `parse` runs. */
  nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw this.fault(`nested deeper than ${MAX_DEPTH} levels`)
    const result = parse()
    this.#depth--
    return result
  }
}

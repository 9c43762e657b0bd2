// The text of grammars in EBNF, as llama.cpp (GBNF) and xgrammar write it: rules `name ::= ...` of literals, classes,
// groups, alternatives, repeats and names; comments begin with #. Parsed into trees; ebnf.ts makes rules of them.
import { ANY, type CharSet, charSet, invert, unite } from '../automata/charset.ts'
import { type Budget, GrammarFault, type Work } from '../work.ts'

/** What a rule is. */
export type Tree =
  | { kind: 'text'; text: string }
  | { kind: 'chars'; set: CharSet }
  | { kind: 'name'; name: string; place: string }
  | { kind: 'all'; list: Tree[] }
  | { kind: 'one'; list: Tree[] }
  | { kind: 'repeat'; of: Tree; min: number; max: number; place: string }

const NAME = /[A-Za-z_][\w.-]*/y
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  f: '\f',
  b: '\b',
  v: '\v',
  a: '\x07',
  '0': '\0',
}
const MAX_DEPTH = 500

/** Reads the rules of a text. */
export class EbnfParser {
  readonly #text: string
  #at = 0
  #depth = 0
  /** Where lines begin. */
  readonly #lines = [0]

  constructor(text: string) {
    this.#text = text
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1))
      this.#lines.push(at + 1)
  }

  /** @throws GrammarFault with line:column */
  *all(budget: Budget): Work<Map<string, { tree: Tree; place: string }>> {
    const trees = new Map<string, { tree: Tree; place: string }>()
    this.#space()
    while (this.#at < this.#text.length) {
      const place = this.#place()
      const name = this.#name()
      if (name === undefined) throw this.#fault('expects the name of a rule')
      if (trees.has(name))
        throw this.#fault(`defines the rule ${JSON.stringify(name)} twice`, place)
      this.#space()
      if (!this.#take('::=')) throw this.#fault(`expects ::= after ${JSON.stringify(name)}`)
      budget.place = place
      trees.set(name, { tree: this.#alternatives(budget), place })
      this.#space()
      yield
    }
    return trees
  }

  #alternatives(budget: Budget): Tree {
    if (++this.#depth > MAX_DEPTH) throw this.#fault(`nests groups deeper than ${MAX_DEPTH}`)
    const list = [this.#sequence(budget)]
    this.#space()
    while (this.#take('|')) {
      list.push(this.#sequence(budget))
      this.#space()
    }
    this.#depth--
    return list.length === 1 ? list[0] : { kind: 'one', list }
  }

  #sequence(budget: Budget): Tree {
    const list: Tree[] = []
    for (;;) {
      this.#space()
      const atom = this.#atom(budget)
      if (atom === undefined) break
      budget.spend(4)
      list.push(this.#repeated(atom))
    }
    return list.length === 1 ? list[0] : { kind: 'all', list }
  }

  #atom(budget: Budget): Tree | undefined {
    const place = this.#place()
    switch (this.#text[this.#at]) {
      case '"':
        return { kind: 'text', text: this.#literal() }
      case '[':
        return { kind: 'chars', set: this.#class() }
      case '.':
        this.#at++
        return { kind: 'chars', set: ANY }
      case '(': {
        this.#at++
        if (this.#text[this.#at] === '=') {
          throw this.#fault('has a look-ahead (= ...), which cannot be enforced', place)
        }
        const tree = this.#alternatives(budget)
        this.#space()
        if (!this.#take(')')) throw this.#fault('expects ) for the group', place)
        return tree
      }
      default: {
        const before = this.#at
        const name = this.#name()
        if (name === undefined) return undefined
        this.#space()
        if (this.#text.startsWith('::=', this.#at)) {
          this.#at = before
          return undefined
        }
        if (this.#text[this.#at] === '(' && this.#at === before + name.length) {
          throw this.#fault(`calls ${name}(...); only names of rules are known`, place)
        }
        this.#at = before + name.length
        return { kind: 'name', name, place }
      }
    }
  }

  #repeated(atom: Tree): Tree {
    for (let of = atom; ; ) {
      const at = this.#at
      const place = this.#place()
      const char = this.#text[at]
      let bounds: [number, number] | undefined
      if (char === '*') bounds = [0, Number.POSITIVE_INFINITY]
      else if (char === '+') bounds = [1, Number.POSITIVE_INFINITY]
      else if (char === '?') bounds = [0, 1]
      else if (char === '{') bounds = this.#braces()
      if (bounds === undefined) return of
      if (char !== '{') this.#at++
      of = { kind: 'repeat', of, min: bounds[0], max: bounds[1], place }
    }
  }

  #braces(): [number, number] {
    const braces = /\{\s*(\d*)\s*(,?)\s*(\d*)\s*\}/y
    braces.lastIndex = this.#at
    const match = braces.exec(this.#text)
    if (match === null || (match[1] === '' && match[3] === '')) {
      throw this.#fault('expects {n}, {n,} or {n,m}')
    }
    const min = match[1] === '' ? 0 : Number(match[1])
    const max =
      match[2] === '' ? min : match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3])
    if (min > max || min > 1e9) throw this.#fault(`has the repeat ${match[0]}, which no text meets`)
    this.#at = braces.lastIndex
    return [min, max]
  }

  #literal(): string {
    const place = this.#place()
    let text = ''
    this.#at++
    for (;;) {
      const char = this.#text[this.#at]
      if (char === undefined || char === '\n')
        throw this.#fault('has a literal without its end', place)
      if (char === '"') {
        this.#at++
        break
      }
      text += this.#char()
    }
    if (!text.isWellFormed()) throw this.#fault('has a half of a surrogate pair', place)
    return text
  }

  #class(): CharSet {
    const place = this.#place()
    this.#at++
    const negated = this.#take('^')
    const sets: CharSet[] = []
    for (;;) {
      const char = this.#text[this.#at]
      if (char === undefined || char === '\n')
        throw this.#fault('has a class without its end', place)
      if (char === ']') {
        this.#at++
        break
      }
      const first = this.#char().codePointAt(0)!
      let last = first
      if (this.#text[this.#at] === '-' && this.#text[this.#at + 1] !== ']') {
        this.#at++
        last = this.#char().codePointAt(0)!
        if (last < first) throw this.#fault('has a class whose range runs backwards', place)
      }
      sets.push(charSet([first, last]))
    }
    const set = unite(...sets)
    return negated ? invert(set) : set
  }

  /** One character of a literal or class, escapes resolved. */
  #char(): string {
    const cp = this.#text.codePointAt(this.#at)
    if (cp === undefined) throw this.#fault('ends within a literal')
    const char = String.fromCodePoint(cp)
    this.#at += char.length
    if (char !== '\\') return char
    const letter = this.#text[this.#at] ?? ''
    this.#at++
    const digits = { x: 2, u: 4, U: 8 }[letter]
    if (digits !== undefined) {
      const hex = this.#text.slice(this.#at, this.#at + digits)
      const value = Number.parseInt(hex, 16)
      if (!/^[\dA-Fa-f]+$/.test(hex) || hex.length < digits || value > 0x10ffff) {
        throw this.#fault(`has the escape \\${letter}${hex}; it takes ${digits} hexadecimal digits`)
      }
      this.#at += digits
      return String.fromCodePoint(value)
    }
    const known = ESCAPES[letter]
    if (known !== undefined && Object.hasOwn(ESCAPES, letter)) return known
    if (/^[^\w\s]$/.test(letter)) return letter
    throw this.#fault(`has the escape \\${letter}, which is not known`)
  }

  #name(): string | undefined {
    NAME.lastIndex = this.#at
    const match = NAME.exec(this.#text)
    if (match === null) return undefined
    this.#at = NAME.lastIndex
    return match[0]
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #space(): void {
    const space = /(?:\s|#[^\n]*)*/y
    space.lastIndex = this.#at
    space.exec(this.#text)
    this.#at = space.lastIndex
  }

  /** Line and column of an offset. */
  #place(at = this.#at): string {
    let low = 0
    let high = this.#lines.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#lines[middle] <= at) low = middle
      else high = middle - 1
    }
    return `${low + 1}:${at - this.#lines[low] + 1}`
  }

  #fault(what: string, place = this.#place()): GrammarFault {
    return new GrammarFault(what, place)
  }
}

// Grammars in EBNF, as llama.cpp (GBNF) and xgrammar write it: rules `name ::= ...` of literals, classes,
// groups, alternatives, repeats and names; comments begin with #. Parsed into a tree, then into rules.
import { ANY, type CharSet, charSet, invert, unite } from '../automata/charset.ts'
import { type Budget, GrammarFault, type Work } from '../work.ts'
import { Rules } from './rules.ts'

type Tree =
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
/** Repeats of larger trees are counted at run time instead of copied. */
const MAX_COPIES = 256
const MAX_DEPTH = 500

/** @throws GrammarFault with line:column */
export function* ebnfRules(
  text: string,
  root: string,
  budget: Budget,
  writable?: CharSet,
): Work<Rules> {
  const parser = new Parser(text)
  const trees = yield* parser.all(budget)
  if (!trees.has(root)) {
    throw new GrammarFault(`has no rule ${JSON.stringify(root)}, where texts begin`, '1:1')
  }
  const rules = new Rules(budget, writable)
  const ids = new Map<string, number>()
  for (const [name, { place }] of trees) ids.set(name, rules.rule(place))
  rules.root = ids.get(root)!
  for (const [name, { tree, place }] of trees) {
    budget.place = place
    const { start, end } = rules.rules[ids.get(name)!]
    rules.step(yield* build(rules, ids, start, tree), end)
  }
  return rules
}

function* build(
  rules: Rules,
  ids: ReadonlyMap<string, number>,
  from: number,
  tree: Tree,
): Work<number> {
  switch (tree.kind) {
    case 'text':
      return rules.text(from, tree.text)
    case 'chars':
      return rules.chars(from, tree.set)
    case 'name': {
      const id = ids.get(tree.name)
      if (id !== undefined) return rules.call(from, id)
      throw new GrammarFault(
        `uses the rule ${JSON.stringify(tree.name)}, which is not defined`,
        tree.place,
      )
    }
    case 'all': {
      let at = from
      for (const part of tree.list) at = yield* build(rules, ids, at, part)
      return at
    }
    case 'one': {
      const end = rules.node()
      for (const part of tree.list) {
        rules.step(yield* build(rules, ids, rules.step(from), part), end)
        yield
      }
      return end
    }
    case 'repeat':
      return yield* repeat(rules, ids, from, tree)
    default:
      return tree satisfies never
  }
}

function* repeat(
  rules: Rules,
  ids: ReadonlyMap<string, number>,
  from: number,
  { of, min, max, place }: Tree & { kind: 'repeat' },
): Work<number> {
  const copies = max === Number.POSITIVE_INFINITY ? min + 1 : max
  if (copies * sizeOf(of) > MAX_COPIES && copies > 1) {
    const body = rules.rule(place)
    rules.step(yield* build(rules, ids, rules.rules[body].start, of), rules.rules[body].end)
    return rules.call(from, countedRule(rules, body, min, max, place))
  }
  let at = rules.step(from)
  for (let i = 0; i < min; i++) at = yield* build(rules, ids, at, of)
  if (max === Number.POSITIVE_INFINITY) {
    const loop = rules.step(at)
    rules.step(yield* build(rules, ids, loop, of), loop)
    return rules.step(loop)
  }
  const end = rules.node()
  for (let i = min; i < max; i++) {
    rules.step(at, end)
    at = yield* build(rules, ids, rules.step(at), of)
  }
  rules.step(at, end)
  return end
}

/** A rule that calls another between min and max times, counting. */
export function countedRule(
  rules: Rules,
  body: number,
  min: number,
  max: number,
  place: string,
): number {
  const id = rules.rule(place)
  const rule = rules.rules[id]
  rule.counts = true
  const { start, end } = rule
  // An unbounded count needs no more than its minimum, so that states come again.
  if (max === Number.POSITIVE_INFINITY) {
    const more = rules.step(start, rules.node(), 0, min - 1, 1)
    rules.call(more, body, start)
    const free = rules.step(start, rules.node(), min)
    rules.call(free, body, start)
  } else rules.call(rules.step(start, rules.node(), 0, max - 1, 1), body, start)
  rules.step(start, end, min)
  return id
}

function sizeOf(tree: Tree): number {
  switch (tree.kind) {
    case 'text':
      return tree.text.length
    case 'all':
    case 'one':
      return tree.list.reduce((sum, part) => sum + sizeOf(part), 1)
    case 'repeat':
      return sizeOf(tree.of) * Math.max(1, Math.min(tree.max, tree.min + 1))
    default:
      return 1
  }
}

class Parser {
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

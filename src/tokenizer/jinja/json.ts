// JSON as Python's json module writes and reads it, and from JavaScript's values to a template's. Texts that
// are read carry the marks they are given; what is written keeps them character by character.
import { intOf } from './arguments.ts'
import { checkChars, raise, refuse, spend } from './faults.ts'
import { floatRepr, intRepr } from './numbers.ts'
import { ordered, setKey, truth } from './protocols.ts'
import { join, Text } from './text.ts'
import { Dict, isInt, isList, Tuple, toInt, typeName, type Value } from './values.ts'

const MAX_DEPTH = 200

export interface DumpOptions {
  ensureAscii: boolean
  /** What one level is indented by; undefined for one line. */
  indent: string | undefined
  itemSeparator: Text
  keySeparator: Text
  sortKeys: boolean
}

/** The options from the arguments of tojson; null and undefined leave Python's default. */
export function dumpOptions(
  ensureAscii: Value | undefined,
  indent: Value | undefined,
  separators: Value | undefined,
  sortKeys: Value | undefined,
): DumpOptions {
  const step = indent ?? undefined
  let level: string | undefined
  if (step instanceof Text) level = step.s
  else if (step !== undefined) {
    const width = Math.max(0, intOf(step, 'indent'))
    checkChars(width)
    level = ' '.repeat(width)
  }
  let [item, key] = [new Text(level === undefined ? ', ' : ','), new Text(': ')]
  if (separators !== undefined && separators !== null) {
    const pair = separators instanceof Tuple ? separators.items : separators
    if (
      !(isList(pair) && pair.length === 2 && pair[0] instanceof Text && pair[1] instanceof Text)
    ) {
      throw raise('TypeError', 'separators must be two strings')
    }
    ;[item, key] = [pair[0], pair[1]]
  }
  return {
    ensureAscii: ensureAscii !== undefined && truth(ensureAscii),
    indent: level,
    itemSeparator: item,
    keySeparator: key,
    sortKeys: sortKeys !== undefined && truth(sortKeys),
  }
}

/** json.dumps(). @throws TemplateFault for what JSON has no form for */
export function dumpJson(value: Value, options: DumpOptions): Text {
  const parts: (Text | string)[] = []
  write(value, options, 0, parts)
  return join(parts)
}

function write(value: Value, options: DumpOptions, depth: number, to: (Text | string)[]): void {
  spend(0.5)
  if (depth > MAX_DEPTH) throw raise('RecursionError', 'values are nested too deeply')
  const scalar = writeScalar(value)
  if (scalar !== undefined) to.push(scalar)
  else if (value instanceof Text) to.push('"', escaped(value, options.ensureAscii), '"')
  else if (isList(value) || value instanceof Tuple) {
    const items = value instanceof Tuple ? value.items : value
    enclose('[', items, ']', options, depth, to, item => write(item, options, depth + 1, to))
  } else if (value instanceof Dict) {
    let entries = [...value.entries.values()]
    if (options.sortKeys) {
      entries = entries.sort(([a], [b]) => (ordered('<', a, b) ? -1 : ordered('<', b, a) ? 1 : 0))
    }
    enclose('{', entries, '}', options, depth, to, ([key, item]) => {
      to.push('"', escaped(keyText(key), options.ensureAscii), '"', options.keySeparator)
      write(item, options, depth + 1, to)
    })
  } else {
    throw raise('TypeError', `Object of type ${typeName(value)} is not JSON serializable`)
  }
}

function enclose<T>(
  open: string,
  items: readonly T[],
  close: string,
  { indent, itemSeparator }: DumpOptions,
  depth: number,
  to: (Text | string)[],
  each: (item: T) => void,
): void {
  to.push(open)
  const line = (level: number) => {
    if (indent === undefined || items.length === 0) return
    checkChars(indent.length * level)
    to.push(`\n${indent.repeat(level)}`)
  }
  items.forEach((item, i) => {
    if (i > 0) to.push(itemSeparator)
    line(depth + 1)
    each(item)
  })
  line(depth)
  to.push(close)
}

function writeScalar(value: Value): string | undefined {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return String(value)
  if (isInt(value)) return intRepr(toInt(value))
  if (typeof value !== 'number') return undefined
  if (Number.isNaN(value)) return 'NaN'
  return Number.isFinite(value) ? floatRepr(value) : value > 0 ? 'Infinity' : '-Infinity'
}

function keyText(key: Value): Text {
  if (key instanceof Text) return key
  const scalar = writeScalar(key)
  if (scalar !== undefined) return new Text(scalar)
  throw raise('TypeError', `keys must be str, int, float, bool or None, not ${typeName(key)}`)
}

const CONTROL = '\\x00-\\x1f'
const ESCAPED = new RegExp(`["\\\\${CONTROL}]`, 'g')
const ASCII_ESCAPED = /["\\]|[^ -~]/g

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
}

function escaped(text: Text, ascii: boolean): Text {
  const pattern = ascii ? ASCII_ESCAPED : ESCAPED
  if (text.s.search(pattern) < 0) return text
  spend(1 + text.length / 64)
  const parts: Text[] = []
  let start = 0
  for (const { index, 0: unit } of text.s.matchAll(pattern)) {
    const code = SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
    if (index > start) parts.push(text.slice(start, index))
    parts.push(Text.marked(code, text.marksAt(index)))
    start = index + 1
  }
  parts.push(text.slice(start))
  return join(parts)
}

/**
 * A value of the caller's as one for a template: whole numbers are ints, undefined members are left out.
 * @param marks  of every text inside
 * @throws TemplateFault for what JSON has no form for
 */
export function fromJs(value: unknown, marks: number, depth = 0): Value {
  spend(0.5)
  if (depth > MAX_DEPTH) throw raise('ValueError', 'values are nested too deeply')
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return value
  if (typeof value === 'string') return Text.marked(value, marks)
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) {
    return value.map(item => fromJs(item === undefined ? null : item, marks, depth + 1))
  }
  if (typeof value !== 'object') throw refuse(`a ${typeof value} among the values`)
  const dict = new Dict()
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) setKey(dict, Text.marked(key, marks), fromJs(item, marks, depth + 1))
  }
  return dict
}

/**
 * JSON text as Python's json.loads reads it: integers of any size, keys in their order.
 * @returns undefined when it is no JSON
 */
export function parseJson(text: string, marks: number): Value | undefined {
  const reader = new JsonReader(text, marks)
  try {
    return reader.whole()
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

const WHITE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/y
const STRING = /"(?:[^"\\]|\\.)*"/sy

class JsonReader {
  readonly #text: string
  readonly #marks: number
  #at = 0

  constructor(text: string, marks: number) {
    this.#text = text
    this.#marks = marks
  }

  whole(): Value {
    const value = this.#value(0)
    this.#white()
    if (this.#at < this.#text.length) throw new SyntaxError('more than one value')
    return value
  }

  #white(): void {
    this.#take(WHITE)
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (!match) return undefined
    this.#at += match[0].length
    return match[0]
  }

  #skip(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #value(depth: number): Value {
    spend(0.5)
    if (depth > MAX_DEPTH) throw new SyntaxError('nested too deeply')
    this.#white()
    if (this.#skip('{')) return this.#dict(depth)
    if (this.#skip('[')) return this.#list(depth)
    if (this.#skip('null')) return null
    if (this.#skip('true')) return true
    if (this.#skip('false')) return false
    if (this.#text[this.#at] === '"') return this.#string()
    const number = this.#take(NUMBER)
    if (number === undefined) throw new SyntaxError('not a value')
    if (/[.eE]/.test(number)) return Number(number)
    if (number.length > 4300) throw new SyntaxError('an integer is too long')
    return BigInt(number)
  }

  #string(): Text {
    const literal = this.#take(STRING)
    if (literal === undefined) throw new SyntaxError('a string does not end')
    return Text.marked(JSON.parse(literal) as string, this.#marks)
  }

  #list(depth: number): Value[] {
    const items: Value[] = []
    this.#white()
    if (this.#skip(']')) return items
    do items.push(this.#value(depth + 1))
    while (this.#comma(']'))
    return items
  }

  #dict(depth: number): Dict {
    const dict = new Dict()
    this.#white()
    if (this.#skip('}')) return dict
    do {
      this.#white()
      const key = this.#string()
      this.#white()
      if (!this.#skip(':')) throw new SyntaxError('no colon')
      setKey(dict, key, this.#value(depth + 1))
    } while (this.#comma('}'))
    return dict
  }

  #comma(close: string): boolean {
    this.#white()
    if (this.#skip(',')) return true
    if (this.#skip(close)) return false
    throw new SyntaxError(`neither a comma nor ${close}`)
  }
}

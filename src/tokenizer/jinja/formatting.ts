// The two ways Python fills values into a text: the % operator, and str.format().
import { intOf } from './arguments.ts'
import { raise, refuse } from './faults.ts'
import { formatValue, intDigits, isNegative, realDigits } from './format-spec.ts'
import { truncated } from './numbers.ts'
import { repr, str } from './print.ts'
import { checkDefined, getKey } from './protocols.ts'
import { pad, repeat } from './strings.ts'
import { join, Text } from './text.ts'
import {
  type Arguments,
  Dict,
  isInt,
  isList,
  isNumber,
  Range,
  Tuple,
  toInt,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

const PLACE = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?(.)/gsu
const HAS_PRECISION = /\./

/** text % values */
export function percentFormat(text: Text, values: Value): Text {
  const list = values instanceof Tuple ? values.items : [values]
  let next = 0
  const take = (): Value => {
    if (next >= list.length) throw raise('TypeError', 'not enough arguments for format string')
    return list[next++]
  }
  let mapped = false
  const parts: Text[] = []
  let start = 0
  for (const match of text.s.matchAll(PLACE)) {
    const [whole, key, flags, widthText, precisionText, type] = match
    // What a failed match skipped may hold a lone % at the end.
    parts.push(text.slice(start, match.index))
    start = match.index + whole.length
    let value: Value | undefined
    if (key !== undefined) {
      if (!(values instanceof Dict)) throw raise('TypeError', 'format requires a mapping')
      value = getKey(values, new Text(key))
      if (value === undefined) throw raise('KeyError', `'${key}'`)
      mapped = true
    }
    const width = widthText === '*' ? intOf(take(), '* wants int') : Number(widthText ?? 0)
    let precision = precisionText === undefined ? undefined : Number(precisionText)
    if (precisionText === '*') precision = Math.max(intOf(take(), '* wants int'), 0)
    else if (
      precisionText === undefined &&
      HAS_PRECISION.test(whole.slice(0, -1).replace(/\(.*\)/s, ''))
    ) {
      precision = 0
    }
    if (type === '%') {
      parts.push(new Text('%'))
      continue
    }
    const left = flags.includes('-') || width < 0
    parts.push(
      place(value === undefined ? take() : value, type, flags, precision, Math.abs(width), left),
    )
  }
  const rest = text.slice(start)
  if (rest.s.includes('%')) throw raise('ValueError', 'incomplete format')
  parts.push(rest)
  const usesAll = next >= list.length || mapped || isMapping(values)
  if (!usesAll) throw raise('TypeError', 'not all arguments converted during string formatting')
  return join(parts)
}

/** What may stay unused: Python takes all that can be subscripted for a mapping here. */
function isMapping(values: Value): boolean {
  const others = values instanceof Undefined || values instanceof Range
  return values instanceof Dict || isList(values) || others
}

function place(
  value: Value,
  type: string,
  flags: string,
  precision: number | undefined,
  width: number,
  left: boolean,
): Text {
  if (width > 10_000) throw refuse('a width above 10000')
  const padded = (text: Text) => pad(text, width, new Text(' '), left ? '<' : '>')
  if (type === 's' || type === 'r' || type === 'a') {
    if (type === 'a') throw refuse('%a')
    const text = type === 's' ? str(value) : repr(value)
    return padded(precision === undefined ? text : text.slice(0, text.unitOf(precision)))
  }
  if (type === 'c') {
    if (value instanceof Text && value.points === 1) return padded(value)
    if (!isInt(value)) throw raise('TypeError', '%c requires int or char')
    const code = toInt(value)
    if (code < 0n || code > 0x10ffffn) throw raise('OverflowError', '%c arg not in range(0x110000)')
    return padded(new Text(String.fromCodePoint(Number(code))))
  }
  if (!'diuoxXeEfFgG'.includes(type)) {
    throw raise('ValueError', `unsupported format character '${type}'`)
  }
  checkDefined(value)
  if (!isNumber(value)) {
    const kind = 'diu'.includes(type) ? 'a real number is required' : 'must be real number'
    throw raise('TypeError', `%${type} format: ${kind}, not ${typeName(value)}`)
  }
  const style = { type, precision, alternate: flags.includes('#') }
  let number: bigint | number
  let digits: string
  if ('eEfFgG'.includes(type)) {
    number = typeof value === 'number' ? value : Number(value)
    digits = realDigits(Math.abs(number), style)
  } else {
    if (typeof value === 'number' && 'oxX'.includes(type)) {
      throw raise('TypeError', `%${type} format: an integer is required, not float`)
    }
    number = typeof value === 'number' ? truncated(value) : toInt(value)
    digits = intDigits(number, style)
    const prefix = style.alternate && 'oxX'.includes(type) ? digits.slice(0, 2) : ''
    digits = prefix + digits.slice(prefix.length).padStart(Math.min(precision ?? 0, 10_000), '0')
  }
  const sign = isNegative(number) ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
  if (!flags.includes('0') || left) return padded(new Text(sign + digits))
  const prefix = /^0[xXo]/.exec(digits)?.[0] ?? ''
  const zeros = width - sign.length - digits.length
  return join([sign + prefix, repeat(new Text('0'), zeros), digits.slice(prefix.length)])
}

/** How x.name and x[key] are looked up; handed in by members.ts. */
export interface LookUp {
  member(value: Value, name: string): Value
  item(value: Value, key: Value): Value
}

/** text.format(...), with Jinja's own look-up of attributes. */
export function formatFields(text: Text, args: Arguments, lookUp: LookUp): Text {
  return new FieldFormatter(args, lookUp).fill(text, 2)
}

class FieldFormatter {
  readonly #args: Arguments
  readonly #lookUp: LookUp
  #auto = 0

  constructor(args: Arguments, lookUp: LookUp) {
    this.#args = args
    this.#lookUp = lookUp
  }

  fill(text: Text, depth: number): Text {
    if (depth === 0) throw raise('ValueError', 'Max string recursion exceeded')
    const parts: Text[] = []
    const { s } = text
    for (let at = 0; at < s.length; ) {
      const brace = nextBrace(s, at)
      parts.push(text.slice(at, brace))
      if (brace === s.length) break
      if (s[brace + 1] === s[brace]) {
        parts.push(text.slice(brace, brace + 1))
        at = brace + 2
        continue
      }
      if (s[brace] === '}') throw raise('ValueError', "Single '}' encountered in format string")
      const end = closing(s, brace + 1)
      parts.push(this.#field(text.slice(brace + 1, end), depth))
      at = end + 1
    }
    return join(parts)
  }

  #field(field: Text, depth: number): Text {
    const match = /^([^!:[]*(?:\[[^\]]*\][^!:[]*)*)(?:!(.))?(?::(.*))?$/s.exec(field.s)
    if (!match) throw raise('ValueError', `a field {${field.s.slice(0, 40)}} is malformed`)
    const [, name, conversion, spec] = match
    let value: Value = this.#value(name)
    if (conversion === 'r') value = repr(value)
    else if (conversion === 's') value = str(value)
    else if (conversion !== undefined) throw refuse(`the conversion !${conversion}`)
    const specText = spec === undefined ? new Text('') : field.slice(field.length - spec.length)
    return formatValue(value, this.fill(specText, depth - 1 || 1))
  }

  #value(name: string): Value {
    const first = /^[^.[]*/.exec(name)![0]
    let value: Value | undefined
    if (first === '' || /^\d+$/.test(first)) {
      const index = first === '' ? this.#next() : this.#given(Number(first))
      value = this.#args.list[index]
      if (value === undefined) {
        throw raise('IndexError', 'Replacement index out of range for positional args tuple')
      }
    } else {
      value = this.#args.named.get(first)
      if (value === undefined) throw raise('KeyError', `'${first}'`)
    }
    for (const [, attribute, index] of name
      .slice(first.length)
      .matchAll(/\.([^.[]+)|\[([^\]]+)\]/g)) {
      if (attribute !== undefined) value = this.#lookUp.member(value, attribute)
      else value = this.#lookUp.item(value, /^\d+$/.test(index) ? BigInt(index) : new Text(index))
    }
    return value
  }

  #next(): number {
    if (this.#auto < 0) {
      throw raise(
        'ValueError',
        'cannot switch from manual field specification to automatic field numbering',
      )
    }
    return this.#auto++
  }

  #given(index: number): number {
    if (this.#auto > 0) {
      throw raise(
        'ValueError',
        'cannot switch from automatic field numbering to manual field specification',
      )
    }
    this.#auto = -1
    return index
  }
}

function nextBrace(s: string, from: number): number {
  for (let at = from; at < s.length; at++) if (s[at] === '{' || s[at] === '}') return at
  return s.length
}

/** Where the field that begins here ends; specs may hold fields. */
function closing(s: string, from: number): number {
  let open = 1
  for (let at = from; at < s.length; at++) {
    if (s[at] === '{') open++
    else if (s[at] === '}' && --open === 0) return at
  }
  throw raise('ValueError', "expected '}' before end of string")
}

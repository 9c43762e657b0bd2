// One value written to a format: width, sign, precision and type, as format() and the % operator know them.
import { raise, refuse } from './faults.ts'
import { floatDigits, floatRepr, intRepr } from './numbers.ts'
import { str } from './print.ts'
import { pad, repeat } from './strings.ts'
import { join, Text } from './text.ts'
import { isInt, isNumber, toInt, typeName, type Value } from './values.ts'

const MAX_WIDTH = 10_000
const MAX_PRECISION = 1000

export interface NumberStyle {
  readonly type: string
  readonly precision: number | undefined
  readonly alternate: boolean
}

/** Digits of an int without its sign, in the base of 'd', 'b', 'o', 'x' or 'X'. */
export function intDigits(value: bigint, { type, alternate }: NumberStyle): string {
  const size = value < 0n ? -value : value
  const base = { b: 2, o: 8, x: 16, X: 16 }[type]
  if (base === undefined) return intRepr(size)
  const digits = size.toString(base)
  if (!alternate) return type === 'X' ? digits.toUpperCase() : digits
  return type === 'X' ? `0X${digits.toUpperCase()}` : `0${type}${digits}`
}

/** Digits of a float without its sign, for 'e', 'f', 'g' and their large forms. */
export function realDigits(value: number, { type, precision, alternate }: NumberStyle): string {
  if ((precision ?? 0) > MAX_PRECISION) throw refuse(`a precision above ${MAX_PRECISION}`)
  const small = type.toLowerCase()
  const digits = floatDigits(value, small, precision ?? 6, alternate)
  const whole = alternate && small === 'f' && precision === 0 ? `${digits}.` : digits
  return type === small ? whole : whole.toUpperCase()
}

export function isNegative(value: bigint | number): boolean {
  return value < 0 || Object.is(value, -0)
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su

interface Spec {
  readonly fill: string
  readonly align: string | undefined
  readonly sign: string
  readonly zero: boolean
  readonly width: number
  readonly group: string
  readonly style: NumberStyle
}

function parseSpec(spec: Text): Spec {
  const match = SPEC.exec(spec.s)
  if (!match) throw raise('ValueError', `Invalid format specifier '${spec.s.slice(0, 40)}'`)
  const [, fill, align, sign, z, alternate, zero, width, group, precision, type] = match
  if (z) throw refuse('the format option z')
  if (Number(width ?? 0) > MAX_WIDTH) throw refuse(`a width above ${MAX_WIDTH}`)
  return {
    fill: fill ?? (zero ? '0' : ' '),
    align,
    sign: sign ?? '',
    zero: zero !== undefined,
    width: Number(width ?? 0),
    group: group ?? '',
    style: {
      type: type ?? '',
      precision: precision === undefined ? undefined : Number(precision),
      alternate: alternate !== undefined,
    },
  }
}

/** Python's format(value, spec). */
export function formatValue(value: Value, specText: Text): Text {
  if (specText.s === '') return str(value)
  const spec = parseSpec(specText)
  const { type } = spec.style
  if (value instanceof Text) return formatText(value, spec)
  if (isInt(value) && (type === '' || 'bcdnoxX'.includes(type)))
    return formatInt(toInt(value), spec)
  if (isNumber(value)) return formatReal(typeof value === 'number' ? value : Number(value), spec)
  throw raise('TypeError', `unsupported format string passed to ${typeName(value)}.__format__`)
}

function formatText(text: Text, spec: Spec): Text {
  const { type, precision, alternate } = spec.style
  if (type !== '' && type !== 's') {
    throw raise('ValueError', `Unknown format code '${type}' for object of type 'str'`)
  }
  if (spec.sign || alternate || spec.group || spec.align === '=') {
    throw raise('ValueError', 'number options not allowed in string format specifier')
  }
  const cut = precision === undefined ? text : text.slice(0, text.unitOf(precision))
  return pad(cut, spec.width, new Text(spec.fill), (spec.align ?? '<') as '<' | '>' | '^')
}

function formatInt(value: bigint, spec: Spec): Text {
  const { style } = spec
  if (style.precision !== undefined) {
    throw raise('ValueError', 'Precision not allowed in integer format specifier')
  }
  if (style.type === 'c') throw refuse('the format type c')
  if (style.type === 'n') throw refuse('the format type n')
  const digits = intDigits(value, { ...style, alternate: false })
  const prefix = style.alternate && 'boxX'.includes(style.type || 'd') ? `0${style.type}` : ''
  const every = style.type === '' || style.type === 'd' ? 3 : 4
  if (spec.group === ',' && every === 4)
    throw raise('ValueError', `Cannot specify ',' with '${style.type}'.`)
  return signedAndPadded(isNegative(value), prefix, digits, '', every, spec)
}

function formatReal(value: number, spec: Spec): Text {
  const { type, precision } = spec.style
  let digits: string
  if (type === '') {
    // As repr(), or with a precision as 'g' with at least one digit behind the point.
    const size = Math.abs(value)
    digits = floatRepr(size)
    if (precision !== undefined) throw refuse('a float format with a precision and no type')
  } else if (type === '%') {
    digits = `${realDigits(Math.abs(value * 100), { ...spec.style, type: 'f' })}%`
  } else if ('eEfFgG'.includes(type)) digits = realDigits(Math.abs(value), spec.style)
  else throw raise('ValueError', `Unknown format code '${type}' for object of type 'float'`)
  const whole = /^\d+/.exec(digits)?.[0] ?? ''
  return signedAndPadded(isNegative(value), '', whole, digits.slice(whole.length), 3, spec)
}

function signedAndPadded(
  negative: boolean,
  prefix: string,
  whole: string,
  rest: string,
  every: number,
  spec: Spec,
): Text {
  const sign = negative ? '-' : spec.sign === '-' ? '' : spec.sign
  const align = spec.align ?? (spec.zero ? '=' : '>')
  if (align !== '=') {
    const body = `${sign}${prefix}${grouped(whole, spec.group, every)}${rest}`
    return pad(new Text(body), spec.width, new Text(spec.fill), align as '<' | '>' | '^')
  }
  if (spec.group !== '' && spec.fill === '0') {
    // Zeros are grouped with the digits, and never begin with a comma.
    if (spec.width > 1000) throw refuse('grouped zeros of a width above 1000')
    let digits = whole
    const length = () =>
      sign.length + prefix.length + grouped(digits, spec.group, every).length + rest.length
    while (length() < spec.width) digits = `0${digits}`
    return new Text(`${sign}${prefix}${grouped(digits, spec.group, every)}${rest}`)
  }
  const body = `${grouped(whole, spec.group, every)}${rest}`
  const missing = spec.width - sign.length - prefix.length - body.length
  return join([sign + prefix, repeat(new Text(spec.fill), missing), body])
}

function grouped(digits: string, separator: string, every: number): string {
  if (separator === '') return digits
  return digits.replace(new RegExp(`\\B(?=(?:[0-9a-fA-F]{${every}})+$)`, 'g'), separator)
}

// + - * / // % ** and the signs, by Python's rules for each pair of types.

import { intOf } from './arguments.ts'
import type { BinaryOperator, Comparison } from './ast.ts'
import { checkEntries, raise, spend } from './faults.ts'
import { percentFormat } from './formatting.ts'
import { checkDefined, contains, equal, ordered } from './protocols.ts'
import { repeat } from './strings.ts'
import { join, Text } from './text.ts'
import { isInt, isList, isNumber, Tuple, toInt, typeName, type Value } from './values.ts'

/** Bits of the largest int that is computed. */
const MAX_BITS = 20_000

export function binary(op: BinaryOperator, left: Value, right: Value): Value {
  if (op === '%' && left instanceof Text) return percentFormat(plain(left), right)
  checkDefined(left)
  checkDefined(right)
  if (isNumber(left) && isNumber(right)) return arithmetic(op, left, right)
  if (op === '+') {
    if (left instanceof Text && right instanceof Text) return add(left, right)
    if (isList(left) && isList(right)) {
      checkEntries(left.length + right.length)
      return [...left, ...right]
    }
    if (left instanceof Tuple && right instanceof Tuple) {
      checkEntries(left.items.length + right.items.length)
      return new Tuple([...left.items, ...right.items])
    }
  }
  if (op === '*') {
    if (isInt(right)) return times(left, right) ?? fail(op, left, right)
    if (isInt(left)) return times(right, left) ?? fail(op, left, right)
  }
  return fail(op, left, right)
}

function fail(op: string, left: Value, right: Value): never {
  const types = `'${typeName(left)}' and '${typeName(right)}'`
  throw raise('TypeError', `unsupported operand type(s) for ${op}: ${types}`)
}

/** Python's Markup escapes a plain string that it is added to. */
function add(left: Text, right: Text): Text {
  if (!left.safe && !right.safe) return join([left, right])
  return join([left, right].map(part => (part.safe ? part : escapeHtml(part)))).asSafe(true)
}

function plain(text: Text): Text {
  if (!text.safe) return text
  throw raise('TypeError', '% of a string marked safe is not supported')
}

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
}

/** Markupsafe's escape(). */
export function escapeHtml(text: Text): Text {
  if (!/[&<>'"]/.test(text.s)) return text.asSafe(true)
  const parts: Text[] = []
  let start = 0
  for (const match of text.s.matchAll(/[&<>'"]/g)) {
    parts.push(text.slice(start, match.index))
    parts.push(Text.marked(HTML[match[0]], text.marksAt(match.index)))
    start = match.index + 1
  }
  parts.push(text.slice(start))
  return join(parts).asSafe(true)
}

function times(value: Value, count: bigint | boolean): Value | undefined {
  const most = Math.max(0, intOf(count, 'the count'))
  if (value instanceof Text) return repeat(value, most).asSafe(value.safe)
  const items = isList(value) ? value : value instanceof Tuple ? value.items : undefined
  if (!items) return undefined
  checkEntries(items.length * most)
  const all: Value[] = []
  for (let i = 0; i < most && items.length > 0; i++) all.push(...items)
  return value instanceof Tuple ? new Tuple(all) : all
}

type Numeric = bigint | boolean | number

function arithmetic(op: BinaryOperator, left: Numeric, right: Numeric): Value {
  if (typeof left === 'number' || typeof right === 'number') {
    return reals(op, toReal(left), toReal(right))
  }
  const [a, b] = [toInt(left), toInt(right)]
  switch (op) {
    case '+':
      return bounded(a + b)
    case '-':
      return bounded(a - b)
    case '*':
      return bounded(a * b)
    case '/':
      if (b === 0n) throw raise('ZeroDivisionError', 'division by zero')
      return quotient(a, b)
    case '//':
      if (b === 0n) throw raise('ZeroDivisionError', 'integer division or modulo by zero')
      return floorDivide(a, b)
    case '%':
      if (b === 0n) throw raise('ZeroDivisionError', 'integer modulo by zero')
      return a - floorDivide(a, b) * b
    case '**':
      return b < 0n ? reals('**', toReal(left), toReal(right)) : power(a, b)
    default:
      return op satisfies never
  }
}

function bounded(value: bigint): bigint {
  if (value < 1n << 64n && value > -(1n << 64n)) return value
  const bits = value.toString(16).length * 4
  spend(bits / 64)
  if (bits > MAX_BITS) throw raise('OverflowError', `an integer has more than ${MAX_BITS} bits`)
  return value
}

function floorDivide(a: bigint, b: bigint): bigint {
  const cut = a / b
  return a % b !== 0n && a < 0n !== b < 0n ? cut - 1n : cut
}

/** a / b, rounded once even where neither fits a double. */
function quotient(a: bigint, b: bigint): number {
  const safe = BigInt(Number.MAX_SAFE_INTEGER)
  const fits = (value: bigint) => value <= safe && value >= -safe
  if (fits(a) && fits(b)) return Number(a) / Number(b)
  const [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b]
  // 66 bits of the quotient and whether anything is left decide every rounding.
  const shift = BigInt(Math.max(0, 66 + y.toString(2).length - x.toString(2).length))
  const top = x << shift
  const scaled = (top / y) * 2n + (top % y === 0n ? 0n : 1n)
  const value = Number(scaled) / 2 ** (Number(shift) + 1)
  if (!Number.isFinite(value))
    throw raise('OverflowError', 'integer division result too large for a float')
  return a < 0n !== b < 0n ? -value : value
}

function power(a: bigint, b: bigint): bigint {
  const bits = (a < 0n ? -a : a).toString(2).length
  if (a > 1n || a < -1n) {
    if (b > BigInt(MAX_BITS) || bits * Number(b) > MAX_BITS) {
      throw raise('OverflowError', `an integer has more than ${MAX_BITS} bits`)
    }
  }
  spend(bits)
  return a === 0n || a === 1n
    ? b === 0n
      ? 1n
      : a
    : a === -1n
      ? b % 2n === 0n
        ? 1n
        : -1n
      : a ** b
}

function toReal(value: Numeric): number {
  if (typeof value === 'number') return value
  const real = Number(toInt(value))
  if (!Number.isFinite(real)) throw raise('OverflowError', 'int too large to convert to float')
  return real
}

function reals(op: BinaryOperator, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      if (b === 0) throw raise('ZeroDivisionError', 'float division by zero')
      return a / b
    case '//':
      if (b === 0) throw raise('ZeroDivisionError', 'float floor division by zero')
      return floorQuotient(a, b)
    case '%':
      if (b === 0) throw raise('ZeroDivisionError', 'float modulo')
      return modulo(a, b)
    case '**': {
      if (a === 0 && b < 0) {
        throw raise('ZeroDivisionError', '0.0 cannot be raised to a negative power')
      }
      if (a < 0 && Number.isFinite(b) && !Number.isInteger(b)) {
        throw raise('TypeError', 'complex numbers are not supported')
      }
      if (a === 1 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b))) return 1
      const value = a ** b
      if (!Number.isFinite(value) && Number.isFinite(a) && Number.isFinite(b)) {
        throw raise('OverflowError', 'Numerical result out of range')
      }
      return value
    }
    default:
      return op satisfies never
  }
}

/** The remainder has the sign of the divisor. */
function modulo(a: number, b: number): number {
  const rest = a % b
  if (rest === 0) return b < 0 ? -0 : 0
  return rest < 0 !== b < 0 ? rest + b : rest
}

function floorQuotient(a: number, b: number): number {
  const rest = a % b
  let quotient = (a - rest) / b
  if (rest !== 0 && rest < 0 !== b < 0) quotient -= 1
  if (quotient === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0
  const floor = Math.floor(quotient)
  return quotient - floor > 0.5 ? floor + 1 : floor
}

/** One of ==, <, in and so on. */
export function compare(op: Comparison, left: Value, right: Value): boolean {
  switch (op) {
    case '==':
      return equal(left, right)
    case '!=':
      return !equal(left, right)
    case 'in':
      return contains(right, left)
    case 'not in':
      return !contains(right, left)
    default:
      return ordered(op, left, right)
  }
}

/** -x and +x */
export function signed(op: 'minus' | 'plus', value: Value): Value {
  checkDefined(value)
  if (typeof value === 'number') return op === 'minus' ? -value : value
  if (isInt(value)) return op === 'minus' ? -toInt(value) : toInt(value)
  const sign = op === 'minus' ? '-' : '+'
  throw raise('TypeError', `bad operand type for unary ${sign}: '${typeName(value)}'`)
}

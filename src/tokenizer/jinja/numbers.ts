// Numbers as Python writes, rounds and reads them. Digits of a double come from its exact value in integer
// arithmetic, since toFixed() rounds halves up where Python rounds them to even.
import { checkChars, raise, refuse, spend } from './faults.ts'

/** repr() of a float: the shortest digits that read back, exponents from 1e16 and below 1e-4. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const [mantissa, exponentText] = Math.abs(value).toExponential().split('e')
  const digits = mantissa.replace('.', '')
  const exponent = Number(exponentText)
  const sign = value < 0 ? '-' : ''
  if (exponent < -4 || exponent >= 16) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return `${sign}${digits[0]}${fraction}e${signed(exponent)}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}

/** Digits of an int; huge ones are refused as Python does from 4300 digits on. */
export function intRepr(value: bigint): string {
  if (value < 10n ** 15n && value > -(10n ** 15n)) return String(value)
  const text = value.toString()
  spend(text.length)
  if (text.replace('-', '').length > 4300) {
    throw raise('ValueError', 'Exceeds the limit (4300 digits) for integer string conversion')
  }
  return text
}

/** +05 as in 1e+05. */
function signed(exponent: number): string {
  return `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/** The finite double as numerator / 2^shift, exactly. */
function exact(value: number): { numerator: bigint; shift: number } {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, Math.abs(value))
  const high = bits.getUint32(0)
  const biased = high >>> 20
  const fraction = (BigInt(high & 0xfffff) << 32n) | BigInt(bits.getUint32(4))
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n)
  const exponent = Math.max(biased, 1) - 1075
  return exponent >= 0
    ? { numerator: mantissa << BigInt(exponent), shift: 0 }
    : { numerator: mantissa, shift: -exponent }
}

/** numerator / denominator, halves to even; both are positive. */
function divideEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator
  const twice = (numerator % denominator) * 2n
  const up = twice > denominator || (twice === denominator && quotient % 2n === 1n)
  return up ? quotient + 1n : quotient
}

/** |value| * 10^places, rounded to an int, halves to even. */
function scaled(value: number, places: number): bigint {
  const { numerator, shift } = exact(value)
  const up = places > 0 ? 10n ** BigInt(places) : 1n
  const down = places < 0 ? 10n ** BigInt(-places) : 1n
  return divideEven(numerator * up, (1n << BigInt(shift)) * down)
}

/** Digits of |value| with so many behind the point: Python's 'f'. */
export function fixedDigits(value: number, places: number): string {
  checkChars(places)
  spend(10 + places)
  const digits = scaled(value, places)
    .toString()
    .padStart(places + 1, '0')
  const whole = digits.slice(0, digits.length - places)
  return places > 0 ? `${whole}.${digits.slice(-places)}` : whole
}

/** The `count` leading digits of |value| and the exponent of the first: Python's 'e'. */
export function leadingDigits(value: number, count: number): { digits: string; exponent: number } {
  checkChars(count)
  spend(10 + count)
  if (value === 0) return { digits: '0'.repeat(count), exponent: 0 }
  let exponent = Number(Math.abs(value).toExponential().split('e')[1])
  let digits = scaled(value, count - 1 - exponent).toString()
  if (digits.length > count) {
    exponent++ // 9.99 became 10.0
    digits = digits.slice(0, count)
  }
  return { digits, exponent }
}

/** Digits of 'e', 'f' or 'g' of |value|, without a sign. */
export function floatDigits(
  value: number,
  type: string,
  precision: number,
  keepZeros = false,
): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return 'inf'
  if (type === 'f') return fixedDigits(value, precision)
  if (type === 'e') {
    const { digits, exponent } = leadingDigits(value, precision + 1)
    return `${digits[0]}${precision > 0 || keepZeros ? '.' : ''}${digits.slice(1)}e${signed(exponent)}`
  }
  const count = Math.max(precision, 1)
  const { digits, exponent } = leadingDigits(value, count)
  if (exponent < -4 || exponent >= count) {
    const all = `${digits[0]}.${digits.slice(1)}`
    return `${keepZeros ? all : dropZeros(all)}e${signed(exponent)}`
  }
  const all = fixedDigits(value, Math.max(count - 1 - exponent, 0))
  if (!all.includes('.')) return keepZeros ? `${all}.` : all
  return keepZeros ? all : dropZeros(all)
}

function dropZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

/** Python's round() of a float to so many places; without places an int. */
export function roundFloat(value: number, places: number): number {
  if (!Number.isFinite(value) || value === 0) return value
  if (places > 400) return value
  if (places < -400) return value < 0 ? -0 : 0
  const rounded = Number(`${scaled(value, places)}e${-places}`)
  if (!Number.isFinite(rounded))
    throw raise('OverflowError', 'rounded value too large to represent')
  return value < 0 ? -rounded : rounded
}

/** Python's round() of an int to 10^-places. */
export function roundInt(value: bigint, places: number): bigint {
  if (places >= 0) return value
  if (places < -5000) return 0n
  const unit = 10n ** BigInt(-places)
  const rounded = divideEven(value < 0n ? -value : value, unit) * unit
  return value < 0n ? -rounded : rounded
}

/**
 * Python's int() of a float: towards zero.
 * @throws TemplateFault for inf and nan
 */
export function truncated(value: number): bigint {
  if (Number.isNaN(value)) throw raise('ValueError', 'cannot convert float NaN to integer')
  if (!Number.isFinite(value)) {
    throw raise('OverflowError', 'cannot convert float infinity to integer')
  }
  return BigInt(Math.trunc(value))
}

const DIGITS = /^[+-]?[0-9]+(_[0-9]+)*$/
const FLOAT = /^[+-]?((\d+(_\d+)*)?\.?(\d+(_\d+)*)?(e[+-]?\d+(_\d+)*)?|inf|infinity|nan)$/i

/** Python's int() of a text, white space around it taken off; undefined where that fails. */
export function parseInteger(text: string, base = 10): bigint | undefined {
  checkAscii(text)
  if (base === 10) {
    if (!DIGITS.test(text)) return undefined
    if (text.length > 4300) return undefined
    spend(text.length)
    return BigInt(text.replaceAll('_', '').replace('+', ''))
  }
  if (base !== 2 && base !== 8 && base !== 16) throw refuse(`int with base ${base}`)
  const { letter, digit } = {
    2: { letter: 'b', digit: '01' },
    8: { letter: 'o', digit: '0-7' },
    16: { letter: 'x', digit: '0-9a-f' },
  }[base]
  const match = new RegExp(`^([+-]?)(?:0${letter}_?)?([${digit}]+(?:_[${digit}]+)*)$`, 'i').exec(
    text,
  )
  if (!match) return undefined
  spend(text.length)
  const value = BigInt(`0${letter}${match[2].replaceAll('_', '')}`)
  return match[1] === '-' ? -value : value
}

/** Python's float() of a text, white space around it taken off; undefined where that fails. */
export function parseFloating(text: string): number | undefined {
  checkAscii(text)
  if (text.length > 400) throw refuse('a float of more than 400 characters')
  if (!FLOAT.test(text) || !/[0-9a-z]/i.test(text) || /^[+-]?\.?e/i.test(text)) return undefined
  const plain = text.replaceAll('_', '').toLowerCase()
  const sign = plain.startsWith('-') ? -1 : 1
  if (plain.includes('inf')) return sign * Number.POSITIVE_INFINITY
  if (plain.includes('nan')) return Number.NaN
  return Number(plain)
}

/** Python reads the digits of every script. */
function checkAscii(text: string): void {
  if (/[^\0-\x7f]/.test(text) && /\p{Nd}/u.test(text))
    throw refuse('a number in other digits than 0-9')
}

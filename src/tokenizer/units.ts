// Text as UTF-16 units in typed arrays, as the encoders take it: no string is made per word, and a text of
// 32 MB is copied a slice at a time.
import { RyzError } from '../errors.ts'

/** Units [from, to) of `units`; halves of surrogate pairs always come in pairs. */
export interface Region {
  readonly units: Uint16Array
  readonly from: number
  readonly to: number
}

/** A normalized text of more than 64 million units, 128 MB, is refused. */
const MOST_UNITS = 64 * 1024 * 1024
const REPLACEMENT = 0xfffd

/** A growing list of units. */
export class UnitList {
  units: Uint16Array
  length = 0

  /** @param expected  units to make room for at once */
  constructor(expected: number) {
    this.units = new Uint16Array(Math.max(16, Math.min(expected, MOST_UNITS)))
  }

  push(unit: number): void {
    this.#reserve(1)
    this.units[this.length++] = unit
  }

  pushText(text: string): void {
    this.#reserve(text.length)
    for (let i = 0; i < text.length; i++) this.units[this.length++] = text.charCodeAt(i)
  }

  pushRange(units: Uint16Array, from: number, to: number): void {
    this.#reserve(to - from)
    this.units.set(units.subarray(from, to), this.length)
    this.length += to - from
  }

  region(): Region {
    return { units: this.units, from: 0, to: this.length }
  }

  #reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.units.length) return
    if (needed > MOST_UNITS) {
      throw new RyzError(
        'BAD_OPTION',
        `the text has more than ${MOST_UNITS} characters once the tokenizer has normalized it; split it`,
        { limit: MOST_UNITS },
      )
    }
    const larger = new Uint16Array(Math.min(MOST_UNITS, Math.max(needed, 2 * this.units.length)))
    larger.set(this.units)
    this.units = larger
  }
}

/** Writes units [from, to) of a text; half a surrogate pair alone becomes U+FFFD, as in TextEncoder. */
export function copyUnits(text: string, from: number, to: number, units: Uint16Array): void {
  for (let i = from; i < to; i++) {
    const unit = text.charCodeAt(i)
    units[i] = (unit & 0xf800) === 0xd800 && !paired(text, i, unit) ? REPLACEMENT : unit
  }
}

function paired(text: string, at: number, unit: number): boolean {
  const high = (unit & 0xfc00) === 0xd800
  const other = text.charCodeAt(high ? at + 1 : at - 1)
  return (other & 0xfc00) === (high ? 0xdc00 : 0xd800)
}

/** The code point at `at`; half a pair at the end stands for itself. */
export function codeAt(units: Uint16Array, at: number, to: number): number {
  const unit = units[at]!
  if ((unit & 0xfc00) !== 0xd800 || at + 1 >= to) return unit
  return 0x10000 + ((unit & 0x3ff) << 10) + (units[at + 1]! & 0x3ff)
}

export function textOf(units: Uint16Array, from: number, to: number): string {
  let text = ''
  // Only so many arguments fit a call.
  for (let at = from; at < to; at += 4096) {
    text += String.fromCharCode(...units.subarray(at, Math.min(at + 4096, to)))
  }
  return text
}

export function unitsOf(text: string): Uint16Array {
  const units = new Uint16Array(text.length)
  copyUnits(text, 0, text.length, units)
  return units
}

/** Writes the UTF-8 of a code point; returns its length. */
export function utf8(code: number, to: Uint8Array): number {
  if (code < 0x80) {
    to[0] = code
    return 1
  }
  const length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  for (let i = length - 1, rest = code; i > 0; i--, rest >>= 6) to[i] = 0x80 | (rest & 0x3f)
  to[0] =
    length === 2 ? 0xc0 | (code >> 6) : length === 3 ? 0xe0 | (code >> 12) : 0xf0 | (code >> 18)
  return length
}

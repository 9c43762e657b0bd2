// How characters are written as bytes, seen from within one: UTF-8, and the escapes of JSON strings.
// Called by terminal.ts.

/** How far a character has been read. */
export interface Within {
  readonly phase: number
  readonly value: number
  readonly left: number
  readonly surrogate: number
}

/** Within a character: nothing read, UTF-8 begun, after a backslash, in hex digits, ... */
export const WHOLE = 0
export const UTF8 = 1
export const ESCAPE = 2
export const HEX = 3
export const LOW_BACKSLASH = 4
export const LOW_U = 5
export const CLOSED = 6

export const SHORT_ESCAPES: ReadonlyMap<number, number> = new Map(
  [...'"\\/bfnrt'].map((char, i) => [char.charCodeAt(0), '"\\/\b\f\n\r\t'.charCodeAt(i)]),
)

/** The character that the byte completes, or -1. */
export function completedBy(state: Within, byte: number, raw: boolean): number {
  switch (state.phase) {
    case WHOLE:
      return byte < 0x80 && (raw || (byte !== 0x22 && byte !== 0x5c)) ? byte : -1
    case UTF8:
      return state.left === 1 ? (state.value << 6) | (byte & 63) : -1
    case ESCAPE:
      return SHORT_ESCAPES.get(byte) ?? -1
    case HEX: {
      if (state.left > 1) return -1
      const unit = (state.value << 4) | hexDigit(byte)
      if (state.surrogate > 0) {
        return 0x10000 + ((state.surrogate - 0xd800) << 10) + (unit - 0xdc00)
      }
      return unit >= 0xd800 && unit < 0xe000 ? -1 : unit
    }
    default:
      return -1
  }
}

/** The characters that may be under way: [first, last] pairs; empty between two characters. */
export function pendingOf(state: Within): number[] {
  const { phase, value, left, surrogate } = state
  switch (phase) {
    case UTF8:
      return [value << (6 * left), ((value + 1) << (6 * left)) - 1]
    case ESCAPE:
      return [0, 0x10ffff]
    case LOW_BACKSLASH:
    case LOW_U: {
      const first = 0x10000 + ((surrogate - 0xd800) << 10)
      return [first, first + 0x3ff]
    }
    case HEX: {
      const first = value << (4 * left)
      const last = first + (1 << (4 * left)) - 1
      if (surrogate > 0) {
        const base = 0x10000 + ((surrogate - 0xd800) << 10) - 0xdc00
        return [base + Math.max(first, 0xdc00), base + Math.min(last, 0xdfff)]
      }
      const low = Math.max(first, 0xd800)
      const high = Math.min(last, 0xdbff)
      if (low > high) return [first, last]
      return [
        first,
        last,
        0x10000 + ((low - 0xd800) << 10),
        0x10000 + ((high - 0xd800) << 10) + 0x3ff,
      ]
    }
    default:
      return []
  }
}

/** How far a character is read in UTF-8: bytes still to come, and what the next one may be. */
export interface Utf8Place {
  readonly left: number
  readonly first: number
  readonly last: number
}

export const BETWEEN: Utf8Place = { left: 0, first: 0, last: 0 }
const LAST: Utf8Place = { left: 1, first: 0x80, last: 0xbf }
const TWO: Utf8Place = { left: 2, first: 0x80, last: 0xbf }
const THREE: Utf8Place = { left: 3, first: 0x80, last: 0xbf }

/** By first byte: without characters that fit in fewer bytes, halves of pairs, and what is beyond 0x10ffff. */
const FIRST: readonly (Utf8Place | undefined)[] = Array.from({ length: 256 }, (_, byte) => {
  if (byte < 0x80) return BETWEEN
  if (byte < 0xc2 || byte > 0xf4) return undefined
  if (byte < 0xe0) return LAST
  if (byte < 0xf0) {
    if (byte === 0xe0) return { left: 2, first: 0xa0, last: 0xbf }
    return byte === 0xed ? { left: 2, first: 0x80, last: 0x9f } : TWO
  }
  if (byte === 0xf0) return { left: 3, first: 0x90, last: 0xbf }
  return byte === 0xf4 ? { left: 3, first: 0x80, last: 0x8f } : THREE
})

/** Where a byte of UTF-8 leads; undefined where it cannot stand. */
export function utf8After({ left, first, last }: Utf8Place, byte: number): Utf8Place | undefined {
  if (left === 0) return FIRST[byte]
  if (byte < first || byte > last) return undefined
  return left === 1 ? BETWEEN : left === 2 ? LAST : TWO
}

/** Of an ASCII digit, -1 for others. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  if (byte >= 0x41 && byte <= 0x46) return byte - 0x37
  if (byte >= 0x61 && byte <= 0x66) return byte - 0x57
  return -1
}

// Short UTF-8 strings to text without TextDecoder: a vocabulary is 30,000 to 130,000 of them, and each call
// into the browser leaves objects of its own behind (20 MB for 32,000 tokens, measured). Used by
// header-cursor.ts.
import type { TextListWriter } from '../text-list.ts'

// ignoreBOM: a token may be exactly U+FEFF.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
/** Longer ones are rare and go to the browser. */
const SHORT_BYTES = 64
const units: number[] = []

/** Bytes [from, to) as text; invalid UTF-8 becomes U+FFFD. */
export function utf8Text(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > SHORT_BYTES || !readUnits(bytes, from, to)) {
    return utf8.decode(bytes.subarray(from, to))
  }
  return String.fromCharCode(...units)
}

/** Appends bytes [from, to) to a list as its next text; the same text as utf8Text gives. */
export function utf8ToList(
  bytes: Uint8Array,
  from: number,
  to: number,
  list: TextListWriter,
): void {
  if (to - from > SHORT_BYTES || !readUnits(bytes, from, to)) {
    list.add(utf8.decode(bytes.subarray(from, to)))
    return
  }
  for (let i = 0; i < units.length; i++) list.push(units[i])
  list.end()
}

/** Fills `units`; false for what is invalid or beyond the basic plane. */
function readUnits(bytes: Uint8Array, from: number, to: number): boolean {
  units.length = 0
  for (let at = from; at < to; ) {
    const first = bytes[at++]
    if (first < 0x80) {
      units.push(first)
      continue
    }
    const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : 0
    if (more === 0 || at + more > to) return false
    let unit = first & (0x3f >> more)
    for (let i = 0; i < more; i++) {
      const next = bytes[at++]
      if ((next & 0xc0) !== 0x80) return false
      unit = (unit << 6) | (next & 0x3f)
    }
    // Three bytes for less than three need, and halves of a pair.
    if (more === 2 && (unit < 0x800 || (unit & 0xf800) === 0xd800)) return false
    units.push(unit)
  }
  return true
}

// A set of characters as sequences of byte ranges (UTF-8). Called by rules/rules.ts.
import type { CharSet } from './charset.ts'

const LENGTH_ENDS = [0x7f, 0x7ff, 0xffff, 0x10ffff]

function encode(char: number): number[] {
  if (char < 0x80) return [char]
  if (char < 0x800) return [0xc0 | (char >> 6), 0x80 | (char & 63)]
  if (char < 0x10000) {
    return [0xe0 | (char >> 12), 0x80 | ((char >> 6) & 63), 0x80 | (char & 63)]
  }
  return [
    0xf0 | (char >> 18),
    0x80 | ((char >> 12) & 63),
    0x80 | ((char >> 6) & 63),
    0x80 | (char & 63),
  ]
}

/** Each sequence is a list of [low, high] per byte; their products are exactly the set's characters. */
export function utf8Ranges(set: CharSet): [number, number][][] {
  const found: [number, number][][] = []
  const split = (first: number, last: number) => {
    for (const end of LENGTH_ENDS) {
      if (first <= end && end < last) {
        split(first, end)
        split(end + 1, last)
        return
      }
    }
    // Where all but the first of the bytes run over their whole range, one sequence holds it.
    for (let tail = 1; tail < 4 && last > 0x7f; tail++) {
      const mask = (1 << (6 * tail)) - 1
      if ((first & ~mask) === (last & ~mask)) continue
      if ((first & mask) !== 0) {
        split(first, first | mask)
        split((first | mask) + 1, last)
        return
      }
      if ((last & mask) !== mask) {
        split(first, (last & ~mask) - 1)
        split(last & ~mask, last)
        return
      }
    }
    const low = encode(first)
    const high = encode(last)
    found.push(low.map((byte, i) => [byte, high[i]]))
  }
  for (let i = 0; i < set.length; i += 2) split(set[i], set[i + 1])
  return found
}

// Upper and lower case, and what kind of characters a text is of, by Python's rules.
import { refuse, spend } from './faults.ts'
import { isSpace } from './spaces.ts'
import { join, type Text } from './text.ts'

export function upper(text: Text): Text {
  return changed(text, s => s.toUpperCase())
}

export function lower(text: Text): Text {
  return changed(text, s => s.toLowerCase())
}

function changed(text: Text, change: (s: string) => string): Text {
  const s = change(text.s)
  if (s.length === text.length) return text.mapped(s, unit => unit)
  // Characters such as the sharp s grow, so a place is as far as what stands before it has become.
  return text.mapped(s, unit => change(text.s.slice(0, unit)).length)
}

/** First letter as in titles, the rest small. */
export function capitalize(text: Text): Text {
  if (text.length === 0) return text
  const size = text.unitOf(1)
  const head = text.slice(0, size)
  // Whole text first: whether a sigma is a final one depends on what stands before it.
  const rest = lower(text)
  const skipped = head.s.toLowerCase().length
  return join([head.derived(titleCase(head.s)), rest.slice(skipped)])
}

/** str.title(): every letter behind none is large, every other small. */
export function titled(text: Text): Text {
  const small = lower(text)
  if (small.length !== text.length) throw refuse('title() of letters that grow')
  const parts: Text[] = []
  let at = 0
  let inWord = false
  for (const char of text.characters()) {
    const cased = isCased(char.s)
    parts.push(
      cased && !inWord ? char.derived(titleCase(char.s)) : small.slice(at, at + char.length),
    )
    inWord = cased
    at += char.length
  }
  return join(parts)
}

export function swapCase(text: Text): Text {
  const small = lower(text)
  if (small.length !== text.length) throw refuse('swapcase() of letters that grow')
  let at = 0
  const parts = text.characters().map(char => {
    const start = at
    at += char.length
    if (/\p{Uppercase}/u.test(char.s)) return small.slice(start, at)
    return /\p{Lowercase}/u.test(char.s) ? upper(char) : char
  })
  return join(parts)
}

export function caseFold(text: Text): Text {
  if (/[^\0-\x7f]/.test(text.s)) throw refuse('casefold() of letters beyond ASCII')
  return lower(text)
}

/** Digraphs have a third form for titles. */
const DIGRAPHS: Readonly<Record<string, string>> = {
  Ǆ: 'ǅ',
  Ǉ: 'ǈ',
  Ǌ: 'ǋ',
  Ǳ: 'ǲ',
}

/** Unicode's title case of one character. */
function titleCase(char: string): string {
  if (char >= '\u10d0' && char <= '\u10ff') return char // Georgian has large letters, not at word starts
  const large = char.toUpperCase()
  if (DIGRAPHS[large]) return DIGRAPHS[large]
  const points = Array.from(large)
  if (points.length < 2) return large
  if (char >= '\u1f80' && char <= '\u1fff' && large.endsWith('\u0399')) {
    return `${large.slice(0, -1)}\u0345`.normalize('NFC') // the iota stays below its letter
  }
  return points[0] + points.slice(1).join('').toLowerCase()
}

function isCased(char: string): boolean {
  return /\p{Cased}/u.test(char)
}

/** Digits that are no decimals: superscripts, circled ones, and those of scripts without places. */
const OTHER_DIGITS =
  /[\u00b2\u00b3\u00b9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792\u{10a40}-\u{10a43}\u{10e60}-\u{10e68}\u{11052}-\u{1105a}\u{1f100}-\u{1f10a}]/u

export type CharacterClass =
  | 'isalnum'
  | 'isalpha'
  | 'isascii'
  | 'isdecimal'
  | 'isdigit'
  | 'isidentifier'
  | 'islower'
  | 'isnumeric'
  | 'isprintable'
  | 'isspace'
  | 'istitle'
  | 'isupper'

/** The str.is...() methods. */
export function isOf(text: Text, kind: CharacterClass): boolean {
  const { s } = text
  spend(1 + s.length / 16)
  const every = (test: (char: string) => boolean) => s !== '' && Array.from(s).every(test)
  switch (kind) {
    case 'isascii':
      return !/[^\0-\x7f]/.test(s)
    case 'isspace':
      return every(isSpace)
    case 'isalpha':
      return every(char => /\p{L}/u.test(char))
    case 'isdecimal':
      return every(char => /\p{Nd}/u.test(char))
    case 'isdigit':
      return every(char => /\p{Nd}/u.test(char) || OTHER_DIGITS.test(char))
    case 'isnumeric':
    case 'isalnum': {
      // Some Chinese characters are numbers, too; which ones is a table of its own.
      if (kind === 'isnumeric' && /\p{Script=Han}/u.test(s)) throw refuse('isnumeric() of Chinese')
      const pattern = kind === 'isnumeric' ? /\p{N}/u : /[\p{L}\p{N}]/u
      return every(char => pattern.test(char))
    }
    case 'isprintable':
      return !/[\p{C}\p{Z}]/u.test(s.replaceAll(' ', ''))
    case 'isidentifier':
      return /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(s)
    case 'islower':
      return /\p{Lowercase}/u.test(s) && !/[\p{Uppercase}\p{Lt}]/u.test(s)
    case 'isupper':
      return /\p{Uppercase}/u.test(s) && !/[\p{Lowercase}\p{Lt}]/u.test(s)
    case 'istitle':
      return isTitle(s)
    default:
      return kind satisfies never
  }
}

function isTitle(s: string): boolean {
  let cased = false
  let inWord = false
  for (const char of s) {
    const large = /[\p{Uppercase}\p{Lt}]/u.test(char)
    if (large && inWord) return false
    const small = !large && /\p{Lowercase}/u.test(char)
    if (small && !inWord) return false
    inWord = large || small
    cased ||= inWord
  }
  return cased
}

// What Python's str does, on texts that keep their marks: finding, cutting, replacing, padding.
import { checkChars, checkEntries, raise, spend } from './faults.ts'
import { LINE_END, SPACE, spaceStart } from './spaces.ts'
import { join, Text } from './text.ts'

const LEADING_SPACE = new RegExp(`^[${SPACE}]+`)
const SPACES = new RegExp(`[${SPACE}]+`, 'g')

/** @param chars  what is taken off; white space when left out */
export function strip(text: Text, chars: Text | undefined, left: boolean, right: boolean): Text {
  spend(1 + text.length / 64)
  const { s } = text
  let start = 0
  let end = s.length
  if (chars === undefined) {
    if (left) start = LEADING_SPACE.exec(s)?.[0].length ?? 0
    if (right) end = Math.max(start, spaceStart(s))
  } else {
    const set = new Set(chars.s)
    const before = text.characters()
    let first = 0
    let last = before.length
    if (left) while (first < last && set.has(before[first].s)) start += before[first++].length
    if (right) while (last > first && set.has(before[last - 1].s)) end -= before[--last].length
  }
  return start === 0 && end === s.length ? text : text.slice(start, end)
}

/** @param limit  cuts at most; below 0 all */
export function splitAt(text: Text, separator: Text, limit: number, fromRight = false): Text[] {
  if (separator.s === '') throw raise('ValueError', 'empty separator')
  spend(1 + text.length / 64)
  const places: number[] = []
  const size = separator.length
  const { s } = text
  if (fromRight) {
    let end = s.length
    while (limit < 0 || places.length < limit) {
      const at = end < size ? -1 : s.lastIndexOf(separator.s, end - size)
      if (at < 0) break
      places.unshift(at)
      end = at
    }
  } else {
    for (let at = s.indexOf(separator.s); at >= 0; at = s.indexOf(separator.s, at + size)) {
      if (limit >= 0 && places.length >= limit) break
      places.push(at)
    }
  }
  checkEntries(places.length)
  const parts: Text[] = []
  let start = 0
  for (const at of places) {
    parts.push(text.slice(start, at))
    start = at + size
  }
  parts.push(text.slice(start))
  return parts
}

/** At runs of white space; none at the ends. */
export function splitWords(text: Text, limit: number, fromRight = false): Text[] {
  spend(1 + text.length / 64)
  const inner = fromRight
    ? strip(text, undefined, false, true)
    : strip(text, undefined, true, false)
  if (inner.s === '') return []
  let gaps = [...inner.s.matchAll(SPACES)].map(gap => [gap.index, gap.index + gap[0].length])
  checkEntries(gaps.length)
  // White space that was left at the far end is a gap like others, but has nothing behind it.
  if (limit >= 0) gaps = fromRight ? (limit === 0 ? [] : gaps.slice(-limit)) : gaps.slice(0, limit)
  const parts: Text[] = []
  let start = 0
  for (const [from, to] of gaps) {
    if (from > start) parts.push(inner.slice(start, from))
    start = to
  }
  if (start < inner.length) parts.push(inner.slice(start))
  return parts
}

export function splitLines(text: Text, keepEnds: boolean): Text[] {
  spend(1 + text.length / 64)
  const lines: Text[] = []
  let start = 0
  for (const end of text.s.matchAll(LINE_END)) {
    const behind = end.index + end[0].length
    lines.push(text.slice(start, keepEnds ? behind : end.index))
    start = behind
    if (lines.length % 1000 === 0) checkEntries(lines.length)
  }
  if (start < text.length) lines.push(text.slice(start))
  return lines
}

/** @param count  at most; below 0 all */
export function replace(text: Text, old: Text, by: Text, count: number): Text {
  spend(1 + text.length / 64)
  if (count === 0) return text
  const pieces = old.s === '' ? aroundCharacters(text, count) : splitAt(text, old, count)
  if (pieces.length === 1) return text
  checkChars(text.length + (pieces.length - 1) * (by.length - old.length))
  return joinWith(by, pieces)
}

/** What replacing nothing cuts a text into: an empty piece, then its characters. */
function aroundCharacters(text: Text, count: number): Text[] {
  const pieces = [text.slice(0, 0), ...text.characters(), text.slice(0, 0)]
  // The first gap is before the first character, the last behind the last.
  if (count < 0 || count >= pieces.length - 1) return pieces
  return [...pieces.slice(0, count), join(pieces.slice(count))]
}

export function joinWith(separator: Text, pieces: readonly Text[]): Text {
  const parts: Text[] = []
  pieces.forEach((piece, i) => {
    if (i > 0 && separator.length > 0) parts.push(separator)
    parts.push(piece)
  })
  return join(parts)
}

/** How often it stands in units [start, end), not overlapping. */
export function countOf(text: Text, part: Text, start: number, end: number): number {
  spend(1 + text.length / 64)
  const s = text.s.slice(start, end)
  if (start > end) return 0
  if (part.s === '') return new Text(s).points + 1
  let count = 0
  for (let at = s.indexOf(part.s); at >= 0; at = s.indexOf(part.s, at + part.length)) count++
  return count
}

export function repeat(text: Text, times: number): Text {
  if (times <= 0 || text.length === 0) return new Text('')
  checkChars(text.length * times)
  spend(1 + (text.length * times) / 64)
  if (text.spans.length === 0) return new Text(text.s.repeat(times))
  return join(new Array<Text>(times).fill(text))
}

/** Padded with `fill` to a width in points. */
export function pad(
  text: Text,
  width: number,
  fill: Text,
  align: '<' | '>' | '^' | 'center',
): Text {
  const missing = width - text.points
  if (missing <= 0) return text
  let left = align === '<' ? 0 : missing
  if (align === '^') left = Math.floor(missing / 2)
  // str.center() puts the odd one on the left when the width is odd, too.
  else if (align === 'center') left = Math.floor(missing / 2) + (missing & width & 1)
  return join([repeat(fill, left), text, repeat(fill, missing - left)])
}

/** Tabs to the next multiple of `size` columns. */
export function expandTabs(text: Text, size: number): Text {
  const parts: Text[] = []
  let column = 0
  for (const char of text.characters()) {
    if (char.s === '\t') {
      const spaces = size > 0 ? size - (column % size) : 0
      parts.push(Text.marked(' '.repeat(Math.min(spaces, 1e6)), char.marks))
      column += spaces
    } else {
      parts.push(char)
      column = char.s === '\n' || char.s === '\r' ? 0 : column + 1
    }
  }
  return join(parts)
}

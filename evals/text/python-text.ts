// Text operations as Python has them, where JavaScript's differ: the definitions are written in Python, and a
// white space more or less is another prompt. Used by evals/tasks and evals/requests.

/** The characters of str.isspace(); JavaScript's \s lacks U+001C to U+001F and U+0085, and has U+FEFF. */
const SPACE =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const LEADING = new RegExp(`^[${SPACE}]+`)
const TRAILING = new RegExp(`[${SPACE}]+$`)
/** As a set for other patterns. */
export const SPACES = `[${SPACE}]`
const RUNS = new RegExp(`${SPACES}+`)

/** str.strip() */
export function strip(text: string): string {
  return rstrip(text.replace(LEADING, ''))
}

/** str.rstrip() */
export function rstrip(text: string): string {
  return text.replace(TRAILING, '')
}

/** str.lstrip() */
export function lstrip(text: string): string {
  return text.replace(LEADING, '')
}

/** len(re.split(r"\s+", text)): runs of white space, plus one, so that an empty text has one word. */
export function countWords(text: string): number {
  return text.split(RUNS).length
}

/** len(text): code points, where JavaScript counts a character beyond U+FFFF twice. */
export function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

export function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length
}

/** Letters whose title case is one letter of its own. */
const TITLE: Readonly<Record<string, string>> = {
  Ǆ: 'ǅ',
  ǅ: 'ǅ',
  ǆ: 'ǅ',
  Ǉ: 'ǈ',
  ǈ: 'ǈ',
  ǉ: 'ǈ',
  Ǌ: 'ǋ',
  ǋ: 'ǋ',
  ǌ: 'ǋ',
  Ǳ: 'ǲ',
  ǲ: 'ǲ',
  ǳ: 'ǲ',
}

/** str.capitalize(): the first letter in title case, all others lowered. */
export function capitalize(text: string): string {
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0)
  if (text === '') return ''
  const [head = '', ...more] = TITLE[first] ?? first.toUpperCase()
  return head + more.join('').toLowerCase() + text.slice(first.length).toLowerCase()
}

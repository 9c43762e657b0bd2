// What Python takes for white space and for the end of a line; both sets differ from JavaScript's.

/** Inside a character class: what str.isspace(), strip() and \s go by. */
export const SPACE =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

const LINE_ENDS = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029'

/** Where str.splitlines() ends a line. */
export const LINE_END = new RegExp(`\r\n|[${LINE_ENDS}]`, 'g')

const ONE_SPACE = new RegExp(`[${SPACE}]`)
const CODES = new Set(
  Array.from({ length: 0x3001 }, (_, code) => code).filter(code =>
    ONE_SPACE.test(String.fromCharCode(code)),
  ),
)

export function isSpace(char: string): boolean {
  return ONE_SPACE.test(char)
}

/** Where the text ends without the white space at its end. Not by a pattern: those look from every space. */
export function spaceStart(text: string): number {
  let end = text.length
  while (end > 0 && CODES.has(text.charCodeAt(end - 1))) end--
  return end
}

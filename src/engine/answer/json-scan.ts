// Where a JSON value ends in a text that is still coming, and what it holds as text: numbers and the order of keys
// go through as they were written. Strict (RFC 8259): what is no JSON is known at its first wrong character.
// Used by the readers of tool calls.

type Place =
  | 'value' // or nothing else
  | 'item' // a value, or the end of the list that has just begun
  | 'key' // or the end of the object that has just begun
  | 'next key'
  | 'colon'
  | 'after' // a comma, or the end
  | 'string'
  | 'escape'
  | 'number'
  | 'word'

const WHITE = ' \t\n\r'
const WORDS: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' }
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/
/** What may become a number. */
const NUMBER_START = /^-?(0|[1-9]\d*)?(\.\d*)?([eE][-+]?\d*)?$/

/** Scans one object or list; `at` is where it stands in the text. */
export class JsonScan {
  /** Behind its last character, once it has come. */
  end: number | undefined
  /** It is no JSON. */
  wrong = false
  #at: number
  #place: Place = 'value'
  /** Of what is open, the outermost first. */
  readonly #open: ('{' | '[')[] = []
  #isKey = false
  /** Hex digits of \u that are still to come. */
  #hex = 0
  #token = ''

  /** @param from  index of the `{` or `[` */
  constructor(from: number) {
    this.#at = from
  }

  /** Goes on with a text that has grown. @returns whether it is decided */
  scan(text: string): boolean {
    while (this.end === undefined && !this.wrong && this.#at < text.length) {
      this.#step(text[this.#at]!)
      this.#at++
    }
    return this.end !== undefined || this.wrong
  }

  #step(c: string): void {
    switch (this.#place) {
      case 'string':
        if (c === '\\') this.#place = 'escape'
        else if (c === '"') this.#ended(this.#isKey ? 'colon' : 'after')
        else if (c < ' ') this.wrong = true
        return
      case 'escape':
        if (this.#hex > 0) {
          if (!/[0-9a-fA-F]/.test(c)) this.wrong = true
          if (--this.#hex === 0) this.#place = 'string'
        } else if (c === 'u') this.#hex = 4
        else if ('"\\/bfnrt'.includes(c)) this.#place = 'string'
        else this.wrong = true
        return
      case 'number':
        if (NUMBER_START.test(this.#token + c)) {
          this.#token += c
          return
        }
        if (!NUMBER.test(this.#token)) {
          this.wrong = true
          return
        }
        this.#ended('after')
        this.#step(c)
        return
      case 'word':
        this.#token += c
        if (!WORDS[this.#token[0]!]!.startsWith(this.#token)) this.wrong = true
        else if (WORDS[this.#token[0]!] === this.#token) this.#ended('after')
        return
      default:
        if (!WHITE.includes(c)) this.#between(c, this.#place)
    }
  }

  #between(c: string, place: Place): void {
    if (place === 'colon') {
      if (c === ':') this.#place = 'value'
      else this.wrong = true
    } else if (place === 'after') {
      if (c === ',') this.#place = this.#open.at(-1) === '{' ? 'next key' : 'value'
      else this.#close(c)
    } else if (place === 'key' || place === 'next key') {
      if (c === '"') this.#begin('string', true)
      else if (place === 'key') this.#close(c)
      else this.wrong = true
    } else if (c === '{' || c === '[') {
      this.#open.push(c)
      this.#place = c === '{' ? 'key' : 'item'
    } else if (this.#open.length === 0) this.wrong = true
    else if (c === '"') this.#begin('string', false)
    else if (c === '-' || (c >= '0' && c <= '9')) this.#begin('number', false, c)
    else if (c in WORDS) this.#begin('word', false, c)
    else if (place === 'item') this.#close(c)
    else this.wrong = true
  }

  #begin(place: Place, isKey: boolean, token = ''): void {
    this.#place = place
    this.#isKey = isKey
    this.#token = token
  }

  #ended(place: Place): void {
    this.#place = place
  }

  #close(c: string): void {
    const opened = this.#open.pop()
    if (c !== (opened === '{' ? '}' : ']')) this.wrong = true
    else if (this.#open.length === 0) this.end = this.#at + 1
    else this.#place = 'after'
  }
}

/**
 * The members of an object as they are written, by key; of equal keys the last.
 * @param text  an object that parses
 */
export function members(text: string): Map<string, string> {
  const found = new Map<string, string>()
  let at = skipWhite(text, 1)
  while (text[at] === '"') {
    const keyEnd = stringEnd(text, at)
    const key = JSON.parse(text.slice(at, keyEnd)) as string
    const from = skipWhite(text, skipWhite(text, keyEnd) + 1)
    const to = valueEnd(text, from)
    found.set(key, text.slice(from, to))
    at = skipWhite(text, to)
    if (text[at] === ',') at = skipWhite(text, at + 1)
  }
  return found
}

/** Index of the first character from `at` on that is no white space; the length where there is none. */
export function skipWhite(text: string, at: number): number {
  let i = at
  while (i < text.length && WHITE.includes(text[i]!)) i++
  return i
}

function stringEnd(text: string, at: number): number {
  let i = at + 1
  while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1
  return i + 1
}

function valueEnd(text: string, at: number): number {
  const c = text[at]!
  if (c === '"') return stringEnd(text, at)
  if (c === '{' || c === '[') {
    const scan = new JsonScan(at)
    scan.scan(text)
    return scan.end ?? text.length
  }
  let i = at
  while (i < text.length && !',]}'.includes(text[i]!) && !WHITE.includes(text[i]!)) i++
  return i
}

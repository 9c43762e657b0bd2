// Guesses values that are copied from the prompt letter by letter: `"t` of `"tomorrow"` where the sentence has
// ` tomorrow`, which are other tokens. The words of the prompt that begin as the value so far are written as the tokenizer
// would write the value, and what follows its tokens may come. A wrong guess costs time and changes nothing.
// Called by guesser.ts.
import type { Odds } from './odds.ts'
import type { Guess } from './prompt-lookup.ts'
import type { TokenTexts } from './token-texts.ts'

/** Characters of a value, and tokens; longer copies are found by their tokens (prompt-lookup.ts). */
export const LONGEST_COPY = 64
/** Places of the prompt that are looked at, from its end on. */
const PLACES = 8
/** From so many characters on a word seldom begins as another. */
const LONG_START = 3
/**
 * What a token may be: more of a word of which little is known, or much, or which may be one of several; and the next
 * word, with a capital or a digit (`San Diego`), behind one without (`the keys are`), or behind one with: there a name
 * is over (`Oakland on`); behind a digit (`8 pm`).
 */
const SHORT = 0
const LONG = 1
const SEVERAL = 2
const NAME = 3
const WORD = 4
const BEHIND_NAME = 5
const BEHIND_DIGIT = 6
/** Before anything was seen. */
export const COPY_ODDS = [0.6, 0.8, 0.4, 0.7, 0.5, 0.2, 0.5] as const

const SMALL = /^\p{Ll}/u
const DIGIT = /^\p{N}/u
const LETTER = /[\p{L}\p{N}]/u
/** Scripts that put no blanks between words begin here, about. */
const UNSPACED = 0x2e80
/** What a string writes otherwise. */
const ESCAPED = /["\\\p{Cc}]/u
/** That, or where a value never goes on: quotes, line ends, and a sign at the end of a part. */
const ENDS = /["\\\p{Cc}]|[^\p{L}\p{N}\s](?=\s|$)/u

/** A part of the prompt that begins as the value does. */
interface Found {
  /** Up to a sign that ends it, or as far as it is looked at. */
  readonly text: string
  /** Its tokens, behind what the token that opened the value had of it. */
  readonly written: readonly number[]
  /** Another part goes on otherwise. */
  readonly several: boolean
  /** There is a sign behind the text. */
  readonly ends: boolean
}

export class TextCopy {
  readonly #all: Odds
  readonly #own: Odds
  readonly #texts: TokenTexts
  readonly #prompt: readonly number[]
  #text: string | undefined
  readonly #guess: Guess = { tokens: [], chances: [] }
  /** The guess, and the first token that was too unlikely: its odds are learned, too. And what kind each is of. */
  readonly #expected: number[] = []
  readonly #kinds: number[] = []
  /** How many of them came. */
  #right = 0
  /** Whether the value may end behind the guess: the prompt has a sign there. */
  endsBehind = false

  /** @param all  the odds of all requests, which learn from this one */
  constructor(prompt: readonly number[], all: Odds, texts: TokenTexts) {
    this.#prompt = prompt
    this.#all = all
    this.#own = all.begin()
    this.#texts = texts
  }

  /** The next token of the answer. */
  push(token: number): void {
    if (this.#right >= this.#expected.length) return
    const hit = this.#expected[this.#right] === token
    const kind = this.#kinds[this.#right++]!
    this.#all.note(kind, hit)
    this.#own.note(kind, hit)
    if (!hit) this.#expected.length = 0
  }

  /**
   * What may follow in a value.
   * @param start   what the token that opened it had of it
   * @param value   its tokens since
   * @param least   a guess less likely than this is of no use, and those behind it neither
   */
  guess(start: string, value: readonly number[], most: number, least: number): Guess {
    const { tokens, chances } = this.#guess
    tokens.length = chances.length = this.#expected.length = this.#kinds.length = this.#right = 0
    this.endsBehind = false
    if (value.length > LONGEST_COPY) return this.#guess
    const said = start + this.#texts.textOf(value)
    if (said === '' || said.length > LONGEST_COPY || ESCAPED.test(said)) return this.#guess
    const found = this.#find(said, start, value)
    if (found === undefined) return this.#guess
    const { text, written, several, ends } = found
    let length = said.length
    let chance = 1
    for (let i = value.length; i < written.length && tokens.length < most; i++) {
      const kind = kindOf(text, length, several && i === value.length)
      this.#expected.push(written[i]!)
      this.#kinds.push(kind)
      chance *= this.#own.chance(kind)
      if (chance < least) return this.#guess
      tokens.push(written[i]!)
      chances.push(chance)
      length += this.#texts.textOf([written[i]!]).length
    }
    this.endsBehind = ends && value.length + tokens.length === written.length
    return this.#guess
  }

  /** Whether the prompt goes on as the value may, likely or not. */
  get found(): boolean {
    return this.#expected.length > 0
  }

  /** Whether a token of the guess, or the one behind it, is the word behind a name, which is probably over. */
  isBehindName(i: number): boolean {
    return this.#kinds[i] === BEHIND_NAME
  }

  /** The latest part of the prompt that begins so, and whether another goes on otherwise. */
  #find(said: string, start: string, value: readonly number[]): Found | undefined {
    this.#text ??= this.#texts.textOf(this.#prompt)
    const prompt = this.#text
    let found: Found | undefined
    let place = prompt.length
    for (let n = 0; n < PLACES && place > 0; n++) {
      place = prompt.lastIndexOf(said, place - 1)
      if (place < 0) break
      if (!beginsWord(prompt, place)) continue
      const part = prompt.slice(place, place + LONGEST_COPY)
      const end = part.search(ENDS)
      const text = part.slice(0, end < 0 ? Math.max(part.lastIndexOf(' '), 0) : end).trimEnd()
      if (text.length <= said.length) continue
      const written = this.#texts.tokensOfText(text.slice(start.length))
      if (written.length <= value.length || value.some((token, i) => written[i] !== token)) continue
      if (found === undefined) found = { text, written, several: false, ends: end >= 0 }
      else if (written[value.length] !== found.written[value.length]) {
        return { ...found, several: true }
      }
    }
    return found
  }
}

/** Of the token that begins at `at`. */
function kindOf(text: string, at: number, several: boolean): number {
  if (text[at] === ' ') return wordKind(text, at)
  if (several) return SEVERAL
  return at < LONG_START ? SHORT : LONG
}

/** Of the word behind the blank at `at`. */
function wordKind(text: string, at: number): number {
  if (!SMALL.test(text.slice(at + 1, at + 3))) return NAME
  const last = text.slice(text.lastIndexOf(' ', at - 1) + 1, at)
  if (DIGIT.test(last)) return BEHIND_DIGIT
  return SMALL.test(last) ? WORD : BEHIND_NAME
}

/** No letter stands before, unless the script has no blanks. */
function beginsWord(text: string, at: number): boolean {
  return at === 0 || text.charCodeAt(at) >= UNSPACED || !LETTER.test(text[at - 1]!)
}

// Finds tokens that are written out in a text (control, user-defined, added ones) before anything else
// looks at it: leftmost match, longest among those. Where only parts of the text are trusted, a token
// must lie inside one of them. Goes through a long text in slices. Called by assemble.ts.
import { RyzError } from '../errors.ts'
import { TextListWriter } from '../text-list.ts'
import type { Budget } from './budget.ts'
import { WHITE_SPACE, WORD } from './pattern/char-tests.ts'
import { CharSets } from './pattern/program.ts'
import { TextPrefixes } from './text-prefixes.ts'
import type { Stretch } from './tokenizer.ts'
import { codeAt } from './units.ts'

/** A token that a text may hold in its written form. */
export interface WrittenToken {
  readonly text: string
  readonly id: number
  /** Found only where special tokens are asked for. */
  readonly control?: boolean
  /** Takes the white space before it, or behind it, away. */
  readonly lstrip?: boolean
  readonly rstrip?: boolean
  /** Found only where no letter or digit touches it. */
  readonly singleWord?: boolean
}

export interface SplitOptions {
  /** Control tokens count, too. */
  readonly controls: boolean
  /** Where tokens may be, ascending; everywhere when left out. White space alone is found everywhere. */
  readonly trusted?: readonly Stretch[]
}

/** Published ones have at most some 60 units, and 400 of white space. */
export const MAX_WRITTEN = 1024
/** U+2581 stands for a space in SentencePiece vocabularies. */
const LAYOUT = /^[\s\u2581]+$/
const SPACE_SET = 0
const WORD_SET = 1
const SETS = new CharSets([WHITE_SPACE, WORD])

export const FOUND = 1
export const END = 0
export const PAUSED = 2

/** A fixed set of written tokens. */
export class SpecialSplitter {
  readonly tokens: readonly WrittenToken[]
  readonly prefixes: TextPrefixes
  readonly layout: readonly boolean[]

  /** @throws RyzError UNSUPPORTED_FEATURE when one is longer than 1024 units */
  constructor(tokens: readonly WrittenToken[]) {
    this.tokens = tokens
    this.layout = tokens.map(token => LAYOUT.test(token.text))
    const texts = new TextListWriter(tokens.length)
    for (const { text, id } of tokens) {
      if (text.length > MAX_WRITTEN) {
        throw new RyzError(
          'UNSUPPORTED_FEATURE',
          `added token ${id} ("${text.slice(0, 20)}...") has ${text.length} characters, the limit is ${MAX_WRITTEN}`,
        )
      }
      texts.add(text)
    }
    this.prefixes = new TextPrefixes(texts.take(), [...tokens.keys()])
  }

  /** A search through units [from, to). */
  search(units: Uint16Array, from: number, to: number, options: SplitOptions): SpecialSearch {
    return new SpecialSearch(this, units, from, to, options)
  }
}

/** Goes from token to token; what lies between `end` of one and `start` of the next is ordinary text. */
export class SpecialSearch {
  start: number
  end: number
  id = -1
  readonly #of: SpecialSplitter
  readonly #units: Uint16Array
  readonly #from: number
  readonly #to: number
  readonly #options: SplitOptions
  #at: number
  /** The trusted stretch that ends behind #at. */
  #stretch = 0

  constructor(
    of: SpecialSplitter,
    units: Uint16Array,
    from: number,
    to: number,
    options: SplitOptions,
  ) {
    this.#of = of
    this.#units = units
    this.#from = from
    this.#to = to
    this.#options = options
    this.#at = from
    this.start = from
    this.end = from
  }

  next(budget: Budget): typeof FOUND | typeof END | typeof PAUSED {
    const { prefixes } = this.#of
    const units = this.#units
    const to = this.#to
    if (this.#of.tokens.length === 0) return END
    let left = budget.left
    while (this.#at < to) {
      if (--left < 0) {
        budget.left = left
        return PAUSED
      }
      const at = this.#at
      if (!prefixes.mayBegin(units[at]!)) {
        this.#at++
        continue
      }
      const found = prefixes.find(units, at, to)
      left -= found
      const token = found > 0 ? this.#longest(at, found) : -1
      if (token < 0) {
        this.#at++
        continue
      }
      if (this.#take(token, at, this.#foundEnd)) {
        budget.left = left
        return FOUND
      }
    }
    budget.left = left
    return END
  }

  #foundEnd = 0

  /** The longest token at `at` that may be one there. */
  #longest(at: number, found: number): number {
    const { prefixes, tokens, layout } = this.#of
    const limit = this.#limit(at)
    for (let i = found - 1; i >= 0; i--) {
      const token = prefixes.ids[i]!
      if (tokens[token]!.control && !this.#options.controls) continue
      if (prefixes.ends[i]! > limit && !layout[token]) continue
      this.#foundEnd = prefixes.ends[i]!
      return token
    }
    return -1
  }

  /** Tokens that begin at `at` must end here. */
  #limit(at: number): number {
    const { trusted } = this.#options
    if (!trusted) return this.#to
    while (this.#stretch < trusted.length && trusted[this.#stretch]!.end <= at) this.#stretch++
    const stretch = trusted[this.#stretch]
    return stretch !== undefined && stretch.start <= at ? stretch.end : 0
  }

  /** False when the token must be a word of its own and is not; the search goes on behind it. */
  #take(token: number, from: number, to: number): boolean {
    const { id, lstrip, rstrip, singleWord } = this.#of.tokens[token]!
    this.#at = to
    if (singleWord && (this.#isWord(to) || this.#isWord(this.#before(from)))) return false
    let [start, end] = [from, to]
    if (lstrip) while (start > this.end && this.#isSpace(start - 1)) start--
    if (rstrip) while (end < this.#to && this.#isSpace(end)) end++
    this.#at = end
    this.start = start
    this.end = end
    this.id = id
    return true
  }

  #isWord(at: number): boolean {
    return (
      at >= this.#from && at < this.#to && SETS.has(codeAt(this.#units, at, this.#to), WORD_SET)
    )
  }

  /** All white space is in the basic plane. */
  #isSpace(at: number): boolean {
    return SETS.has(this.#units[at]!, SPACE_SET)
  }

  #before(at: number): number {
    return at - 1 > this.#from && (this.#units[at - 1]! & 0xfc00) === 0xdc00 ? at - 2 : at - 1
  }
}

// Guesses what comes next from the text itself: where the last tokens stood before, what followed there may
// follow again. Prompt and answer, in memory, no model; some steps a token, however long the text. A wrong
// guess costs time and changes nothing. Called by tasks/generate.ts.
import type { Odds } from './odds.ts'

/**
 * Runs of so many tokens are remembered, each with the last place where it stood; one token as a word, with or without
 * a blank in front: a value that is copied out of a sentence begins so.
 */
const RUNS = [8, 4, 2, 1] as const
/** Matches are not followed back further. */
const LONGEST = 64
/** Tokens of the text that are held; beyond, the older half is forgotten. */
const MOST = 1 << 16
const FIRST = 256

/** Classes of matches for the odds, by their length: below 2, 3, 4, 6 and so on. */
const BELOW = [2, 3, 4, 6, 9, 13, 24]
/**
 * Before anything was seen; a match of eight is followed by the same token in most texts that repeat. Then the same
 * classes within values of a form (JSON, calls), which are often copied from the prompt: behind words, and behind digits,
 * which stand in many places.
 */
export const LOOKUP_ODDS = [
  ...[0.1, 0.25, 0.35, 0.5, 0.65, 0.75, 0.85, 0.9],
  ...[0.5, 0.65, 0.75, 0.8, 0.85, 0.85, 0.85, 0.9],
  ...[0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9],
] as const
export type Within = 'text' | 'word' | 'digits'
const FIRST_CLASS = { text: 0, word: 8, digits: 16 } as const

/** What may come next. */
export interface Guess {
  /** Valid until the next token is known. */
  readonly tokens: number[]
  /** chances[i]: that tokens 0 to i all come. */
  readonly chances: number[]
}

/** The repetitions of one text. */
export class PromptLookup {
  readonly #own: Odds
  readonly #all: Odds
  readonly #wordOf: (token: number) => number
  readonly #guess: Guess = { tokens: [], chances: [] }
  #tokens = new Int32Array(FIRST)
  #length = 0
  /** For each length of run: the place behind its last occurrence, 0 for none, by a hash of its tokens. */
  #places = RUNS.map(() => new Int32Array(2 * FIRST))
  /** The place whose token is expected next; -1 where nothing matches. */
  #next = -1
  /** Tokens before that place which equal the last ones of the text, LONGEST at most counted. */
  #matched = 0
  /** Tokens of the match that is followed; 0 for none. */
  get matched(): number {
    return this.#next < 0 ? 0 : this.#matched
  }

  /** Tokens pushed so far, forgotten ones too. */
  pushed = 0

  /**
   * @param all     the odds of all requests, which learn from this one
   * @param wordOf  a number that tokens of the same word share; 0 for what is no word
   */
  constructor(all: Odds, wordOf: (token: number) => number = token => token + 1) {
    this.#all = all
    this.#own = all.begin()
    this.#wordOf = wordOf
  }

  /**
   * The next token of the text.
   * @param within  where it stands: in a value, behind what
   */
  push(token: number, within: Within = 'text'): void {
    if (this.#next >= 0) {
      const hit = this.#tokens[this.#next] === token
      const kind = kindOf(this.#matched, within)
      this.#own.note(kind, hit)
      this.#all.note(kind, hit)
      this.#next = hit ? this.#next + 1 : -1
      this.#matched = hit ? this.#matched + 1 : 0
    }
    if (this.#length === this.#tokens.length) this.#makeRoom()
    this.#tokens[this.#length++] = token
    this.pushed++
    for (let r = 0; r < RUNS.length; r++) this.#note(r)
  }

  /**
   * At most `most` tokens that may follow; none where nothing matches.
   * @param least   a guess less likely than this is of no use, and those behind it neither
   * @param within  where it stands: in a value, behind what
   */
  guess(most: number, least = 0, within: Within = 'text'): Guess {
    const { tokens, chances } = this.#guess
    tokens.length = 0
    chances.length = 0
    // One token alone says nothing in free text.
    if (this.#next < 0 || (this.#matched < 2 && within === 'text')) return this.#guess
    let chance = 1
    for (let i = 0; i < most; i++) {
      const at = this.#next + i
      chance *= this.#own.chance(kindOf(this.#matched + i, within))
      if (chance < least) break
      // A text that repeats itself with a period shorter than the guess goes on from the guess.
      tokens.push(at < this.#length ? this.#tokens[at]! : tokens[at - this.#length]!)
      chances.push(chance)
    }
    return this.#guess
  }

  /** Remembers the run of RUNS[r] tokens that ends here; a longer match than the one that is followed replaces it. */
  #note(r: number): void {
    const run = RUNS[r]!
    if (this.#length < run) return
    const places = this.#places[r]!
    const slot = this.#slotOf(run, this.#length, places.length)
    const before = places[slot]!
    places[slot] = this.#length
    if (before === 0 || this.#matched >= run) return
    const matched = this.#matchAt(before)
    if (matched <= this.#matched || matched < run) return // another run with the same hash
    this.#matched = matched
    this.#next = before
  }

  #slotOf(run: number, end: number, slots: number): number {
    let hash = 0
    if (run === 1) hash = Math.imul(this.#wordOf(this.#tokens[end - 1]!), 0x9e3779b1)
    else for (let i = end - run; i < end; i++) hash = Math.imul(hash ^ this.#tokens[i]!, 0x9e3779b1)
    return (hash ^ (hash >>> 15)) & (slots - 1)
  }

  /** How many tokens before `place` equal the last ones. */
  #matchAt(place: number): number {
    const most = Math.min(place, LONGEST)
    let n = 0
    while (n < most && this.#tokens[place - 1 - n] === this.#tokens[this.#length - 1 - n]) n++
    if (n > 0) return n
    const word = this.#wordOf(this.#tokens[this.#length - 1]!)
    return word !== 0 && word === this.#wordOf(this.#tokens[place - 1]!) ? 1 : 0
  }

  #makeRoom(): void {
    if (this.#length < MOST) {
      const grown = new Int32Array(2 * this.#length)
      grown.set(this.#tokens)
      this.#tokens = grown
    } else {
      const half = this.#length / 2
      this.#tokens.copyWithin(0, half)
      this.#length = half
      this.#next = Math.max(-1, this.#next - half)
      if (this.#next < 0) this.#matched = 0
    }
    const slots = 2 * this.#tokens.length
    this.#places = RUNS.map(run => {
      const places = new Int32Array(slots)
      for (let end = run; end <= this.#length; end++) {
        places[this.#slotOf(run, end, slots)] = end
      }
      return places
    })
  }
}

function kindOf(matched: number, within: Within): number {
  let kind = 0
  while (kind < BELOW.length && matched >= BELOW[kind]!) kind++
  return kind + FIRST_CLASS[within]
}

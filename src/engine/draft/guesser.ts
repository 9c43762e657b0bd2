// Guesses for one answer: what its text said before (prompt-lookup.ts), joined with what its form leaves no choice
// about: a grammar that it is held to, or a guide, which is a form that it probably has, such as that of calls. What
// is likelier goes first; how likely each is, is learned from every token. A wrong guess costs time and changes nothing.
// Called by tasks/generate.ts.
import type { Guide, LikelyText, LogitFilter, Outlook } from '../sampling/logit-filter.ts'
import { Odds } from './odds.ts'
import { type Guess, LOOKUP_ODDS, PromptLookup, type Within } from './prompt-lookup.ts'
import { COPY_ODDS, LONGEST_COPY, TextCopy } from './text-copy.ts'
import type { TokenTexts } from './token-texts.ts'

/**
 * What a token of a likely text may be: its first, its last, another; behind a number that may be at its end; and the
 * end of a string where the text that is copied has a sign, or anywhere.
 */
const FIRST = 0
const LAST = 1
const INNER = 2
const NUMBER_ENDS = 3
const COPY_ENDS = 4
const STRING_ENDS = 5
/** The same, where the text that is copied goes on with another word behind a name. */
const NAME_ENDS = 6
/** Before anything was seen. A text may be cut into tokens otherwise than the tokenizer does it. */
const FORM_ODDS = [0.85, 0.85, 0.95, 0.5, 0.6, 0.2, 0.5] as const
/** A longer match of tokens says more than the letters. */
const LONG_MATCH = 4

/** What requests learn together. */
export interface SharedOdds {
  readonly lookup: Odds
  readonly copy: Odds
  readonly form: Odds
}

/** Before any request. */
export function newOdds(): SharedOdds {
  return {
    lookup: new Odds(LOOKUP_ODDS),
    copy: new Odds(COPY_ODDS),
    form: new Odds(FORM_ODDS),
  }
}

/** A token that was guessed, and the one that the form would have had there. */
interface Thought {
  readonly token: number
  readonly formToken: number
  readonly kind: number
}

/** Where a likely text is gone along. */
interface Run {
  tokens: readonly number[]
  at: number
  kind: number
}

export class Guesser {
  /** How often the form's tokens come: in all requests, and in this one. */
  readonly #all: Odds
  readonly #odds: Odds
  readonly #texts: TokenTexts
  readonly #lookup: PromptLookup
  readonly #copy: TextCopy
  readonly #prompt: readonly number[]
  /** Tokens of the answer, and where each stood. */
  readonly #answer: number[] = []
  readonly #within: Within[] = []
  #held: LogitFilter | undefined
  #guide: Guide | undefined
  readonly #thoughts: Thought[] = []
  #thought = 0

  constructor(prompt: readonly number[], odds: SharedOdds, texts: TokenTexts) {
    this.#prompt = prompt
    this.#all = odds.form
    this.#odds = odds.form.begin()
    this.#texts = texts
    this.#lookup = new PromptLookup(odds.lookup, token => texts.word(token))
    this.#copy = new TextCopy(prompt, odds.copy, texts)
  }

  /** The answer is held to this; whoever holds it moves it on. */
  hold(filter: LogitFilter): void {
    this.#held = filter
  }

  /** The answer probably has this form, from its first token on. */
  guideBy(guide: Guide): void {
    if (this.#answer.every(token => guide.follow(token))) this.#guide = guide
  }

  /** The next token of the answer, before the filter is told. */
  push(token: number): void {
    this.#within.push(this.#where)
    this.#answer.push(token)
    this.#copy.push(token)
    const thought = this.#thoughts[this.#thought++]
    if (thought !== undefined) {
      if (thought.kind >= 0) {
        this.#all.note(thought.kind, thought.formToken === token)
        this.#odds.note(thought.kind, thought.formToken === token)
      }
      if (thought.token !== token) this.#forget()
    }
    if (this.#guide?.follow(token) === false) this.#guide = undefined
  }

  /**
   * Tokens that may follow; none that ends the answer, as that needs no row.
   * @param least  what is less likely is of no use
   * @param ends   tokens that end the answer
   */
  guess(most: number, least: number, ends: ReadonlySet<number> | undefined): Guess {
    const lookup = this.#lookup
    const { length } = this.#prompt
    while (lookup.pushed < length) lookup.push(this.#prompt[lookup.pushed]!)
    while (lookup.pushed < length + this.#answer.length) {
      const at = lookup.pushed - length
      lookup.push(this.#answer[at]!, this.#within[at])
    }
    this.#forget()
    const form = this.#form
    const guess = lookup.guess(most, least, this.#where)
    let end = ends === undefined ? -1 : guess.tokens.findIndex(token => ends.has(token))
    if (end >= 0) cutGuess(guess, end)
    if (form === undefined) return guess
    const copy = form.inText === true ? this.#copied(most, least) : undefined
    const isCopied = copy !== undefined && this.#copy.found && lookup.matched < LONG_MATCH
    if (isCopied) {
      cutGuess(guess, 0)
      guess.tokens.push(...copy.tokens)
      guess.chances.push(...copy.chances)
      end = this.#copy.endsBehind ? copy.tokens.length : -1
    }
    try {
      this.#follow(guess, form.fork(), most, least, end, isCopied)
    } catch {
      // A limit of the grammar that a wrong guess may meet: it is told when a drawn token meets it.
    }
    return guess
  }

  /** What the value that stands at the end of the answer may go on with, letter by letter. */
  #copied(most: number, least: number): Guess {
    const { length } = this.#answer
    let from = length
    // No further than a copy is followed: a value may be as long as the answer.
    while (from > 0 && length - from <= LONGEST_COPY && this.#within[from - 1] !== 'text') from--
    const opener = from > 0 ? this.#texts.textOf([this.#answer[from - 1]!]) : ''
    const quote = opener.lastIndexOf('"')
    const start = quote < 0 ? '' : opener.slice(quote + 1)
    return this.#copy.guess(start, this.#answer.slice(from), most, least)
  }

  get #form(): Outlook | undefined {
    return this.#held ?? this.#guide
  }

  get #where(): Within {
    if (this.#form?.inText !== true) return 'text'
    const last = this.#answer.at(-1)
    return last !== undefined && this.#texts.hasDigit(last) ? 'digits' : 'word'
  }

  #forget(): void {
    this.#thoughts.length = 0
    this.#thought = 0
  }

  /** Changes the text's own guess to what the form makes likelier, and leaves out what it does not let pass. */
  #follow(
    guess: Guess,
    ahead: Outlook,
    most: number,
    least: number,
    end: number,
    isCopied: boolean,
  ): void {
    const { tokens, chances } = guess
    const run: Run = { tokens: [], at: 0, kind: INNER }
    /** Tokens of the text's own guess that still stand. */
    let own = tokens.length
    let ownBefore = 1
    let chance = 1
    let n = 0
    for (; n < most; n++) {
      let token = -1
      let best = 0
      const copied = n < own ? tokens[n]! : -1
      if (n < own) {
        token = copied
        best = chances[n]! / ownBefore
        ownBefore = chances[n]!
      }
      const usual = ahead.usual?.()
      const next = this.#next(
        run,
        ahead,
        copied,
        best,
        n === end,
        isCopied && this.#copy.isBehindName(n),
      )
      if (next !== undefined) {
        const formed = this.#odds.chance(run.kind)
        // A value is at its end, or goes on as it was copied.
        if (run.kind === COPY_ENDS) best = Math.min(best, 1 - formed)
        if (formed > best || next === token) {
          token = next
          best = Math.max(best, formed)
        }
      }
      // In a value it is any token's place: what is copied says more.
      if (usual !== undefined && usual.chance > best && !(copied >= 0 && ahead.inText === true)) {
        token = usual.token
        best = usual.chance
      }
      if (token < 0) break
      this.#thoughts.push({
        token,
        formToken: next ?? -1,
        kind: next === undefined ? -1 : run.kind,
      })
      if (token === next) run.at++
      else run.tokens = []
      if (token !== copied) own = Math.min(own, n)
      chance *= best
      // A row behind the end is of no use.
      if (chance < least) break
      if (!ahead.take(token)) {
        // What the answer is not held to does not forbid what its text says.
        if (this.#held === undefined && token === copied) n = own
        break
      }
      if (ahead.ended) break
      tokens[n] = token
      chances[n] = chance
    }
    cutGuess(guess, n)
  }

  /** The next token of the form, and in `run` what kind of guess it is; undefined where there is a choice. */
  #next(
    run: Run,
    ahead: Outlook,
    copied: number,
    chance: number,
    copyEnds: boolean,
    nameEnds: boolean,
  ): number | undefined {
    if (run.at < run.tokens.length) {
      run.kind = run.at === run.tokens.length - 1 ? LAST : INNER
      return run.tokens[run.at]
    }
    const likely = ahead.likely?.()
    if (likely !== undefined && likely.pieces.length > 0) {
      return this.#begin(run, likely, likely.ends ? NUMBER_ENDS : FIRST)
    }
    run.tokens = []
    if (ahead.inText !== true || ahead.closing === undefined) return undefined
    const divided = copied >= 0 ? this.#texts.divides(copied) : copyEnds
    const kind = divided ? COPY_ENDS : nameEnds ? NAME_ENDS : STRING_ENDS
    if (copied >= 0 && !divided && chance >= this.#odds.chance(kind)) return undefined
    return this.#begin(run, ahead.closing(), kind)
  }

  #begin(run: Run, likely: LikelyText, kind: number): number | undefined {
    run.tokens = this.#texts.tokensOf(likely)
    run.at = 0
    run.kind = kind
    return run.tokens[0]
  }
}

/** Leaves the first so many tokens. */
function cutGuess({ tokens, chances }: Guess, length: number): void {
  tokens.length = length
  chances.length = length
}

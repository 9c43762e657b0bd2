// A place in a text that a grammar describes: one state, advanced by tokens, with what is likely there. Enough for
// guesses; the filter of logits (filter.ts) is one with masks. Called by compile.ts and filter.ts.
import type { Guide, LikelyText, Usual } from '../../sampling/logit-filter.ts'
import { Habits } from './habits.ts'
import { isInText, isWhite, LikelyTexts } from './likely.ts'
import type { State } from './machine.ts'
import { stateAfter } from './reads.ts'

/** What a place needs of a vocabulary. */
export interface Tokens {
  readonly endTokens: ReadonlySet<number>
  bytesOf(id: number): Uint8Array
  isText(id: number): boolean
}

/** What all texts of one grammar share. */
export interface Described {
  readonly tokens: Tokens
  readonly habits: Habits
  readonly likely: LikelyTexts
}

/** Nothing was written yet, or a token that is no text. */
const NONE = -1

export const describe = (tokens: Tokens): Described => ({
  tokens,
  habits: new Habits(),
  likely: new LikelyTexts(),
})

export class Place implements Guide {
  readonly #described: Described
  #state: State
  /** The last byte that was written. */
  #last: number
  /** White space that is being written: where it began, behind which byte. */
  #white: { readonly state: State; readonly last: number; text: string } | undefined

  constructor(described: Described, state: State, last = NONE) {
    this.#described = described
    this.#state = state
    this.#last = last
  }

  get state(): State {
    return this.#state
  }

  take(token: number): boolean {
    const { tokens } = this.#described
    if (tokens.endTokens.has(token) && this.#state.accepts) return true
    let state: State | null = this.#state.afterToken(token)
    let last = NONE
    if (state === null) {
      const bytes = tokens.isText(token) ? tokens.bytesOf(token) : undefined
      if (bytes !== undefined && bytes.length > 0) state = stateAfter(this.#state, bytes)
      last = bytes?.at(-1) ?? NONE
    }
    if (state === null) return false
    this.#state = state
    this.#last = last
    return true
  }

  follow(token: number): boolean {
    const { habits, tokens } = this.#described
    const from = this.#state
    const last = this.#last
    if (!this.take(token)) return false
    habits.note(from.id, token)
    if (from === this.#state || !tokens.isText(token)) return true
    if (isInText(from) && !isInText(this.#state)) habits.noteClosing(from.id, token)
    this.#noteWhite(from, last, tokens.bytesOf(token))
    return true
  }

  usual(): Usual | undefined {
    return this.#described.habits.at(this.#state.id)
  }

  likely(): LikelyText {
    return this.#described.likely.from(this.#state, this.#last)
  }

  closing(): LikelyText {
    const { habits, likely } = this.#described
    const text = likely.closing(this.#state)
    const usual = habits.closing(this.#state.id)
    // Where the grammar leaves a choice behind the quote, what came last stands for it.
    return usual !== undefined && text.pieces.length === 1 && text.pieces[0] === '"' ? usual : text
  }

  get inText(): boolean {
    return isInText(this.#state)
  }

  /** The text may go on with these bytes; only then it moves. For tests and forced text. */
  acceptBytes(bytes: Uint8Array): boolean {
    const state = stateAfter(this.#state, bytes)
    if (state === null) return false
    this.#state = state
    this.#last = bytes.at(-1) ?? this.#last
    return true
  }

  fork(): Place {
    return new Place(this.#described, this.#state, this.#last)
  }

  /** Goes where the other is. */
  moveTo(other: Place): void {
    this.#state = other.#state
    this.#last = other.#last
  }

  get complete(): boolean {
    return this.#state.accepts
  }

  get ended(): boolean {
    return this.#state.items.length === 0
  }

  /** What white space stood behind signs; it may be several tokens. */
  #noteWhite(from: State, before: number, bytes: Uint8Array): void {
    const { white } = this.#described.likely
    let state = from
    let last = before
    for (const byte of bytes) {
      if (!isInText(state)) {
        const begins = last !== NONE && !isWhite(last)
        if (isWhite(byte)) {
          if (begins) this.#white = { state, last, text: '' }
          if (this.#white !== undefined) this.#white.text += String.fromCharCode(byte)
        } else {
          if (begins) white.note(state, last, '')
          else if (this.#white !== undefined) {
            white.note(this.#white.state, this.#white.last, this.#white.text)
          }
          this.#white = undefined
        }
      }
      state = state.next(byte)!
      last = byte
    }
  }
}

// What guessing needs to know of the tokens of a vocabulary: which are the same word, which stand between words, and
// how the tokenizer writes a text. Remembered for all requests. Made by speculation's engine, used by guesser.ts.
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { LikelyText } from '../sampling/logit-filter.ts'

/** Texts whose tokens are remembered, and tokens whose words are. */
const KEEP = 4096
const SPACE = 0x20
const LINE_END = 0x0a
/** What ends a value that is copied out of a sentence. */
const BETWEEN = new Set([...',.;:!?"\'()[]{}\n\r\t'].map(sign => sign.charCodeAt(0)))

export class TokenTexts {
  readonly #tokenizer: Tokenizer
  readonly #words = new Map<number, number>()
  #written = new Map<string, readonly number[]>()
  /** Of texts that grammars keep. */
  readonly #ofLikely = new WeakMap<LikelyText, readonly number[]>()
  /** SentencePiece puts a blank before a text: written behind a line end, it has none. */
  readonly #before: readonly number[] | undefined

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer
    if (tokenizer.stripsLeadingSpace) this.#before = tokenizer.encode('\n', { addSpecial: false })
  }

  /** A number that tokens share which are the same but for a blank in front; 0 for what is no word. */
  word(token: number): number {
    let word = this.#words.get(token)
    if (word === undefined) {
      const bytes = this.#tokenizer.tokenBytes(token)
      const from = bytes[0] === SPACE ? 1 : 0
      word = 0
      for (let i = from; i < bytes.length; i++) word = Math.imul(word ^ bytes[i]!, 0x01000193) + 1
      if (this.#words.size >= KEEP) this.#words.clear()
      this.#words.set(token, word)
    }
    return word
  }

  /** It begins with a sign that stands between values, or is no text. */
  divides(token: number): boolean {
    const bytes = this.#tokenizer.tokenBytes(token)
    return bytes.length === 0 || BETWEEN.has(bytes[0]!)
  }

  hasDigit(token: number): boolean {
    return this.#tokenizer.tokenBytes(token).some(byte => byte >= 0x30 && byte <= 0x39)
  }

  /** The tokens of a likely text; the last is left out where it may be longer. */
  tokensOf(likely: LikelyText): readonly number[] {
    let tokens = this.#ofLikely.get(likely)
    if (tokens === undefined) {
      const all = likely.pieces.flatMap(piece =>
        typeof piece === 'string' ? this.tokensOfText(piece) : [piece.token],
      )
      tokens = likely.whole ? all : all.slice(0, -1)
      this.#ofLikely.set(likely, tokens)
    }
    return tokens
  }

  /** Tokens that are no text, as line ends. */
  textOf(tokens: readonly number[]): string {
    const bytes: number[] = []
    for (const token of tokens) {
      const of = this.#tokenizer.tokenBytes(token)
      if (of.length === 0) bytes.push(LINE_END)
      else for (const byte of of) bytes.push(byte)
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes))
  }

  /** How the tokenizer writes a text that stands within another. */
  tokensOfText(text: string): readonly number[] {
    let tokens = this.#written.get(text)
    if (tokens === undefined) {
      const before = this.#before ?? []
      const all = this.#tokenizer.encode(before.length > 0 ? `\n${text}` : text, {
        addSpecial: false,
      })
      tokens = before.every((token, i) => all[i] === token) ? all.slice(before.length) : []
      if (this.#written.size >= KEEP) this.#written = new Map()
      this.#written.set(text, tokens)
    }
    return tokens
  }
}

// What the engine needs of a tokenizer, whatever its kind. Made by from-gguf.ts or from-json.ts.
import type { IdSink } from './word-merger.ts'

/** Part of a text: UTF-16 units from `start` up to `end`. */
export interface Stretch {
  readonly start: number
  readonly end: number
}

export interface EncodeOptions {
  /** Recognise special tokens written out in the text (default false: they are plain text). */
  parseSpecial?: boolean
  /**
   * With parseSpecial: tokens are recognised only where all of their text lies inside one of these, in
   * ascending order. What lies outside is what somebody typed: no control and no user-defined token comes
   * of it. User-defined tokens of white space alone are layout and are recognised everywhere.
   */
  trusted?: readonly Stretch[]
  /** Prepend bos / append eos if the model asks for it (default true). */
  addSpecial?: boolean
}

export interface DecodeOptions {
  /** Also write control tokens (default false). */
  special?: boolean
  /** The ids continue a text, such as a prompt: a leading space is kept (default false). */
  continuation?: boolean
}

export interface Tokenizer {
  readonly vocabSize: number
  readonly bos: number | undefined
  readonly addBos: boolean
  readonly addEos: boolean
  /** Every token that ends generation: eos, eot, end-of-message tokens of the file. */
  readonly endTokens: ReadonlySet<number>
  /** decode() drops one space at the start: the one encode() put there (SentencePiece). */
  readonly stripsLeadingSpace?: boolean
  /** The template of the file, if it has one. */
  readonly chatTemplate: string | undefined
  /** What was done with a file that contradicts itself, for the user to know. */
  readonly notes?: readonly string[]
  /** @throws RyzError BAD_OPTION when the text is not a string */
  encode(text: string, options?: EncodeOptions): number[]
  /**
   * The same ids into `out`, in slices: each next() does about a millisecond of the work. Any number of
   * texts may be under way. What is no longer wanted is just not continued.
   * @throws RyzError BAD_OPTION from next()
   */
  encodeInSlices(text: string, options: EncodeOptions, out: IdSink): Generator<void, void>
  /** A text of so many UTF-16 units has at least this many tokens; 0 where length tells nothing. */
  fewestTokens(units: number): number
  /**
   * The bytes a token stands for, not to be written to; empty for special (control) tokens and for
   * ids beyond vocabSize, which padded embedding tables have.
   */
  tokenBytes(id: number): Uint8Array
  /** The token's written form, control tokens too ('<|bos|>'). */
  tokenText(id: number): string
  isSpecial(id: number): boolean
  /** An ordinary token of running text: not control, unknown, user-defined or unused, nor padding. */
  isText(id: number): boolean
  /** Text of ids; incomplete UTF-8 becomes U+FFFD. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string
  /** The same text in pieces, each at most a millisecond of work. */
  decodeInSlices(ids: ArrayLike<number>, options?: DecodeOptions): Generator<string, void>
}

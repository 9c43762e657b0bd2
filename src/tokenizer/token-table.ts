// The tokens of a vocabulary by id: written form, kind, and the bytes each stands for, in one flat
// buffer (128 k small arrays would cost 13 MB). Shared by every kind of tokenizer.
import { RyzError } from '../errors.ts'
import { ByteList } from './byte-list.ts'

/** Kinds of token, numbered as `tokenizer.ggml.token_type`. */
export const NORMAL = 1
export const UNKNOWN = 2
export const CONTROL = 3
export const USER_DEFINED = 4
export const UNUSED = 5
export const BYTE = 6

/** Names that end generation in the models people publish, whatever the metadata says. */
export const END_TOKEN_NAMES: readonly string[] = [
  '<|eot_id|>',
  '<|eom_id|>',
  '<|im_end|>',
  '<|end_of_text|>',
  '<|endoftext|>',
  '<|end|>',
  '<|return|>',
  '<end_of_turn>',
  '<end_of_utterance>',
  '<EOT>',
  '</s>',
]

/** Written forms by id: a TextList or an array. */
export interface Texts {
  readonly length: number
  at(id: number): string | undefined
}

/** Kinds, texts and bytes of a vocabulary; ids beyond it stand for nothing and count as special. */
export class TokenTable {
  readonly size: number
  readonly kinds: Uint8Array
  readonly #texts: Texts
  readonly #bytes: Uint8Array
  readonly #offsets: Uint32Array

  /** @param write  appends the bytes of an ordinary token; control and unknown tokens have none */
  constructor(texts: Texts, kinds: Uint8Array, write: (id: number, to: ByteList) => void) {
    this.size = texts.length
    this.#texts = texts
    this.kinds = kinds
    this.#offsets = new Uint32Array(texts.length + 1)
    const bytes = new ByteList()
    for (let id = 0; id < texts.length; id++) {
      if (!this.isSpecial(id)) write(id, bytes)
      this.#offsets[id + 1] = bytes.length
    }
    this.#bytes = bytes.take()
  }

  isSpecial(id: number): boolean {
    checkId(id)
    return id >= this.size || this.kinds[id] === CONTROL || this.kinds[id] === UNKNOWN
  }

  /** Of running text: not control, unknown, added by hand, or padding. */
  isText(id: number): boolean {
    checkId(id)
    return id < this.size && (this.kinds[id] === NORMAL || this.kinds[id] === BYTE)
  }

  /** A view; not to be written to. */
  bytes(id: number): Uint8Array {
    checkId(id)
    if (id >= this.size) return this.#bytes.subarray(0, 0)
    return this.#bytes.subarray(this.#offsets[id], this.#offsets[id + 1])
  }

  byteCount(id: number): number {
    return id < this.size ? this.#offsets[id + 1]! - this.#offsets[id]! : 0
  }

  text(id: number): string {
    checkId(id)
    return this.#texts.at(id) ?? ''
  }
}

function checkId(id: number): void {
  if (Number.isInteger(id) && id >= 0) return
  throw new RyzError('BAD_OPTION', `token id ${id} is no non-negative integer`, { id: String(id) })
}

// Byte-level BPE (GPT-2, Llama 3, Qwen): text -> words (pre-tokenizers.ts) -> bytes -> merges in the
// order the file lists them. Knows nothing of special tokens; called by from-gguf.ts.
import { RyzError } from '../errors.ts'
import { bytesToChars, byteToChar } from './byte-alphabet.ts'
import { PairMerger, type PairRule } from './pair-merger.ts'
import { type PreTokenizer, splitWords } from './pre-tokenizers.ts'

/** Turns ordinary text into ids, appended to `out`. `first`: nothing but special tokens before it. */
export type TextEncoderFn = (text: string, out: number[], first: boolean) => void

/**
 * @param idOf      every token by text
 * @param ordinary  whether plain text may become this token as a whole word
 * @param merges    "left right", best first
 * @param unknown   id for a byte that the vocabulary lacks; without one such bytes are left out, as
 *                  Hugging Face's tokenizers do
 * @throws RyzError TOKENIZER_INVALID when a merge names a token that is not in the vocabulary
 */
export function bytePairEncoder(
  idOf: ReadonlyMap<string, number>,
  merges: readonly string[],
  pre: PreTokenizer,
  ordinary: (id: number) => boolean,
  unknown: number | undefined,
): TextEncoderFn {
  const pairs = new PairTable(merges.length)
  const mergedOf = new Int32Array(merges.length)
  merges.forEach((merge, rank) => {
    // A token never starts with the separator, but may be one: look from the second character on.
    const space = typeof merge === 'string' ? merge.indexOf(' ', 1) : -1
    const left = space < 0 ? undefined : idOf.get(merge.slice(0, space))
    const right = space < 0 ? undefined : idOf.get(merge.slice(space + 1))
    const merged = space < 0 ? undefined : idOf.get(merge.slice(0, space) + merge.slice(space + 1))
    if (left === undefined || right === undefined || merged === undefined) {
      throw new RyzError(
        'TOKENIZER_INVALID',
        `merge ${rank} ("${String(merge).slice(0, 60)}") names a token that is not in the vocabulary; convert the model again`,
        { merge: rank },
      )
    }
    mergedOf[rank] = merged
    pairs.add(left, right, rank)
  })

  const idOfByte = Array.from({ length: 256 }, (_, byte) => idOf.get(byteToChar(byte)) ?? -1)
  const utf8 = new TextEncoder()
  const merger = new PairMerger()
  let ids = new Int32Array(64)
  const rule: PairRule = {
    rank: (left, right) => pairs.rank(ids[left], ids[right]),
    joined: (left, rank) => {
      ids[left] = mergedOf[rank]
    },
  }

  return (text, out) => {
    for (const word of splitWords(text, pre)) {
      const bytes = utf8.encode(word)
      const whole = pre.ignoreMerges ? idOf.get(bytesToChars(bytes)) : undefined
      if (whole !== undefined && ordinary(whole)) {
        out.push(whole)
        continue
      }
      if (ids.length < bytes.length) ids = new Int32Array(bytes.length)
      for (let i = 0; i < bytes.length; i++) ids[i] = idOfByte[bytes[i]]
      merger.run(bytes.length, rule)
      for (let i = 0; i >= 0; i = merger.next[i]) {
        if (ids[i] >= 0) out.push(ids[i])
        else if (unknown !== undefined) out.push(unknown)
      }
    }
  }
}

/** (left id, right id) -> rank. Open addressing in one typed array: a Map of 280 k pairs is 5x larger. */
class PairTable {
  readonly #slots: Int32Array
  readonly #mask: number

  constructor(pairs: number) {
    const capacity = 2 ** Math.ceil(Math.log2(pairs * 2 + 2))
    this.#slots = new Int32Array(capacity * 3).fill(-1)
    this.#mask = capacity - 1
  }

  /** The first rank given to a pair stays. */
  add(left: number, right: number, rank: number): void {
    const at = this.#find(left, right)
    if (this.#slots[at] >= 0) return
    this.#slots[at] = left
    this.#slots[at + 1] = right
    this.#slots[at + 2] = rank
  }

  rank(left: number, right: number): number {
    return left < 0 || right < 0 ? -1 : this.#slots[this.#find(left, right) + 2]
  }

  /** Where the pair is, or the free slot where it belongs. */
  #find(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77)
    hash ^= hash >>> 15
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = slot * 3
      if (this.#slots[at] < 0) return at
      if (this.#slots[at] === left && this.#slots[at + 1] === right) return at
    }
  }
}

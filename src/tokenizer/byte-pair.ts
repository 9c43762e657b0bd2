// Byte-level BPE (GPT-2, Llama 3, Qwen): text -> words (pre-tokenizers.ts) -> bytes -> merges in the
// order the file lists them. Knows nothing of special tokens; called by from-gguf.ts.
import { RyzError } from '../errors.ts'
import type { TextList } from '../text-list.ts'
import { bytesToChars, byteToChar } from './byte-alphabet.ts'
import { PairMerger, type PairRule } from './pair-merger.ts'
import { type PreTokenizer, splitWords } from './pre-tokenizers.ts'
import type { TokenIndex } from './token-index.ts'

const SPACE = 0x20

/** Turns ordinary text into ids, appended to `out`. `first`: nothing but special tokens before it. */
export type TextEncoderFn = (text: string, out: number[], first: boolean) => void

/**
 * @param index     every token by text
 * @param ordinary  whether plain text may become this token as a whole word
 * @param merges    "left right", best first
 * @param unknown   id for a byte that the vocabulary lacks; without one such bytes are left out, as
 *                  Hugging Face's tokenizers do
 * @throws RyzError TOKENIZER_INVALID when a merge names a token that is not in the vocabulary
 */
export function bytePairEncoder(
  index: TokenIndex,
  merges: TextList,
  pre: PreTokenizer,
  ordinary: (id: number) => boolean,
  unknown: number | undefined,
): TextEncoderFn {
  const pairs = new PairTable(merges.length)
  const mergedOf = new Int32Array(merges.length)
  const { units, starts } = merges
  let joined = new Uint16Array(64)
  for (let rank = 0; rank < merges.length; rank++) {
    const start = starts[rank]
    const end = starts[rank + 1]
    // A token never starts with the separator, but may be one: look from the second character on.
    let space = start + 1
    while (space < end && units[space] !== SPACE) space++
    const known = space < end
    const left = known ? index.find(units, start, space) : -1
    const right = known ? index.find(units, space + 1, end) : -1
    if (joined.length < end - start) joined = new Uint16Array(2 * (end - start))
    // Not by subarray(): views of 127,000 merges left the heap 7 MB larger.
    for (let i = start; i + 1 < end; i++) joined[i - start] = units[i < space ? i : i + 1]
    const merged = known ? index.find(joined, 0, end - start - 1) : -1
    if (left < 0 || right < 0 || merged < 0) {
      throw new RyzError(
        'TOKENIZER_INVALID',
        `merge ${rank} ("${merges.at(rank)?.slice(0, 60)}") names a token that is not in the vocabulary; convert the model again`,
        { merge: rank },
      )
    }
    mergedOf[rank] = merged
    pairs.add(left, right, rank)
  }

  const idOfByte = Array.from({ length: 256 }, (_, byte) => index.idOf(byteToChar(byte)) ?? -1)
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
      const whole = pre.ignoreMerges ? index.idOf(bytesToChars(bytes)) : undefined
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

/** (left id, right id) -> rank. Open addressing over ranks alone: 4.3 MB for 280 k pairs, a Map 15x that. */
class PairTable {
  /** Ranks, -1 where there is none; at most two thirds are taken. */
  readonly #slots: Int32Array
  readonly #mask: number
  readonly #left: Int32Array
  readonly #right: Int32Array

  constructor(pairs: number) {
    const capacity = 2 ** Math.ceil(Math.log2(pairs * 1.5 + 1))
    this.#slots = new Int32Array(capacity).fill(-1)
    this.#mask = capacity - 1
    this.#left = new Int32Array(pairs)
    this.#right = new Int32Array(pairs)
  }

  /** The first rank given to a pair stays. */
  add(left: number, right: number, rank: number): void {
    const slot = this.#find(left, right)
    if (this.#slots[slot] >= 0) return
    this.#slots[slot] = rank
    this.#left[rank] = left
    this.#right[rank] = right
  }

  rank(left: number, right: number): number {
    return left < 0 || right < 0 ? -1 : this.#slots[this.#find(left, right)]
  }

  /** Where the pair is, or the free slot where it belongs. */
  #find(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77)
    hash ^= hash >>> 15
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const rank = this.#slots[slot]
      if (rank < 0 || (this.#left[rank] === left && this.#right[rank] === right)) return slot
    }
  }
}

// Byte-pair encoding: symbols (bytes as in GPT-2, or characters as in Llama 2's tokenizer.json) are
// merged in the order that the file lists. Knows nothing of special tokens; called by from-gguf.ts and
// json-pipeline.ts.
import { RyzError } from '../errors.ts'
import type { TextList } from '../text-list.ts'
import { byteToChar, UNIT_OF_BYTE } from './byte-alphabet.ts'
import type { TokenIndex } from './token-index.ts'
import { codeAt, utf8 } from './units.ts'
import { type IdSink, type Merging, type WordEncoder, WordMerger } from './word-merger.ts'

const SPACE = 0x20

export interface BytePairOptions {
  readonly merges: MergeTable
  /** Every token of the model by text. */
  readonly index: TokenIndex
  /** Symbols are bytes, written in stand-ins; else characters. */
  readonly byteLevel: boolean
  /** A word that is such a token as a whole is taken as it is, whatever the merges say. */
  readonly whole?: (id: number) => boolean
  /** UTF-16 units of the longest token. */
  readonly longest: number
  /** For symbols that the vocabulary lacks; without it they are left out. */
  readonly unknown?: number
  /** Several unknown symbols in a row are one. */
  readonly fuseUnknown?: boolean
  /** Byte token of each byte for characters that the vocabulary lacks, -1 for none. */
  readonly idOfByte?: ArrayLike<number>
}

/** An encoder of its own for each text that is under way. */
export function bytePairEncoder(options: BytePairOptions, windowSize?: number): WordEncoder {
  const merger = new WordMerger(new Symbols(options), windowSize)
  const { whole, index, longest } = options
  if (!whole) return merger
  const stands = options.byteLevel ? new StandIns() : undefined
  return {
    word(units, from, to, out) {
      if (to - from <= longest) {
        const length = stands ? stands.take(units, from, to) : 0
        const id = stands ? index.find(stands.units, 0, length) : index.find(units, from, to)
        if (id >= 0 && whole(id)) {
          out.push(id)
          return true
        }
      }
      return merger.word(units, from, to, out)
    },
    long(units, from, to, out, budget) {
      return merger.long(units, from, to, out, budget)
    },
  }
}

/** The stand-ins of a word's bytes. */
class StandIns {
  units: Uint16Array = new Uint16Array(64)
  readonly #bytes = new Uint8Array(4)

  take(units: Uint16Array, from: number, to: number): number {
    if (this.units.length < 3 * (to - from)) this.units = new Uint16Array(6 * (to - from))
    let length = 0
    for (let at = from; at < to; ) {
      const code = codeAt(units, at, to)
      at += code > 0xffff ? 2 : 1
      const count = utf8(code, this.#bytes)
      for (let i = 0; i < count; i++) this.units[length++] = UNIT_OF_BYTE[this.#bytes[i]!]!
    }
    return length
  }
}

class Symbols implements Merging {
  starts = new Int32Array(64)
  loadedTo = 0
  readonly #options: BytePairOptions
  readonly #merges: MergeTable
  /** The id of each byte as a symbol of its own. */
  readonly #byteIds: Int32Array
  readonly #bytes = new Uint8Array(4)
  #ids = new Int32Array(64)
  #count = 0
  /** The last symbol is unknown and takes in the next one. */
  #open = false

  constructor(options: BytePairOptions) {
    this.#options = options
    this.#merges = options.merges
    this.#byteIds = Int32Array.from(
      { length: 256 },
      (_, byte) => options.index.idOf(byteToChar(byte)) ?? -1,
    )
  }

  load(units: Uint16Array, from: number, to: number, most: number): number {
    const { byteLevel, index, idOfByte } = this.#options
    this.#count = 0
    this.#open = false
    let at = from
    while (at < to && (this.#count < most || this.#open)) {
      const code = codeAt(units, at, to)
      const next = at + (code > 0xffff ? 2 : 1)
      if (byteLevel) {
        const count = utf8(code, this.#bytes)
        for (let i = 0; i < count; i++)
          this.#add(this.#byteIds[this.#bytes[i]!]!, i === 0 ? at : -1)
      } else {
        const id = index.find(units, at, next)
        if (id >= 0 || !idOfByte || !this.#spell(code, at, idOfByte)) this.#add(id, at)
      }
      at = next
    }
    this.loadedTo = at
    return this.#count
  }

  rank(left: number, right: number): number {
    return this.#merges.rank(this.#ids[left]!, this.#ids[right]!)
  }

  joined(left: number, _right: number, rank: number): void {
    this.#ids[left] = this.#merges.merged(rank)
  }

  emit(symbol: number, _next: number, out: IdSink): void {
    out.push(this.#ids[symbol]!)
  }

  #add(id: number, start: number): void {
    const { unknown, fuseUnknown } = this.#options
    if (id < 0) {
      if (unknown === undefined) return
      if (this.#open && fuseUnknown) return
    }
    this.#open = id < 0 && fuseUnknown === true
    if (this.#count === this.#ids.length) {
      this.#ids = grown(this.#ids)
      this.starts = grown(this.starts)
    }
    this.#ids[this.#count] = id < 0 ? unknown! : id
    this.starts[this.#count++] = start
  }

  #spell(code: number, start: number, idOfByte: ArrayLike<number>): boolean {
    const count = utf8(code, this.#bytes)
    for (let i = 0; i < count; i++) if (idOfByte[this.#bytes[i]!]! < 0) return false
    for (let i = 0; i < count; i++) this.#add(idOfByte[this.#bytes[i]!]!, i === 0 ? start : -1)
    return true
  }
}

/** Twice as long. */
export function grown(list: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * list.length)
  larger.set(list)
  return larger
}

/**
 * Reads "left right" merges, best first.
 * @throws RyzError TOKENIZER_INVALID when a merge names a token that is not in the vocabulary
 */
export function readMerges(merges: TextList, index: TokenIndex): MergeTable {
  const table = new MergeTable(merges.length)
  const { units, starts } = merges
  let joined = new Uint16Array(64)
  for (let rank = 0; rank < merges.length; rank++) {
    const start = starts[rank]!
    const end = starts[rank + 1]!
    // A token never starts with the separator, but may be one: look from the second character on.
    let space = start + 1
    while (space < end && units[space] !== SPACE) space++
    const known = space < end
    const left = known ? index.find(units, start, space) : -1
    const right = known ? index.find(units, space + 1, end) : -1
    if (joined.length < end - start) joined = new Uint16Array(2 * (end - start))
    // Not by subarray(): views of 127,000 merges left the heap 7 MB larger.
    for (let i = start; i + 1 < end; i++) joined[i - start] = units[i < space ? i : i + 1]!
    const merged = known ? index.find(joined, 0, end - start - 1) : -1
    if (left < 0 || right < 0 || merged < 0) {
      throw new RyzError(
        'TOKENIZER_INVALID',
        `merge ${rank} ("${merges.at(rank)?.slice(0, 60)}") names a token that is not in the vocabulary; convert the model again`,
        { merge: rank },
      )
    }
    table.add(left, right, merged, rank)
  }
  return table
}

/** (left id, right id) -> rank. Open addressing over ranks alone: 4.3 MB for 280 k pairs, a Map 15x that. */
export class MergeTable {
  /** Ranks, -1 where there is none; at most two thirds are taken. */
  readonly #slots: Int32Array
  readonly #mask: number
  readonly #left: Int32Array
  readonly #right: Int32Array
  readonly #merged: Int32Array

  constructor(pairs: number) {
    const capacity = 2 ** Math.ceil(Math.log2(pairs * 1.5 + 1))
    this.#slots = new Int32Array(capacity).fill(-1)
    this.#mask = capacity - 1
    this.#left = new Int32Array(pairs)
    this.#right = new Int32Array(pairs)
    this.#merged = new Int32Array(pairs)
  }

  /** The first rank given to a pair stays. */
  add(left: number, right: number, merged: number, rank: number): void {
    const slot = this.#find(left, right)
    if (this.#slots[slot]! >= 0) return
    this.#slots[slot] = rank
    this.#left[rank] = left
    this.#right[rank] = right
    this.#merged[rank] = merged
  }

  rank(left: number, right: number): number {
    return this.#slots[this.#find(left, right)]!
  }

  merged(rank: number): number {
    return this.#merged[rank]!
  }

  /** Where the pair is, or the free slot where it belongs. */
  #find(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77)
    hash ^= hash >>> 15
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const rank = this.#slots[slot]!
      if (rank < 0 || (this.#left[rank] === left && this.#right[rank] === right)) return slot
    }
  }
}

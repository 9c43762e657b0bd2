// SentencePiece BPE as in Llama 2's GGUF files: characters are joined while the joint text is a token,
// best score first; what is left over falls back to byte tokens. Takes text with its spaces marked
// (cutters.ts); knows nothing of special tokens. Called by from-gguf.ts.
import { grown } from './byte-pair.ts'
import type { TokenIndex } from './token-index.ts'
import { codeAt, utf8 } from './units.ts'
import { type IdSink, type Merging, type WordEncoder, WordMerger } from './word-merger.ts'

/** What stands for a space inside the vocabulary. */
export const SPACE_MARK = '\u2581'

export interface SentencePieceOptions {
  /** Every token by text. */
  readonly index: TokenIndex
  /** Whether text may become this token: no control, unknown or byte token. */
  readonly ordinary: (id: number) => boolean
  /** UTF-16 units of the longest of them. */
  readonly longest: number
  /** By id, see scoreRanks(). */
  readonly ranks: Int32Array
  /** Byte token of each byte, -1 where the vocabulary has none. */
  readonly idOfByte: ArrayLike<number>
  readonly unknown: number | undefined
}

/** An encoder of its own for each text that is under way. */
export function sentencePieceEncoder(
  options: SentencePieceOptions,
  windowSize?: number,
): WordEncoder {
  return new WordMerger(new Characters(options), windowSize)
}

class Characters implements Merging {
  starts = new Int32Array(64)
  loadedTo = 0
  readonly #options: SentencePieceOptions
  readonly #bytes = new Uint8Array(4)
  #units: Uint16Array = new Uint16Array(0)
  /** Unit behind each live symbol. */
  #ends = new Int32Array(64)

  constructor(options: SentencePieceOptions) {
    this.#options = options
  }

  load(units: Uint16Array, from: number, to: number, most: number): number {
    this.#units = units
    let at = from
    let count = 0
    for (; at < to && count < most; count++) {
      if (count === this.starts.length) {
        this.starts = grown(this.starts)
        this.#ends = grown(this.#ends)
      }
      this.starts[count] = at
      at += codeAt(units, at, to) > 0xffff ? 2 : 1
      this.#ends[count] = at
    }
    this.loadedTo = at
    return count
  }

  rank(left: number, right: number): number {
    const start = this.starts[left]!
    const end = this.#ends[right]!
    if (end - start > this.#options.longest) return -1
    const id = this.#tokenAt(start, end)
    return id < 0 ? -1 : this.#options.ranks[id]!
  }

  joined(left: number, right: number): void {
    this.#ends[left] = this.#ends[right]!
  }

  emit(symbol: number, _next: number, out: IdSink): void {
    const id = this.#tokenAt(this.starts[symbol]!, this.#ends[symbol]!)
    if (id >= 0) out.push(id)
    else this.#spell(this.starts[symbol]!, this.#ends[symbol]!, out)
  }

  #tokenAt(start: number, end: number): number {
    const id = this.#options.index.find(this.#units, start, end)
    return id >= 0 && this.#options.ordinary(id) ? id : -1
  }

  #spell(start: number, end: number, out: IdSink): void {
    const { idOfByte, unknown } = this.#options
    const ids: number[] = []
    for (let at = start; at < end; ) {
      const code = codeAt(this.#units, at, end)
      at += code > 0xffff ? 2 : 1
      const count = utf8(code, this.#bytes)
      for (let i = 0; i < count; i++) ids.push(idOfByte[this.#bytes[i]!]!)
    }
    if (!ids.includes(-1)) for (const id of ids) out.push(id)
    else if (unknown !== undefined) out.push(unknown)
  }
}

/** Dense ranks of scores, 0 for the best; equal scores share one. */
export function scoreRanks(scores: ArrayLike<number>): Int32Array {
  const descending = Float64Array.from(scores).sort().reverse()
  let count = 0
  for (const score of descending) {
    if (count === 0 || descending[count - 1] !== score) descending[count++] = score
  }
  const ranks = new Int32Array(scores.length)
  for (let id = 0; id < ranks.length; id++) {
    let low = 0
    for (let high = count - 1; low < high; ) {
      const middle = (low + high) >> 1
      if (descending[middle]! > scores[id]!) low = middle + 1
      else high = middle
    }
    ranks[id] = low
  }
  return ranks
}

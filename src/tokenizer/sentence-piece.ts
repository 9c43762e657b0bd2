// SentencePiece BPE as in Llama 2 files: spaces become U+2581, characters are joined while the joint
// text is a token, best score first; what is left over falls back to byte tokens. Knows nothing of
// special tokens; called by from-gguf.ts.
import type { TextEncoderFn } from './byte-pair.ts'
import { PairMerger, type PairRule } from './pair-merger.ts'
import type { TokenIndex } from './token-index.ts'

/** What stands for a space inside the vocabulary. */
export const SPACE_MARK = '\u2581'

export interface SentencePieceOptions {
  /** Every token by text. */
  index: TokenIndex
  /** Whether text may become this token: no control, unknown or byte token. */
  ordinary: (id: number) => boolean
  /** UTF-16 units of the longest of them. */
  longest: number
  scores: ArrayLike<number>
  /** Byte token of each byte, -1 where the vocabulary has none. */
  idOfByte: ArrayLike<number>
  unknown: number | undefined
  /** Put a space before text that starts the input or follows a special token. */
  addSpacePrefix: boolean
}

/** The encoder of a score-ordered SentencePiece vocabulary. */
export function sentencePieceEncoder(options: SentencePieceOptions): TextEncoderFn {
  const { index, ordinary, longest, idOfByte, unknown, addSpacePrefix } = options
  const rankOf = scoreRanks(options.scores)

  const merger = new PairMerger()
  const utf8 = new TextEncoder()
  /** The text that is being encoded, in UTF-16. */
  let units = new Uint16Array(64)
  let length = 0
  let starts = new Int32Array(64)

  const endOf = (symbol: number) => (merger.next[symbol] < 0 ? length : starts[merger.next[symbol]])
  const tokenAt = (start: number, end: number) => {
    const id = index.find(units, start, end)
    return id >= 0 && ordinary(id) ? id : -1
  }
  const rule: PairRule = {
    rank: (left, right) => {
      const start = starts[left]
      const end = endOf(right)
      if (end - start > longest) return -1
      const id = tokenAt(start, end)
      return id < 0 ? -1 : rankOf[id]
    },
    joined: () => {},
  }

  return (raw, out, first) => {
    if (raw === '') return
    const text = (addSpacePrefix && first ? ` ${raw}` : raw).replaceAll(' ', SPACE_MARK)
    length = text.length
    if (starts.length < length) {
      starts = new Int32Array(length)
      units = new Uint16Array(length)
    }
    for (let i = 0; i < length; i++) units[i] = text.charCodeAt(i)
    let count = 0
    for (let at = 0; at < text.length; at += text.codePointAt(at)! > 0xffff ? 2 : 1) {
      starts[count++] = at
    }
    merger.run(count, rule)
    for (let symbol = 0; symbol >= 0; symbol = merger.next[symbol]) {
      const end = endOf(symbol)
      const id = tokenAt(starts[symbol], end)
      if (id < 0) spell(text.slice(starts[symbol], end), out)
      else out.push(id)
    }
  }

  function spell(piece: string, out: number[]): void {
    const ids = [...utf8.encode(piece)].map(byte => idOfByte[byte])
    if (!ids.includes(-1)) out.push(...ids)
    else if (unknown !== undefined) out.push(unknown)
  }
}

/** Dense ranks, 0 for the best score; equal scores share one. */
function scoreRanks(scores: ArrayLike<number>): Int32Array {
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
      if (descending[middle] > scores[id]) low = middle + 1
      else high = middle
    }
    ranks[id] = low
  }
  return ranks
}

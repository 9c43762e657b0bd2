// SentencePiece BPE as in Llama 2 files: spaces become U+2581, characters are joined while the joint
// text is a token, best score first; what is left over falls back to byte tokens. Knows nothing of
// special tokens; called by from-gguf.ts.
import type { TextEncoderFn } from './byte-pair.ts'
import { PairMerger, type PairRule } from './pair-merger.ts'

/** What stands for a space inside the vocabulary. */
export const SPACE_MARK = '\u2581'

export interface SentencePieceOptions {
  /** Ordinary tokens by text: no control, unknown or byte tokens. */
  idOf: ReadonlyMap<string, number>
  scores: ArrayLike<number>
  /** Byte token of each byte, -1 where the vocabulary has none. */
  idOfByte: ArrayLike<number>
  unknown: number | undefined
  /** Put a space before text that starts the input or follows a special token. */
  addSpacePrefix: boolean
}

/** The encoder of a score-ordered SentencePiece vocabulary. */
export function sentencePieceEncoder(options: SentencePieceOptions): TextEncoderFn {
  const { idOf, idOfByte, unknown, addSpacePrefix } = options
  const rankOf = scoreRanks(options.scores)
  let longest = 0
  for (const token of idOf.keys()) longest = Math.max(longest, token.length)

  const merger = new PairMerger()
  const utf8 = new TextEncoder()
  let text = ''
  let starts = new Int32Array(64)

  const endOf = (symbol: number) =>
    merger.next[symbol] < 0 ? text.length : starts[merger.next[symbol]]
  const rule: PairRule = {
    rank: (left, right) => {
      const start = starts[left]
      const end = endOf(right)
      if (end - start > longest) return -1
      const id = idOf.get(text.slice(start, end))
      return id === undefined ? -1 : rankOf[id]
    },
    joined: () => {},
  }

  return (raw, out, first) => {
    if (raw === '') return
    text = (addSpacePrefix && first ? ` ${raw}` : raw).replaceAll(' ', SPACE_MARK)
    if (starts.length < text.length) starts = new Int32Array(text.length)
    let count = 0
    for (let at = 0; at < text.length; at += text.codePointAt(at)! > 0xffff ? 2 : 1) {
      starts[count++] = at
    }
    merger.run(count, rule)
    for (let symbol = 0; symbol >= 0; symbol = merger.next[symbol]) {
      const piece = text.slice(starts[symbol], endOf(symbol))
      const id = idOf.get(piece)
      if (id === undefined) spell(piece, out)
      else out.push(id)
    }
    text = ''
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

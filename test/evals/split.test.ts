// From texts to scored tokens. The encoder of these tests takes the longest piece of a little vocabulary, so
// that a text and its beginning do not always begin with the same tokens.
import { describe, expect, it } from 'vitest'
import {
  encodePair,
  fitPair,
  fitPrompt,
  pairTokens,
  rollingWindows,
} from '../../evals/requests/split.ts'

const BOS = 0
const PIECES = ['<s>', ' world', ' wor', 'hello', 'ld', ' ', '  ', 'a', 'b', '\n', 'ab', '\u3000']

/** Greedy: the longest piece that fits. */
function encoder(puts = true) {
  return async (text: string, bos: boolean): Promise<number[]> => {
    const ids = bos && puts ? [BOS] : []
    for (let at = 0; at < text.length; ) {
      const fits = PIECES.filter(piece => text.startsWith(piece, at))
      const longest = fits.sort((x, y) => y.length - x.length)[0]!
      ids.push(PIECES.indexOf(longest))
      at += longest.length
    }
    return ids
  }
}

const id = (piece: string) => PIECES.indexOf(piece)

describe('context and continuation', () => {
  it('white space at the end of the context goes to the continuation', async () => {
    const { context, continuation } = await encodePair('hello ', 'world', encoder())
    expect(context).toEqual([BOS, id('hello')])
    expect(continuation).toEqual([id(' world')])
    // Python's white space, not JavaScript's.
    expect((await encodePair('a\u3000', 'b', encoder())).continuation).toEqual([
      id('\u3000'),
      id('b'),
    ])
  })

  it('part at the length of the encoded context, also where the whole is cut differently', async () => {
    // "a" is one token and "ab" one other: the continuation begins behind as many tokens as the context has.
    const { context, continuation } = await encodePair('a', 'ba', encoder())
    expect(context).toEqual([BOS, id('a')])
    expect(continuation).toEqual([id('a')])
  })

  it('bos stands once, as the tokenizer says, or never', async () => {
    expect((await encodePair('hello', ' world', encoder())).context).toEqual([BOS, id('hello')])
    expect((await encodePair('hello', ' world', encoder(false))).context).toEqual([id('hello')])
  })

  it('an empty context is the prefix token; a continuation that has it is not given another', async () => {
    const alone = await pairTokens('', 'a', encoder(), BOS)
    expect(alone).toEqual({ context: [BOS], continuation: [id('a')] })
    const own = await pairTokens('', '<s>a', encoder(), BOS)
    expect(own).toEqual({ context: [BOS], continuation: [id('a')] })
    await expect(pairTokens('', 'a', encoder(), undefined)).rejects.toThrow('needs a bos')
  })
})

describe('what is too long', () => {
  it('loses its beginning, bos too; the continuation stays, and its last token is not fed', () => {
    const fit = fitPair([BOS, 1, 2, 3], [4, 5], 4)
    expect(fit).toEqual({ tokens: [1, 2, 3, 4, 5], from: 3, cut: 1 })
    expect(fitPair([BOS, 1, 2, 3], [4, 5], 5)).toEqual({
      tokens: [0, 1, 2, 3, 4, 5],
      from: 4,
      cut: 0,
    })
    expect(fitPair([BOS, 1, 2], [4, 5, 6, 7], 4)).toEqual({
      tokens: [2, 4, 5, 6, 7],
      from: 1,
      cut: 2,
    })
  })

  it('a continuation that is empty or longer than the context is refused', () => {
    expect(() => fitPair([1], [2, 3, 4], 2)).toThrow('3 tokens does not fit a context of 2')
    expect(() => fitPair([1], [], 2)).toThrow('no tokens')
  })

  it('a prompt to generate from keeps the last tokens, with room for the new ones', () => {
    const tokens = Array.from({ length: 300 }, (_, i) => i)
    expect(fitPrompt(tokens, 512, 256)).toEqual({ tokens: tokens.slice(44), cut: 44 })
    expect(fitPrompt(tokens.slice(0, 256), 512, 256).cut).toBe(0)
    expect(() => fitPrompt(tokens, 256, 256)).toThrow('no room')
  })
})

describe('rolling windows', () => {
  it('predict each token once, the first behind the prefix, the last as full as can be', () => {
    const text = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    expect(rollingWindows(text, 7, 4)).toEqual([
      { tokens: [7, 10, 11, 12, 13], from: 1, cut: 0 },
      { tokens: [13, 14, 15, 16, 17], from: 1, cut: 0 },
      { tokens: [15, 16, 17, 18, 19], from: 3, cut: 0 },
    ])
    expect(rollingWindows([10, 11], 7, 4)).toEqual([{ tokens: [7, 10, 11], from: 1, cut: 0 }])
    expect(rollingWindows([], 7, 4)).toEqual([])
  })

  it('bos stands twice before a text whose tokenizer puts one', async () => {
    const tokens = await encoder()('ab', true)
    expect(rollingWindows(tokens, BOS, 8)[0]!.tokens).toEqual([BOS, BOS, id('ab')])
    const bare = await encoder(false)('ab', true)
    expect(rollingWindows(bare, BOS, 8)[0]!.tokens).toEqual([BOS, id('ab')])
  })
})

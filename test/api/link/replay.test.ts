// A stream that is asked again: whatever way the pieces are cut, the reader gets each token once.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Replay } from '../../../src/api/link/replay.ts'
import type { TokenChunk } from '../../../src/types/index.ts'
import { joinChunk } from '../../../src/worker/protocol.ts'

/** Tokens 0.. with their texts, cut after the given numbers of tokens. */
function pieces(texts: readonly string[], cuts: readonly number[]): TokenChunk[] {
  const chunks: TokenChunk[] = []
  let from = 0
  for (const size of [...cuts, texts.length]) {
    const to = Math.min(texts.length, from + size)
    if (to === from) continue
    const tokens = Array.from({ length: to - from }, (_, i) => from + i)
    const logprobs = tokens.map(token => [{ token, logprob: -token, bytes: [], text: '' }])
    chunks.push({ text: texts.slice(from, to).join(''), tokens, logprobs })
    from = to
  }
  return chunks
}

describe('a request asked again', () => {
  it('gives every token, its text and its figures once, however the pieces are cut', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 12 })
    const words = fc.array(fc.constantFrom('', 'a', ' b', 'cc', 'ä'), {
      minLength: 1,
      maxLength: 20,
    })
    fc.assert(
      fc.property(words, cuts, cuts, fc.nat(12), (texts, first, second, heard) => {
        const replay = new Replay()
        const got: TokenChunk[] = []
        const feed = (chunks: readonly TokenChunk[]) => {
          for (const chunk of chunks) {
            const fresh = replay.take(chunk)
            if (fresh) got.push(fresh)
          }
        }
        feed(pieces(texts, first).slice(0, heard))
        replay.restart()
        feed(pieces(texts, second))
        const all = texts.map((_, i) => i)
        expect(got.flatMap(c => c.tokens)).toEqual(all)
        expect(got.flatMap(c => c.logprobs ?? []).map(l => l[0]!.token)).toEqual(all)
        expect(got.map(c => c.text).join('')).toBe(texts.join(''))
      }),
    )
  })

  it('gives reasoning and calls once, too', () => {
    const call = (index: number) => ({
      ...{ index, id: `call_${index}`, type: 'function' as const },
      function: { name: 'f', arguments: '{}' },
    })
    /** One thing a token: a piece of reasoning, a call, or a piece of text. */
    const answer = (cuts: readonly number[]) => {
      const things = [
        ...['Hm', ', ', 'well', '.'].map(reasoning => ({ reasoning })),
        ...[0, 1, 2].map(index => ({ toolCalls: [call(index)] })),
        ...['Yes', '.'].map(text => ({ text })),
      ]
      const each = things.map(
        (thing, token): TokenChunk => ({ text: '', tokens: [token], ...thing }),
      )
      const joined: TokenChunk[] = []
      let left = 0
      for (const [i, chunk] of each.entries()) {
        if (left-- > 0) joinChunk(joined.at(-1)!, chunk)
        else {
          joined.push(chunk)
          left = (cuts[i % Math.max(1, cuts.length)] ?? 1) - 1
        }
      }
      return joined
    }
    const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 9 })
    fc.assert(
      fc.property(cuts, cuts, fc.nat(9), (first, second, heard) => {
        const replay = new Replay()
        const got: TokenChunk[] = []
        const feed = (chunks: readonly TokenChunk[]) => {
          for (const chunk of chunks) {
            const fresh = replay.take(chunk)
            if (fresh) got.push(fresh)
          }
        }
        feed(answer(first).slice(0, heard))
        replay.restart()
        feed(answer(second))
        expect(got.map(chunk => chunk.reasoning ?? '').join('')).toBe('Hm, well.')
        expect(got.map(chunk => chunk.text).join('')).toBe('Yes.')
        expect(got.flatMap(chunk => chunk.toolCalls ?? [])).toEqual([call(0), call(1), call(2)])
      }),
    )
  })

  it('says from where on the text is another one', () => {
    const replay = new Replay()
    for (const chunk of pieces(['a', 'b', 'c', 'd'], [1, 1])) replay.take(chunk)
    replay.restart()
    const [, second] = [replay.take({ text: 'a', tokens: [0] }), { text: 'x', tokens: [7, 2] }]
    expect(() => replay.take(second)).toThrow(expect.objectContaining({ code: 'WORKER_DIED' }))
    expect(() => replay.take({ text: 'x', tokens: [1, 2] })).toThrow('from token 1 on')
  })

  it('passes on text that comes after the last token', () => {
    const replay = new Replay()
    replay.take({ text: 'a', tokens: [0] })
    replay.restart()
    expect(replay.take({ text: 'a', tokens: [0] })).toBeUndefined()
    expect(replay.take({ text: '!', tokens: [] })).toEqual({ text: '!', tokens: [] })
  })
})

// SentencePiece BPE against a plain quadratic implementation, byte fallback, and the leading space.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { mulberry32, prefixed, tricky } from './small-vocabulary.ts'

const NO_SPECIAL = { addSpecial: false }
const hex = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
const HEAD = ['<unk>', '<s>', '</s>', ...Array.from({ length: 256 }, (_, byte) => hex(byte))]

function metadata(pieces: string[], scores: number[], more: Record<string, unknown> = {}) {
  const tokens = [...HEAD, ...pieces]
  return new Map<string, unknown>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.scores', Float32Array.from([...HEAD.map(() => 0), ...scores])],
    [
      'tokenizer.ggml.token_type',
      tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)),
    ],
    ...prefixed(more),
  ])
}

/** The definition: join the neighbours whose joint text is the best-scored token, leftmost first. */
function plainPieces(text: string, pieces: string[], scores: number[]): string[] {
  const parts = [...text.replaceAll(' ', '▁')]
  for (;;) {
    let at = -1
    let best = Number.NEGATIVE_INFINITY
    for (let i = 0; i + 1 < parts.length; i++) {
      const found = pieces.indexOf(parts[i] + parts[i + 1])
      if (found >= 0 && scores[found] > best) {
        best = scores[found]
        at = i
      }
    }
    if (at < 0) break
    parts.splice(at, 2, parts[at] + parts[at + 1])
  }
  const bytes = (part: string) => [...new TextEncoder().encode(part)].map(hex)
  return parts.flatMap(part => (pieces.includes(part) ? [part] : bytes(part)))
}

const written = (tokenizer: Tokenizer, text: string) =>
  tokenizer.encode(text, NO_SPECIAL).map(id => tokenizer.tokenText(id))

describe('SentencePiece BPE', () => {
  test('joins as the definition says', () => {
    fc.assert(
      fc.property(tricky, fc.nat(), (text, seed) => {
        const random = mulberry32(seed)
        const chars = [...`▁hello▁World${text.replaceAll(' ', '▁')}`]
        const pieces = new Set(['▁', ...chars.filter(() => random() < 0.7)])
        for (let i = 0; i < 60; i++) {
          const at = Math.floor(random() * chars.length)
          pieces.add(chars.slice(at, at + 2 + Math.floor(random() * 4)).join(''))
        }
        const list = [...pieces].filter(piece => !HEAD.includes(piece))
        // Few distinct scores, so that ties (leftmost wins) are common.
        const scores = list.map(() => -Math.floor(random() * 8))
        const tokenizer = tokenizerFromGguf(metadata(list, scores))
        const expected = text === '' ? [] : plainPieces(` ${text}`, list, scores)
        expect(written(tokenizer, text)).toEqual(expected)
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
      }),
      { numRuns: 150 },
    )
  })

  const pieces = ['▁', 'a', 'b', '▁a', 'ab', '▁ab', '▁▁']
  const scores = [-1, -2, -3, -4, -5, -6, -7]
  const tokenizer = tokenizerFromGguf(metadata(pieces, scores))

  test('vectors worked out by hand', () => {
    expect(written(tokenizer, 'ab')).toEqual(['▁ab']) // ▁a (-4) before ab (-5), then ▁ab
    expect(written(tokenizer, 'abab')).toEqual(['▁ab', 'ab'])
    expect(written(tokenizer, 'a  a')).toEqual(['▁a', '▁', '▁a'])
    expect(written(tokenizer, 'é')).toEqual(['▁', '<0xC3>', '<0xA9>'])
    expect(written(tokenizer, '')).toEqual([])
  })

  test('bos is added unless the file says otherwise', () => {
    expect(tokenizer.addBos).toBe(true)
    expect(tokenizer.encode('')).toEqual([1])
    expect(tokenizer.encode('a')).toEqual([1, 262])
    const more = { add_bos_token: false, add_eos_token: true }
    expect(tokenizerFromGguf(metadata(pieces, scores, more)).encode('a')).toEqual([262, 2])
    expect([...tokenizer.endTokens]).toEqual([2])
  })

  test('the space put before the text is taken off again, and kept in a continuation', () => {
    const ids = tokenizer.encode('ab', NO_SPECIAL)
    expect(tokenizer.decode(ids)).toBe('ab')
    expect(tokenizer.decode(ids, { continuation: true })).toBe(' ab')
    expect(tokenizer.decode([1, ...ids, 2])).toBe('ab')
    expect(tokenizer.decode([1, ...ids], { special: true })).toBe('<s> ab')
  })

  test('without the prefix nothing is added and nothing taken', () => {
    const bare = tokenizerFromGguf(metadata(pieces, scores, { add_space_prefix: false }))
    expect(written(bare, 'ab')).toEqual(['ab'])
    expect(bare.decode(bare.encode(' a'))).toBe(' a')
  })

  test('text that looks like a control or byte token stays text', () => {
    const more = ['</', 's>', '<', '/', 's', '>', '0', 'x', 'A', '<0', '<0x', '<0x0', 'A>']
    const hostile = tokenizerFromGguf(
      metadata(
        [...pieces, ...more],
        [...pieces, ...more].map(() => -1),
      ),
    )
    const ids = hostile.encode('</s><0x0A>', NO_SPECIAL)
    expect(ids).not.toContain(2)
    expect(ids).not.toContain(HEAD.indexOf('<0x0A>'))
    expect(hostile.decode(ids)).toBe('</s><0x0A>')
    expect(hostile.encode('</s>', { addSpecial: false, parseSpecial: true })).toEqual([2])
  })

  test('a character without token and bytes becomes the unknown token', () => {
    const tokens = ['<unk>', '<s>', '</s>', '▁', 'a']
    const small = tokenizerFromGguf(
      new Map<string, unknown>([
        ['tokenizer.ggml.model', 'llama'],
        ['tokenizer.ggml.tokens', tokens],
        ['tokenizer.ggml.scores', tokens.map((_, id) => -id)],
      ]),
    )
    expect(small.encode('aé')).toEqual([1, 3, 4, 0])
  })

  test.each(['a', ' ', 'é', 'ab '])('a megabyte of %j is not quadratic', bit => {
    const text = bit.repeat(1_000_000 / bit.length)
    const started = performance.now()
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
    expect(performance.now() - started).toBeLessThan(15_000)
  })
})

// The stream decoder: pieces that joined are exactly decode(), and never half a character.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { createStreamDecoder } from '../../src/tokenizer/stream-decoder.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { BYTE_TOKENS, bytePairMetadata } from './small-vocabulary.ts'

const tokens = [...BYTE_TOKENS, '<|end|>', '<tool>', 'ðŁ', 'Ġa', 'Ġ']
const bytePair = tokenizerFromGguf(
  bytePairMetadata(
    { tokens: tokens.slice(0, 260), merges: [] },
    { token_type: tokens.slice(0, 260).map((_, id) => (id === 256 ? 3 : id === 257 ? 4 : 1)) },
  ),
)
const hex = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
const pieces = ['<unk>', '<s>', '</s>', '▁', 'a', '▁a', 'é▁', ...BYTE_TOKENS.map((_, b) => hex(b))]
const sentencePiece = tokenizerFromGguf(
  new Map<string, unknown>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', pieces],
    ['tokenizer.ggml.scores', pieces.map((_, id) => -id)],
  ]),
)

function stream(tokenizer: Tokenizer, ids: number[], options = {}): string[] {
  const decoder = createStreamDecoder(tokenizer, options)
  return [...ids.map(id => decoder.push(id)), decoder.flush()]
}

const options = fc.record({ special: fc.boolean(), continuation: fc.boolean() })

describe.each([
  ['byte-level BPE', bytePair],
  ['SentencePiece', sentencePiece],
])('the stream decoder over %s', (_, tokenizer) => {
  test('joined pieces are decode() of any ids, broken ones too', () => {
    // Bytes of real characters are mixed in so that whole, cut and impossible sequences all occur.
    const text = fc
      .string({ unit: 'binary', maxLength: 4 })
      .map(t => tokenizer.encode(t, { addSpecial: false }))
    const cut = fc.tuple(text, fc.nat(6)).map(([ids, n]) => ids.slice(0, n))
    const any = fc.array(fc.nat(tokenizer.vocabSize + 2), { maxLength: 3 })
    fc.assert(
      fc.property(fc.array(fc.oneof(text, cut, any)), options, (parts, how) => {
        const ids = parts.flat()
        expect(stream(tokenizer, ids, how).join('')).toBe(tokenizer.decode(ids, how))
      }),
      { numRuns: 1000 },
    )
  })

  test('text of whole characters never shows a replacement character', () => {
    // SentencePiece writes a space as U+2581 and so cannot tell one from it.
    const text = fc.string({ unit: 'grapheme' }).filter(t => !t.includes('\u2581'))
    fc.assert(
      fc.property(text, text => {
        const shown = stream(tokenizer, tokenizer.encode(text, { addSpecial: false }))
        expect(shown.join('')).toBe(text)
        expect(shown.join('').includes('\ufffd')).toBe(text.includes('\ufffd'))
        for (const piece of shown) expect(piece).not.toMatch(/\p{Surrogate}/u)
      }),
    )
  })
})

describe('the stream decoder', () => {
  const bytes = (...list: number[]) => list // the first 256 tokens are the bytes

  test('holds a character back until its last byte', () => {
    expect(stream(bytePair, bytes(0xf0, 0x9f, 0x90, 0x89))).toEqual(['', '', '', '🐉', ''])
  })

  test('shows U+FFFD as soon as a sequence cannot become a character', () => {
    expect(stream(bytePair, bytes(0xe4, 0x41))).toEqual(['', '\ufffdA', ''])
    expect(stream(bytePair, bytes(0xff))).toEqual(['\ufffd', ''])
    expect(stream(bytePair, bytes(0xf0, 0x9f))).toEqual(['', '', '\ufffd'])
  })

  test('control tokens show nothing unless asked for', () => {
    expect(stream(bytePair, [256, 257])).toEqual(['', '<tool>', ''])
    expect(stream(bytePair, [256], { special: true })).toEqual(['<|end|>', ''])
  })

  test('a byte order mark is text', () => {
    expect(stream(bytePair, bytes(0xef, 0xbb, 0xbf))).toEqual(['', '', '\ufeff', ''])
  })

  test('the first space of SentencePiece text goes, of a continuation it stays', () => {
    expect(stream(sentencePiece, [1, 5, 5])).toEqual(['', 'a', ' a', ''])
    expect(stream(sentencePiece, [1, 5, 5], { continuation: true })).toEqual(['', ' a', ' a', ''])
    expect(stream(sentencePiece, [3, 3, 4])).toEqual(['', ' ', 'a', ''])
  })

  test('decodes bytes that lie in shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(2))
    shared.set([0xc3, 0xa9])
    const decoder = createStreamDecoder({ ...bytePair, tokenBytes: () => shared })
    expect(decoder.push(0)).toBe('é')
  })

  test('can be used again after flush', () => {
    const decoder = createStreamDecoder(sentencePiece)
    expect(decoder.push(5) + decoder.flush() + decoder.push(5)).toBe('aa')
  })
})

// What is typed into a chat never becomes a control token: encode() with trusted stretches, on every kind
// of vocabulary.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../../src/tokenizer/from-json.ts'
import { SpecialSplitter } from '../../src/tokenizer/special-splitter.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { splitSpecial } from './cut.ts'
import { EMBEDDED_MODEL, readMetadata } from './gguf-metadata.ts'

const golden = (name: string) =>
  readFileSync(resolve(import.meta.dirname, '../golden/tokenizer', name), 'utf8')

const kinds: [string, Tokenizer, string, number][] = [
  ['a byte-level GGUF', tokenizerFromGguf(readMetadata(EMBEDDED_MODEL)), '<|endoftext|>', 0],
  [
    'a tokenizer.json',
    await tokenizerFromJson(
      golden('ryz-tales.tokenizer.json'),
      golden('ryz-tales.tokenizer_config.json'),
    ),
    '<|endoftext|>',
    0,
  ],
  ['a SentencePiece GGUF', tokenizerFromGguf(sentencePiece()), '</s>', 2],
]

function sentencePiece(): Map<string, unknown> {
  const letters = ['\u2581', ...'abcdefghijklmnopqrstuvwxyz<>/|_'].map(text => [text, -10, 1])
  const bytes = Array.from({ length: 256 }, (_, byte) => [
    `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    0,
    6,
  ])
  const tokens = [
    ['<unk>', 0, 2],
    ['<s>', 0, 3],
    ['</s>', 0, 3],
    ['<tool>', 0, 4],
    ['\u2581a', -1, 1],
    ...letters,
    ...bytes,
  ]
  return new Map<string, unknown>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', tokens.map(t => t[0])],
    ['tokenizer.ggml.scores', tokens.map(t => t[1])],
    ['tokenizer.ggml.token_type', tokens.map(t => t[2])],
    ['tokenizer.ggml.bos_token_id', 1],
    ['tokenizer.ggml.eos_token_id', 2],
  ])
}

describe.each(kinds)('%s', (_, tokenizer, name, id) => {
  const encode = (text: string, trusted?: { start: number; end: number }[]) =>
    tokenizer.encode(text, { addSpecial: false, parseSpecial: true, trusted })

  test('reads a control token where the text is trusted, and letters where it is not', () => {
    expect(encode(`a${name}b`)).toContain(id)
    expect(encode(`a${name}b`, [{ start: 0, end: name.length + 2 }])).toContain(id)
    const typed = encode(`a${name}b`, [])
    expect(typed).not.toContain(id)
    expect(typed).toEqual(tokenizer.encode(`a${name}b`, { addSpecial: false }))
    expect(tokenizer.decode(typed)).toBe(`a${name}b`)
  })

  test('never joins a control token over the edge of a trusted stretch', () => {
    for (let cut = 1; cut < name.length; cut++) {
      expect(encode(name, [{ start: 0, end: cut }])).not.toContain(id)
      expect(encode(name, [{ start: cut, end: name.length }])).not.toContain(id)
      const both = [
        { start: 0, end: cut },
        { start: cut, end: name.length },
      ]
      expect(encode(name, both)).not.toContain(id)
    }
  })

  test('typed text between control tokens is the same ids as that text alone, continued', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab <|>/', name) }), typed => {
        const text = `${name}${typed}${name}`
        const trusted = [
          { start: 0, end: name.length },
          { start: text.length - name.length, end: text.length },
        ]
        const ids = encode(text, trusted)
        expect([ids[0], ids.at(-1)]).toEqual([id, id])
        expect(ids.slice(1, -1)).not.toContain(id)
        expect(tokenizer.decode(ids, { continuation: true }).trimStart()).toBe(typed.trimStart())
      }),
      { numRuns: 100 },
    )
  })
})

describe('a splitter', () => {
  const splitter = new SpecialSplitter([
    { text: '<a>', id: 1 },
    { text: '<a><b>', id: 2 },
    { text: '  ', id: 3 },
  ])

  test('takes the longest token that is trusted as a whole', () => {
    expect(splitSpecial(splitter, '<a><b>')).toEqual([2])
    expect(splitSpecial(splitter, '<a><b>', [{ start: 0, end: 4 }])).toEqual([1, '<b>'])
    expect(splitSpecial(splitter, '<a><b>', [{ start: 3, end: 6 }])).toEqual(['<a><b>'])
  })

  test('finds layout everywhere', () => {
    expect(splitSpecial(splitter, 'x  <a>  ', [])).toEqual(['x', 3, '<a>', 3])
  })
})

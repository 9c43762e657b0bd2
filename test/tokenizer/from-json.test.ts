// tokenizer.json of both families: facts from the files beside it, special tokens, bytes and decoding.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../../src/tokenizer/from-json.ts'
import { createStreamDecoder } from '../../src/tokenizer/stream-decoder.ts'
import { EMBEDDED_MODEL, readMetadata } from './gguf-metadata.ts'
import { anything, tricky } from './small-vocabulary.ts'

const golden = (name: string) =>
  readFileSync(resolve(import.meta.dirname, '../golden/tokenizer', name), 'utf8')
const ryzTales = golden('ryz-tales.tokenizer.json')
const ryzConfig = golden('ryz-tales.tokenizer_config.json')

describe('ryz-tales', () => {
  test('reads the same through tokenizer.json and through GGUF', async () => {
    const json = await tokenizerFromJson(ryzTales, ryzConfig)
    const gguf = tokenizerFromGguf(readMetadata(EMBEDDED_MODEL))
    const special = fc.constantFrom('', '<|bos|>', '<|endoftext|>')
    // The library's \s is JavaScript's: these two differ from the Unicode property.
    const text = fc.oneof(tricky, anything).map(t => t.replace(/[\u0085\ufeff]/g, ''))
    fc.assert(
      fc.property(text, special, text, fc.boolean(), (a, name, b, parseSpecial) => {
        const ids = json.encode(a + name + b, { parseSpecial })
        expect(ids).toEqual(gguf.encode(a + name + b, { parseSpecial }))
        expect(json.decode(ids, { special: true })).toBe(gguf.decode(ids, { special: true }))
      }),
      { numRuns: 300 },
    )
    for (let id = 0; id < json.vocabSize; id++) {
      expect(json.tokenBytes(id)).toEqual(gguf.tokenBytes(id))
      expect(json.isSpecial(id)).toBe(gguf.isSpecial(id))
    }
  })

  test('adds bos when only the post-processor says so', async () => {
    const config = JSON.stringify({ bos_token: { content: '<|bos|>' }, eos_token: '<|endoftext|>' })
    const tokenizer = await tokenizerFromJson(ryzTales, config)
    expect(tokenizer.addBos).toBe(true)
    expect(tokenizer.addEos).toBe(false)
    expect(tokenizer.encode('')).toEqual([1])
  })

  test('follows the configuration when it contradicts the post-processor', async () => {
    const config = JSON.parse(ryzConfig) as object
    const changed = JSON.stringify({ ...config, add_bos_token: false, add_eos_token: true })
    const tokenizer = await tokenizerFromJson(ryzTales, changed)
    expect(tokenizer.encode('')).toEqual([0])
  })

  test('takes every end token of generation_config.json, eos first', async () => {
    const more = { generationConfig: { bos_token_id: 1, eos_token_id: [5, 0, 7, 99_999] } }
    expect([...(await tokenizerFromJson(ryzTales, ryzConfig, more)).endTokens]).toEqual([0, 5, 7])
    const alone = await tokenizerFromJson(ryzTales, undefined, more)
    expect(alone.bos).toBe(1)
    expect([...alone.endTokens]).toEqual([5, 0, 7])
  })

  test('finds the chat template wherever it is', async () => {
    const template = async (chat_template: unknown, chatTemplate?: string) =>
      (await tokenizerFromJson(ryzTales, JSON.stringify({ chat_template }), { chatTemplate }))
        .chatTemplate
    expect(await template('one')).toBe('one')
    expect(await template('one', 'own file')).toBe('own file')
    const list = [
      { name: 'tool_use', template: 'two' },
      { name: 'default', template: 'three' },
    ]
    expect(await template(list)).toBe('three')
    expect(await template(undefined)).toBeUndefined()
  })
})

describe('a SentencePiece tokenizer.json', () => {
  const hex = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
  const bytes = Array.from({ length: 256 }, (_, byte) => hex(byte))
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, '▁', 'a', 'b', '▁a', 'ab', '▁ab']
  const special = (id: number) => ({ id, content: tokens[id], special: true, normalized: false })
  const base = {
    added_tokens: [
      special(0),
      special(1),
      special(2),
      { id: 265, content: '<tool>', special: false },
    ],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      byte_fallback: true,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: ['▁ a', 'a b', '▁a b', '▁ ab'],
    },
  }
  const config = JSON.stringify({ bos_token: '<s>', eos_token: '</s>' })
  const open = () => tokenizerFromJson(JSON.stringify(base), config)

  test('encodes with byte fallback and decodes without the added space', async () => {
    const tokenizer = await open()
    const ids = tokenizer.encode('ab é')
    expect(ids.map(id => tokenizer.tokenText(id))).toEqual(['<s>', '▁ab', '▁', '<0xC3>', '<0xA9>'])
    expect(tokenizer.decode(ids)).toBe('ab é')
    expect(tokenizer.decode(ids, { continuation: true })).toBe(' ab é')
    const stream = createStreamDecoder(tokenizer)
    expect(ids.map(id => stream.push(id))).toEqual(['', 'ab', ' ', '', 'é'])
    expect([...tokenizer.endTokens]).toEqual([2])
  })

  test('gives the ids of the same vocabulary in GGUF', async () => {
    const tokenizer = await open()
    const gguf = tokenizerFromGguf(
      new Map<string, unknown>([
        ['tokenizer.ggml.model', 'llama'],
        ['tokenizer.ggml.tokens', tokens],
        ['tokenizer.ggml.scores', tokens.map(t => ({ '▁a': -1, ab: -2, '▁ab': -3 })[t] ?? -9)],
      ]),
    )
    const text = fc.array(fc.constantFrom('a', 'b', ' ', 'é', '🐉', '\n'), { maxLength: 12 })
    fc.assert(
      fc.property(text, parts => {
        const joined = parts.join('')
        expect(tokenizer.encode(joined)).toEqual(gguf.encode(joined))
        expect(tokenizer.decode(tokenizer.encode(joined))).toBe(joined)
      }),
    )
  })

  test('keeps written-out special tokens as text unless asked', async () => {
    const tokenizer = await open()
    expect(tokenizer.encode('a</s>', { addSpecial: false, parseSpecial: true }).at(-1)).toBe(2)
    const ids = tokenizer.encode('a</s>', { addSpecial: false })
    expect(ids).not.toContain(2)
    expect(tokenizer.decode(ids)).toBe('a</s>')
    expect(tokenizer.encode('<tool>', { addSpecial: false })).toEqual([265])
    expect(tokenizer.decode([265])).toBe('<tool>')
    expect(tokenizer.isSpecial(265)).toBe(false)
  })

  test('of the Metaspace kind does the same', async () => {
    const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false }
    const json = { ...base, normalizer: null, pre_tokenizer: metaspace, decoder: metaspace }
    const tokenizer = await tokenizerFromJson(JSON.stringify(json), config)
    expect(tokenizer.encode('ab a').map(id => tokenizer.tokenText(id))).toEqual([
      '<s>',
      '▁ab',
      '▁a',
    ])
    expect(tokenizer.decode(tokenizer.encode('ab a'))).toBe('ab a')
  })

  test('of the Unigram kind finds the likeliest pieces', async () => {
    const scores: Record<string, number> = { a: -3, b: -3, ab: -5, '▁a': -2, '▁ab': -4, '▁': -2 }
    const vocab = tokens.map(token => [token, scores[token] ?? -20])
    const model = { type: 'Unigram', unk_id: 0, byte_fallback: true, vocab }
    const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' }
    const json = { ...base, normalizer: null, pre_tokenizer: metaspace, decoder: metaspace, model }
    const tokenizer = await tokenizerFromJson(JSON.stringify(json), config)
    const ids = tokenizer.encode('abab')
    expect(ids.map(id => tokenizer.tokenText(id))).toEqual(['<s>', '▁ab', 'ab'])
    expect(tokenizer.decode(ids)).toBe('abab')
  })
})

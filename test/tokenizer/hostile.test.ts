// Damaged and hostile tokenizers: each ends in its code, none in a crash.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RyzError } from '../../src/errors.ts'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../../src/tokenizer/from-json.ts'
import { BYTE_TOKENS, bytePairMetadata } from './small-vocabulary.ts'

const good = { tokens: [...BYTE_TOKENS, 'ab', '<|end|>'], merges: ['a b'] }

function codeOf(more: Record<string, unknown>): string {
  const metadata = bytePairMetadata(good, more)
  for (const [key, value] of metadata) if (value === undefined) metadata.delete(key)
  return codeFrom(() => tokenizerFromGguf(metadata))
}

function codeFrom(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof RyzError) return error.code
    throw error
  }
  return 'none'
}

describe('a GGUF vocabulary', () => {
  test('that is sound is accepted', () => expect(codeOf({})).toBe('none'))

  test.each([
    ['no tokenizer at all', { model: undefined }, 'TOKENIZER_MISSING'],
    ['a tokenizer called none', { model: 'none' }, 'TOKENIZER_MISSING'],
    ['no tokens', { tokens: undefined }, 'TOKENIZER_MISSING'],
    ['an unknown kind', { model: 'bert' }, 'TOKENIZER_INVALID'],
    ['a kind that is no string', { model: 7 }, 'TOKENIZER_INVALID'],
    ['an unknown pre-tokenizer', { pre: 'tekken' }, 'UNSUPPORTED_FEATURE'],
    ['a pre-tokenizer named __proto__', { pre: '__proto__' }, 'UNSUPPORTED_FEATURE'],
    ['a pre-tokenizer that is a number', { pre: 3 }, 'TOKENIZER_INVALID'],
    ['no merges', { merges: undefined }, 'TOKENIZER_INVALID'],
    ['merges of numbers', { merges: [1, 2] }, 'TOKENIZER_INVALID'],
    ['a merge of an unknown token', { merges: ['a b', 'ab zz'] }, 'TOKENIZER_INVALID'],
    ['a merge into an unknown token', { merges: ['a c'] }, 'TOKENIZER_INVALID'],
    ['a merge of one part', { merges: ['ab'] }, 'TOKENIZER_INVALID'],
    ['duplicate tokens', { tokens: [...good.tokens, 'ab'] }, 'TOKENIZER_INVALID'],
    ['a token that is a number', { tokens: [...good.tokens, 5] }, 'TOKENIZER_INVALID'],
    ['an empty list of tokens', { tokens: [] }, 'TOKENIZER_INVALID'],
    ['too few token types', { token_type: new Int32Array(3) }, 'TOKENIZER_INVALID'],
    ['token types that are text', { token_type: 'normal' }, 'TOKENIZER_INVALID'],
    ['a bos out of range', { bos_token_id: 258 }, 'TOKENIZER_INVALID'],
    ['an eos out of range', { eos_token_id: 1n << 40n }, 'TOKENIZER_INVALID'],
    ['an eot that is text', { eot_token_id: '1' }, 'TOKENIZER_INVALID'],
    ['add_bos without bos', { add_bos_token: true }, 'TOKENIZER_INVALID'],
    ['add_eos that is a number', { add_eos_token: 1 }, 'TOKENIZER_INVALID'],
  ] as [string, Record<string, unknown>, string][])('with %s is refused', (_, more, code) => {
    expect(codeOf(more)).toBe(code)
  })

  test('names the pre-tokenizer it does not know', () => {
    expect(() => tokenizerFromGguf(bytePairMetadata(good, { pre: 'smaug-bpe' }))).toThrow(
      /"smaug-bpe"/,
    )
  })

  test('of any values at all ends in a code, never a crash', () => {
    const keys = [
      'model',
      'pre',
      'tokens',
      'merges',
      'token_type',
      'scores',
      'bos_token_id',
      'add_bos_token',
    ]
    const value = fc.oneof(
      fc.anything(),
      fc.constantFrom('gpt2', 'llama', true, 1),
      fc.array(fc.constantFrom('a', 'b', 'ab', 'a b', '', ' ', '<0x41>', '<0xZZ>'), {
        maxLength: 4,
      }),
      fc.array(fc.integer({ min: -1, max: 7 }), { maxLength: 4 }),
      fc.float32Array({ maxLength: 4 }),
    )
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), value), fc.boolean(), (more, bare) => {
        const metadata = bare
          ? new Map(Object.entries(more).map(([key, v]) => [`tokenizer.ggml.${key}`, v] as const))
          : bytePairMetadata(good, more)
        const code = codeFrom(() => tokenizerFromGguf(metadata).encode('ab ä'))
        expect(['none', 'TOKENIZER_INVALID', 'TOKENIZER_MISSING', 'UNSUPPORTED_FEATURE']).toContain(
          code,
        )
      }),
      { numRuns: 2000 },
    )
  })

  test('of SentencePiece needs scores that are numbers', () => {
    const metadata = new Map<string, unknown>([
      ['tokenizer.ggml.model', 'llama'],
      ['tokenizer.ggml.tokens', ['<unk>', '<s>', '</s>', 'a']],
    ])
    expect(codeFrom(() => tokenizerFromGguf(metadata))).toBe('TOKENIZER_INVALID')
    metadata.set('tokenizer.ggml.scores', [0, 0, 0, Number.NaN])
    expect(codeFrom(() => tokenizerFromGguf(metadata))).toBe('TOKENIZER_INVALID')
    metadata.set('tokenizer.ggml.scores', [0, 0, 0, 0])
    metadata.set('tokenizer.ggml.token_type', [2, 3, 3, 6])
    expect(codeFrom(() => tokenizerFromGguf(metadata))).toBe('TOKENIZER_INVALID')
  })

  test('accepts 2^32 - 1 as "no such token" and ids as bigints', () => {
    const tokenizer = tokenizerFromGguf(
      bytePairMetadata(good, { bos_token_id: 0xffffffff, eos_token_id: 257n }),
    )
    expect(tokenizer.bos).toBeUndefined()
    expect([...tokenizer.endTokens]).toEqual([257])
  })
})

describe('a tokenizer', () => {
  const tokenizer = tokenizerFromGguf(bytePairMetadata(good))

  test('refuses what is no text and what is no id', () => {
    expect(codeFrom(() => tokenizer.encode(5 as unknown as string))).toBe('BAD_OPTION')
    for (const id of [-1, 1.5, Number.NaN]) {
      expect(codeFrom(() => tokenizer.decode([id]))).toBe('BAD_OPTION')
      expect(codeFrom(() => tokenizer.tokenBytes(id))).toBe('BAD_OPTION')
    }
  })

  test('takes a word of a million characters beyond the basic plane', () => {
    const emoji = tokenizerFromGguf(bytePairMetadata(good, { pre: 'llama-bpe' }))
    expect(emoji.encode('🐉'.repeat(1_000_000))).toHaveLength(4_000_000)
  })

  test('gives ids beyond the vocabulary, of padded tables, no text', () => {
    expect(tokenizer.decode([256, 9999])).toBe('ab')
    expect(tokenizer.isSpecial(9999)).toBe(true)
    expect(tokenizer.tokenText(9999)).toBe('')
  })
})

describe('a tokenizer.json', () => {
  const golden = (name: string) =>
    readFileSync(resolve(import.meta.dirname, '../golden/tokenizer', name), 'utf8')
  const sound = {
    version: '1.0',
    added_tokens: [{ id: 257, content: '<|end|>', special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(good.tokens.map((token, id) => [token, id])) as object,
      merges: ['a b'] as unknown,
    },
  }
  const code = async (json: string, config?: string, extra = {}) => {
    try {
      await tokenizerFromJson(json, config, extra)
    } catch (error) {
      if (error instanceof RyzError) return error.code
      throw error
    }
    return 'none'
  }
  const withModel = (more: object) =>
    JSON.stringify({ ...sound, model: { ...sound.model, ...more } })

  test('that is sound is accepted', async () =>
    expect(await code(JSON.stringify(sound))).toBe('none'))

  test.each([
    ['an HTML page', '<html>'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['an empty object', '{}'],
    ['no model', JSON.stringify({ ...sound, model: null })],
    ['no vocabulary', withModel({ vocab: null })],
    ['no merges', withModel({ merges: undefined })],
    ['merges that are a number', withModel({ merges: 5 })],
    ['a merge of unknown tokens', withModel({ merges: ['x zz'] })],
    ['a merge of three', withModel({ merges: [['a', 'b', 'c']] })],
    ['a huge id', withModel({ vocab: { a: 4e9, b: 1, ab: 2 } })],
    ['a negative id', withModel({ vocab: { a: -1, b: 1, ab: 2 } })],
    ['an id twice', withModel({ vocab: { a: 1, b: 1, ab: 2 } })],
    ['an added token without content', JSON.stringify({ ...sound, added_tokens: [{ id: 1 }] })],
    [
      'an added token with a huge id',
      JSON.stringify({ ...sound, added_tokens: [{ id: 1e9, content: 'x' }] }),
    ],
  ])('with %s is refused', async (_, json) => {
    expect(await code(json)).toBe('TOKENIZER_INVALID')
  })

  const split = (Regex: string, more = {}) => ({
    pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Isolated', ...more },
  })
  test.each([
    ['a model of words', { model: { type: 'WordPiece', vocab: {} } }, 'WordPiece'],
    ['an unknown decoder', { decoder: { type: 'CTC' } }, 'CTC'],
    ['an unknown pre-tokenizer', { pre_tokenizer: { type: 'Magic' } }, 'Magic'],
    ['an unknown normalizer', { normalizer: { type: 'Precompiled' } }, 'Precompiled'],
    ['an unknown post-processor', { post_processor: { type: 'Magic' } }, 'Magic'],
    ['dropout', { model: { ...sound.model, dropout: 0.1 } }, 'dropout'],
    ['suffixes', { model: { ...sound.model, end_of_word_suffix: '</w>' } }, 'end_of_word_suffix'],
    ['a back reference', split('(a)\\1'), '\\\\1'],
    ['a repetition of nothing', split('(a*)*'), 'may be empty'],
    ['an atomic group', split('(?>ab)'), 'atomic'],
    ['a property nobody knows', split('\\p{Klingon}'), 'Klingon'],
    ['an unknown behavior', split('a', { behavior: 'Magic' }), 'Magic'],
    ['a pattern of a million steps', split('((a{100}){100}){100}'), 'written out'],
    [
      'a letter that becomes a million',
      { normalizer: { type: 'Replace', pattern: { String: 'a' }, content: 'b'.repeat(1e6) } },
      '1000000 characters',
    ],
    [
      'an added token of a million letters',
      { added_tokens: [{ id: 300, content: 'a'.repeat(1e6) }] },
      '1000000 characters',
    ],
  ])('with %s is refused by name', async (_, more, name) => {
    const json = JSON.stringify({ ...sound, ...more })
    expect(await code(json)).toBe('UNSUPPORTED_FEATURE')
    await expect(async () => tokenizerFromJson(json)).rejects.toThrow(new RegExp(name))
  })

  test('that is a page of HTML says so', async () => {
    await expect(async () => tokenizerFromJson('\n<!DOCTYPE html><html>')).rejects.toThrow(
      /tokenizer.json is a page of HTML.*<!DOCTYPE html>/,
    )
  })

  test('with a broken configuration is refused', async () => {
    expect(await code(JSON.stringify(sound), '{')).toBe('TOKENIZER_INVALID')
    const generationConfig = { eos_token_id: ['x'] }
    expect(await code(JSON.stringify(sound), '{}', { generationConfig })).toBe('TOKENIZER_INVALID')
  })

  test('cut anywhere is refused, and mutated never crashes', async () => {
    const whole = golden('ryz-tales.tokenizer.json')
    const short = JSON.stringify(sound)
    expect(await code(whole.slice(0, whole.length >> 1))).toBe('TOKENIZER_INVALID')
    await fc.assert(
      fc.asyncProperty(fc.nat(short.length - 1), fc.nat(40), fc.string(), async (at, cut, put) => {
        const outcome = await code(short.slice(0, at) + put + short.slice(at + cut))
        expect(['none', 'TOKENIZER_INVALID', 'UNSUPPORTED_FEATURE']).toContain(outcome)
      }),
      { numRuns: 300 },
    )
  })

  test('may hold __proto__ as a token', async () => {
    const json = JSON.stringify(sound).replace('"ab":256', '"ab":256,"__proto__":258')
    const tokenizer = await tokenizerFromJson(json)
    expect(tokenizer.vocabSize).toBe(259)
    expect(tokenizer.tokenText(258)).toBe('__proto__')
    expect(tokenizer.decode([258, 256])).toBe('__proto__ab')
  })
})

describe('more tokens than the embedding has rows', () => {
  const model = {
    type: 'BPE',
    vocab: Object.fromEntries(BYTE_TOKENS.map((token, id) => [token, id])),
    merges: [],
  }
  const added = [
    { id: 256, content: '<|end|>', special: true },
    { id: 257, content: '<pad>', special: true },
  ]
  const json = JSON.stringify({
    added_tokens: added,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
    decoder: { type: 'ByteLevel' },
    model,
  })

  test('is refused of a GGUF file, with both figures', () => {
    const metadata = bytePairMetadata(good)
    expect(tokenizerFromGguf(metadata, 258).vocabSize).toBe(258)
    expect(codeFrom(() => tokenizerFromGguf(metadata, 257))).toBe('TOKENIZER_INVALID')
    expect(() => tokenizerFromGguf(metadata, 257)).toThrow(/258 tokens and its embedding 257 rows/)
  })

  test('is refused of the model in a tokenizer.json', () => {
    expect(codeFrom(() => tokenizerFromJson(json, undefined, { rows: 255 }))).toBe(
      'TOKENIZER_INVALID',
    )
  })

  test('leaves added tokens out and says so: their text is text', () => {
    const tokenizer = tokenizerFromJson(json, '{"pad_token":"<pad>"}', { rows: 257 })
    expect(tokenizer.vocabSize).toBe(257)
    expect(tokenizer.notes).toEqual([
      'The added tokens 257 "<pad>" of tokenizer.json have no row in the embedding of 257; they are left out',
    ])
    const options = { addSpecial: false, parseSpecial: true }
    expect(tokenizer.encode('<|end|>', options)).toEqual([256])
    expect(tokenizer.encode('<pad>', options)).toHaveLength(5)
    expect(tokenizerFromJson(json, undefined, { rows: 300 }).notes).toEqual([])
  })
})

describe('a vocabulary that is meant to fill the memory', () => {
  test.each([
    ['a token of a million letters', { tokens: [...good.tokens, 'x'.repeat(1e6)] }],
    ['a list of types for another count', { token_type: new Int32Array(1000) }],
  ])('with %s is refused', (_, more) => {
    expect(codeOf(more as Record<string, unknown>)).toBe('TOKENIZER_INVALID')
  })

  test('has at most a million tokens and two million merges', () => {
    const many = Array.from({ length: 1024 * 1024 + 1 }, (_, i) => `t${i}`)
    expect(() => tokenizerFromGguf(bytePairMetadata({ tokens: many, merges: [] }))).toThrow(
      /1048577 tokens and the limit is 1048576/,
    )
    const merges = new Array(2 * 1024 * 1024 + 1).fill('a b')
    expect(() => tokenizerFromGguf(bytePairMetadata({ ...good, merges }))).toThrow(
      /2097153 merges, the limit is 2097152/,
    )
  })
})

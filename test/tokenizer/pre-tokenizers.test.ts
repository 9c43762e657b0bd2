// Every pre-tokenizer against @huggingface/tokenizers running the expressions of the models' own
// tokenizer.json, over small random vocabularies.
import { Tokenizer as Oracle } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToChars } from '../../src/tokenizer/byte-alphabet.ts'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { preTokenizer } from '../../src/tokenizer/pre-tokenizers.ts'
import { cut } from './cut.ts'
import { bytePairMetadata, randomMerges, TRICKY_BITS, tricky } from './small-vocabulary.ts'

const split = (Regex: string) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated' })
const bytes = (use_regex: boolean) => ({ type: 'ByteLevel', add_prefix_space: false, use_regex })

// As published: Llama 3 and Falcon 3 / Falcon-E, Qwen 2, Falcon; "default" has no model of its own.
const LLAMA3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const QWEN2 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const DIGITS = split('[0-9][0-9][0-9]')
const llama3 = { steps: [split(LLAMA3), bytes(false)], ignoreMerges: true }
const schemes: Record<string, { steps: object[]; ignoreMerges: boolean; form?: 'NFC' }> = {
  'gpt-2': { steps: [bytes(true)], ignoreMerges: false },
  'llama-bpe': llama3,
  llama3,
  falcon3: llama3,
  falcon_e: llama3,
  qwen2: { steps: [split(QWEN2), bytes(false)], ignoreMerges: false, form: 'NFC' },
  falcon: {
    steps: [{ type: 'Punctuation', behavior: 'Contiguous' }, bytes(true), DIGITS],
    ignoreMerges: false,
  },
  default: {
    steps: [split('[\\p{P}$+<=>^~|]+'), split(GPT2), split('\\p{N}+'), DIGITS, bytes(false)],
    ignoreMerges: false,
  },
}

describe.each(Object.entries(schemes))('pre-tokenizer %s', (pre, { steps, ignoreMerges, form }) => {
  const texts = [
    'hello World',
    "it's WE'LL 123456",
    ...TRICKY_BITS,
    'aaaaaa',
    '你好 🐉🐉',
    '\n\n  \n',
  ]
  const vocabulary = randomMerges(texts, 160, 7)
  // Words that no merge reaches: only a scheme that ignores merges finds them.
  vocabulary.tokens.push('hellohello', 'ĠBBB')
  const oracle = new Oracle(
    {
      added_tokens: [],
      normalizer: form ? { type: form } : null,
      pre_tokenizer: { type: 'Sequence', pretokenizers: steps },
      post_processor: null,
      decoder: { type: 'ByteLevel' },
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(vocabulary.tokens.map((token, id) => [token, id])),
        merges: vocabulary.merges,
        ignore_merges: ignoreMerges,
      },
    },
    {},
  )
  const ours = tokenizerFromGguf(bytePairMetadata(vocabulary, { pre }))

  test('gives the ids of the oracle for random text', () => {
    fc.assert(
      fc.property(tricky, text => {
        const ids = ours.encode(text, { addSpecial: false })
        expect(ids).toEqual(oracle.encode(text, { add_special_tokens: false }).ids)
        expect(ours.decode(ids)).toBe(form ? text.normalize(form) : text)
      }),
      { numRuns: 400 },
    )
  })

  test('cuts words where the oracle does', () => {
    fc.assert(
      fc.property(tricky, text => {
        const words = cut(text, preTokenizer(pre).cutters)
        const bytesOf = (word: string) => bytesToChars(new TextEncoder().encode(word))
        const expected = text === '' ? [] : oracle.pre_tokenizer!.pre_tokenize(text)
        expect(words.map(bytesOf)).toEqual(expected)
      }),
      { numRuns: 1000 },
    )
  })

  test('takes a word that is a token whole only if the scheme says so', () => {
    const whole = vocabulary.tokens.indexOf('hellohello')
    expect(ours.encode('hellohello', { addSpecial: false }).includes(whole)).toBe(ignoreMerges)
  })

  test('loses no character', () => {
    fc.assert(
      fc.property(tricky, text => {
        expect(cut(text, preTokenizer(pre).cutters).join('')).toBe(text)
      }),
    )
  })
})

describe('white space', () => {
  test('is the Unicode property: next line is, the byte order mark is not', () => {
    expect(cut('a\u0085b', preTokenizer('gpt-2').cutters)).toEqual(['a', '\u0085', 'b'])
    expect(cut('a \ufeffb', preTokenizer('gpt-2').cutters)).toEqual(['a', ' \ufeff', 'b'])
    expect(cut('a\u0085\u0085b', preTokenizer('llama3').cutters)).toEqual([
      'a',
      '\u0085',
      '\u0085b',
    ])
  })

  test('before a word keeps its last character with the word', () => {
    expect(cut('a   b', preTokenizer('gpt-2').cutters)).toEqual(['a', '  ', ' b'])
    expect(cut('a   ', preTokenizer('gpt-2').cutters)).toEqual(['a', '   '])
    expect(cut('a \n b', preTokenizer('llama3').cutters)).toEqual(['a', ' \n', ' b'])
  })
})

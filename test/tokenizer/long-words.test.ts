// Long words go through windows and come out as they would whole; work is counted in steps of the budget,
// never in time.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TextListWriter } from '../../src/text-list.ts'
import type { Budget } from '../../src/tokenizer/budget.ts'
import { bytePairEncoder, MergeTable } from '../../src/tokenizer/byte-pair.ts'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../../src/tokenizer/from-json.ts'
import { scoreRanks, sentencePieceEncoder } from '../../src/tokenizer/sentence-piece.ts'
import { TokenIndex } from '../../src/tokenizer/token-index.ts'
import { unigramEncoders } from '../../src/tokenizer/unigram.ts'
import { unitsOf } from '../../src/tokenizer/units.ts'
import type { WordEncoder } from '../../src/tokenizer/word-merger.ts'
import { BYTE_TOKENS, bytePairMetadata } from './small-vocabulary.ts'

function vocabulary(texts: readonly string[]) {
  const list = new TextListWriter(texts.length)
  for (const text of texts) list.add(text)
  const all = list.take()
  const index = new TokenIndex(all)
  for (const id of texts.keys()) index.add(id)
  return { texts: all, index }
}

function encode(encoder: WordEncoder, text: string, slice = 100): number[] {
  const out: number[] = []
  const units = unitsOf(text)
  if (encoder.word(units, 0, units.length, out)) return out
  const budget: Budget = { left: slice }
  for (const _ of encoder.long(units, 0, units.length, out, budget)) budget.left = slice
  return out
}

/** Tokens of two letters and a dragon, made by random merges; ranks in random order. */
const merges = fc
  .array(fc.tuple(fc.nat(40), fc.nat(40)), { minLength: 1, maxLength: 25 })
  .map(pairs => {
    const tokens = ['a', 'b', '🐉']
    const list: [number, number, number][] = []
    for (const [l, r] of pairs) {
      const [left, right] = [l % tokens.length, r % tokens.length]
      const text = tokens[left]! + tokens[right]!
      if (text.length > 24) continue
      if (!tokens.includes(text)) tokens.push(text)
      list.push([left, right, tokens.indexOf(text)])
    }
    return { tokens, list }
  })
const word = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'aa', '🐉'), { minLength: 1, maxLength: 120 })
  .map(parts => parts.join(''))

describe('a word in windows', () => {
  test('of byte pairs is the word as a whole', () => {
    fc.assert(
      fc.property(
        merges,
        word,
        fc.shuffledSubarray([...Array(25).keys()], { minLength: 25 }),
        (made, text, order) => {
          const { index } = vocabulary(made.tokens)
          const table = new MergeTable(25)
          for (const [i, pair] of made.list.entries()) table.add(...pair, order[i]!)
          const options = { merges: table, index, byteLevel: false, longest: 24 }
          expect(encode(bytePairEncoder(options, 8), text)).toEqual(
            encode(bytePairEncoder(options), text),
          )
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('of scored pieces is the word as a whole', () => {
    fc.assert(
      fc.property(merges, word, fc.infiniteStream(fc.nat(6)), ({ tokens }, text, stream) => {
        const { index } = vocabulary(tokens)
        const ranks = scoreRanks(tokens.map(() => -stream.next().value!))
        const options = {
          index,
          ordinary: () => true,
          longest: 24,
          ranks,
          idOfByte: new Int32Array(256).fill(-1),
          unknown: 99,
        }
        expect(encode(sentencePieceEncoder(options, 8), text)).toEqual(
          encode(sentencePieceEncoder(options), text),
        )
      }),
      { numRuns: 2000 },
    )
  })

  test('of a chain of merges that runs back from its end is the word as a whole', () => {
    // Which pairs merge is decided at the far end: no window but the whole word will do.
    const letters = Array.from({ length: 60 }, (_, i) => String.fromCharCode(0x4e00 + i))
    const pairs = letters.slice(1).map((letter, i) => letters[i]! + letter)
    const { index } = vocabulary([...letters, ...pairs])
    const table = new MergeTable(59)
    for (let i = 0; i < 59; i++) table.add(i, i + 1, 60 + i, 58 - i)
    const options = { merges: table, index, byteLevel: false, longest: 2 }
    for (const text of [letters.join(''), letters.slice(0, 59).join('')]) {
      expect(encode(bytePairEncoder(options, 8), text)).toEqual(
        encode(bytePairEncoder(options), text),
      )
    }
  })

  test('of unigrams is the likeliest way', () => {
    fc.assert(
      fc.property(
        merges,
        word,
        fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
        ({ tokens }, text, stream) => {
          const { texts } = vocabulary(['?', ...tokens])
          const scores = Float64Array.from(['?', ...tokens], () => -stream.next().value! / 8)
          const ordinary = tokens.map((_, i) => i + 1)
          const options = { texts, ordinary, scores, unknown: 0 }
          const ids = encode(unigramEncoders(options, 8)(), text)
          expect(ids).toEqual(encode(unigramEncoders(options)(), text))
          expect(ids.map(id => tokens[id - 1]).join('')).toBe(text)
          expect(ids.reduce((sum, id) => sum + scores[id]!, 0)).toBeCloseTo(
            best(text, tokens, scores),
            9,
          )
        },
      ),
      { numRuns: 1000 },
    )
  })
})

/** The highest sum of scores, by the definition. */
function best(text: string, tokens: readonly string[], scores: Float64Array): number {
  const sums = [0]
  for (let end = 1; end <= text.length; end++) {
    sums[end] = Math.max(
      ...tokens.map((token, i) => {
        const fits = token.length <= end && text.startsWith(token, end - token.length)
        return fits ? sums[end - token.length]! + scores[i + 1]! : Number.NEGATIVE_INFINITY
      }),
      Number.NEGATIVE_INFINITY,
    )
  }
  return sums[text.length]!
}

const marks = {
  type: 'Sequence',
  decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }],
}
const letters = [
  '<unk>',
  '▁',
  ...'abcdefgh\n',
  '🐉',
  'é',
  'ab',
  '▁ab',
  'abab',
  'aa',
  'aaaa',
  '▁▁',
  '▁▁▁▁',
]
const openers: Record<string, () => ReturnType<typeof tokenizerFromGguf>> = {
  ...Object.fromEntries(
    ['gpt-2', 'llama-bpe', 'default', 'qwen2', 'falcon'].map(pre => [
      `byte pairs, ${pre}`,
      () => {
        const tokens = [...BYTE_TOKENS, 'aa', 'aaaa', 'ab', 'abab', 'ĠĠ', 'ĠĠĠĠ']
        const merges = ['a a', 'aa aa', 'a b', 'ab ab', 'Ġ Ġ', 'ĠĠ ĠĠ']
        return tokenizerFromGguf(bytePairMetadata({ tokens, merges }, { pre }))
      },
    ]),
  ),
  'SentencePiece, GGUF': () =>
    tokenizerFromGguf(
      new Map<string, unknown>([
        ['tokenizer.ggml.model', 'llama'],
        ['tokenizer.ggml.tokens', letters],
        ['tokenizer.ggml.scores', letters.map((_, id) => -id)],
      ]),
    ),
  'SentencePiece, tokenizer.json': () =>
    tokenizerFromJson(
      JSON.stringify({
        normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        decoder: marks,
        model: {
          type: 'BPE',
          unk_token: '<unk>',
          vocab: Object.fromEntries(letters.map((token, id) => [token, id])),
          merges: ['a b', '▁ ab', 'ab ab', 'a a', 'aa aa', '▁ ▁', '▁▁ ▁▁'],
        },
      }),
    ),
  'Unigram, NFKC': () =>
    tokenizerFromJson(
      JSON.stringify({
        normalizer: { type: 'NFKC' },
        pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'always', split: false },
        decoder: marks,
        model: { type: 'Unigram', unk_id: 0, vocab: letters.map((token, id) => [token, -id]) },
      }),
    ),
  'a pattern that explodes': () =>
    tokenizerFromJson(
      JSON.stringify({
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'Split', pattern: { Regex: '(a+)+$|(a|ab)*c' }, behavior: 'Isolated' },
            { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
          ],
        },
        decoder: { type: 'ByteLevel' },
        model: {
          type: 'BPE',
          vocab: Object.fromEntries(BYTE_TOKENS.map((token, id) => [token, id])),
          merges: [],
        },
      }),
    ),
}

describe.each(Object.entries(openers))('%s', (_, open) => {
  const tokenizer = open()
  /** Slices of equal work. */
  const slices = (text: string) => {
    let count = 0
    const out = { length: 0, push: () => out.length++ }
    for (const _ of tokenizer.encodeInSlices(text, {}, out)) count++
    // Unknown characters in a row are one token.
    expect(out.length).toBeGreaterThan(0)
    return count
  }

  test.each(['a', ' ', '\n', '🐉', 'é', '1', '.', 'ab ', ' \n', 'aaaaaaab'])(
    'takes ten times the steps for ten times as many %j',
    bit => {
      const [one, ten] = [
        slices(bit.repeat(30_000 / bit.length)),
        slices(bit.repeat(300_000 / bit.length)),
      ]
      expect(one).toBeGreaterThan(1)
      expect(ten).toBeLessThan(14 * (one + 1))
    },
  )

  test('any number of texts may be under way', () => {
    const texts = ['ab aab '.repeat(3000), 'a'.repeat(20_000), ' \n'.repeat(9000)]
    const outs = texts.map((): number[] => [])
    const running = texts.map((text, i) => tokenizer.encodeInSlices(text, {}, outs[i]!))
    for (let open = true; open; ) {
      open = false
      for (const run of running) if (!run.next().done) open = true
    }
    expect(outs).toEqual(texts.map(text => tokenizer.encode(text)))
  })
})

// Every component of tokenizer.json against @huggingface/tokenizers where that is right, over small
// random vocabularies; where it is not, against what Hugging Face's own code does, worked out by hand.
import { Tokenizer as Oracle } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tokenizerFromJson } from '../../src/tokenizer/from-json.ts'
import { cuttingOf } from '../../src/tokenizer/json-pipeline.ts'
import { cut } from './cut.ts'
import { mulberry32, randomMerges, TRICKY_BITS, tricky } from './small-vocabulary.ts'

const TEXTS = [
  'hello World',
  "it's WE'LL 123456",
  ...TRICKY_BITS,
  'aaaaaa',
  '你好 🐉🐉',
  '\n\n  \n',
]
const NO_SPECIAL = { addSpecial: false }
const hex = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
const BYTES = Array.from({ length: 256 }, (_, byte) => hex(byte))
const ids = (tokens: readonly string[]) =>
  Object.fromEntries(tokens.map((token, id) => [token, id]))
const split = (Regex: string, behavior = 'Isolated', invert = false) => ({
  type: 'Split',
  pattern: { Regex },
  behavior,
  invert,
})
const byteLevel = (add_prefix_space: boolean, use_regex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space,
  use_regex,
  trim_offsets: true,
})
const sequence = (...pretokenizers: object[]) => ({ type: 'Sequence', pretokenizers })
const normalizers = (...list: object[]) => ({ type: 'Sequence', normalizers: list })

const bytePairs = randomMerges(TEXTS, 200, 7)
const byteModel = {
  type: 'BPE',
  vocab: ids([...bytePairs.tokens, 'hellohello', 'ĠWorldĠ']),
  merges: bytePairs.merges,
}

/** Characters and merges of marked text, as in Llama 2's tokenizer.json. */
function characterModel(more: object = {}) {
  const random = mulberry32(3)
  const marked = TEXTS.map(text => [...text.replaceAll(' ', '▁').replace(/\s/gu, '')])
  const tokens = new Set([
    '<unk>',
    '<s>',
    '</s>',
    ...BYTES,
    '▁',
    ...marked.flat().filter(() => random() < 0.8),
  ])
  const merges: string[] = []
  for (let tries = 0; tries < 3000 && merges.length < 200; tries++) {
    const word = marked[Math.floor(random() * marked.length)]!
    if (word.length < 2) continue
    const at = Math.floor(random() * (word.length - 1))
    const [left, right] = word.slice(at, at + 2) as [string, string]
    if (!tokens.has(left) || !tokens.has(right)) continue
    word.splice(at, 2, left + right)
    tokens.add(left + right)
    if (!merges.includes(`${left} ${right}`)) merges.push(`${left} ${right}`)
  }
  return { type: 'BPE', unk_token: '<unk>', vocab: ids([...tokens]), merges, ...more }
}

const MARKS = {
  type: 'Sequence',
  decoders: [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    { type: 'Strip', content: ' ', start: 1, stop: 0 },
  ],
}
const LLAMA = normalizers(
  { type: 'Prepend', prepend: '▁' },
  { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
)
const metaspace = (prepend_scheme: string, split: boolean) => ({
  type: 'Metaspace',
  replacement: '▁',
  prepend_scheme,
  split,
})

const O200K =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const DEEPSEEK =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

const kinds: Record<string, object> = {
  'GPT-2': { pre_tokenizer: byteLevel(false, true) },
  'a space before the text': { pre_tokenizer: byteLevel(true, true) },
  'words of the model as they are': {
    pre_tokenizer: byteLevel(false, true),
    model: { ...byteModel, ignore_merges: true },
  },
  'merges as pairs': {
    pre_tokenizer: byteLevel(false, true),
    model: { ...byteModel, merges: byteModel.merges.map(merge => merge.split(' ')) },
  },
  o200k: { pre_tokenizer: sequence(split(O200K), byteLevel(false, false)) },
  DeepSeek: {
    pre_tokenizer: sequence(
      split('\\p{N}{1,3}'),
      split('[一-龥぀-ゟ゠-ヿ]+'),
      split(DEEPSEEK),
      byteLevel(false, false),
    ),
  },
  'right-aligned digits': {
    pre_tokenizer: sequence(
      split('\\p{N}{1,3}(?=(?:\\p{N}{3})*(?:\\P{N}|$))'),
      byteLevel(false, true),
    ),
  },
  'single digits': {
    pre_tokenizer: sequence({ type: 'Digits', individual_digits: true }, byteLevel(false, true)),
  },
  'digits together': {
    pre_tokenizer: sequence({ type: 'Digits', individual_digits: false }, byteLevel(false, true)),
  },
  NFC: { normalizer: { type: 'NFC' }, pre_tokenizer: byteLevel(false, true) },
  NFD: { normalizer: { type: 'NFD' }, pre_tokenizer: byteLevel(false, true) },
  'NFKC and lower case': {
    normalizer: normalizers({ type: 'NFKC' }, { type: 'Lowercase' }),
    pre_tokenizer: byteLevel(false, true),
  },
  'NFKD without accents': {
    normalizer: normalizers({ type: 'NFKD' }, { type: 'StripAccents' }),
    pre_tokenizer: byteLevel(false, true),
  },
  'replaced patterns': {
    normalizer: normalizers(
      { type: 'Replace', pattern: { Regex: '[a-f]+' }, content: 'xy' },
      { type: 'Replace', pattern: { String: '.' }, content: '' },
      { type: 'Strip', strip_left: true, strip_right: true },
    ),
    pre_tokenizer: byteLevel(false, true),
  },
  'Llama 2': { normalizer: LLAMA, model: characterModel({ byte_fallback: true }), decoder: MARKS },
  'Llama 2 without bytes': { normalizer: LLAMA, model: characterModel(), decoder: MARKS },
  'Metaspace for each word': {
    pre_tokenizer: metaspace('always', true),
    model: characterModel({ byte_fallback: true }),
    decoder: metaspace('always', true),
  },
  'Metaspace for the whole': {
    pre_tokenizer: metaspace('first', false),
    model: characterModel({ byte_fallback: true }),
    decoder: metaspace('first', false),
  },
  Gemma: {
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    pre_tokenizer: {
      type: 'Split',
      pattern: { String: ' ' },
      behavior: 'MergedWithPrevious',
      invert: false,
    },
    model: characterModel({ byte_fallback: true, ignore_merges: false }),
    decoder: MARKS,
  },
}

const whole = (more: object) => ({
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: { type: 'ByteLevel' },
  model: byteModel,
  ...more,
})

/** What the oracle gets wrong: digits are those of ASCII to it, and it cuts no marks off. */
const spared: Record<string, (text: string) => string> = {
  'single digits': text => text.replace(/[^\P{N}0-9]/gu, ''),
  'digits together': text => text.replace(/[^\P{N}0-9]/gu, ''),
  'Metaspace for each word': text => text.replace(/ /g, ''),
}

describe.each(Object.entries(kinds))('a tokenizer.json: %s', (name, more) => {
  const json = whole(more)
  const ours = tokenizerFromJson(JSON.stringify(json))
  const oracle = new Oracle(JSON.parse(JSON.stringify(json)), {})

  test('gives the ids of the oracle', () => {
    fc.assert(
      fc.property(tricky.map(spared[name] ?? (text => text)), text => {
        const expected = oracle.encode(text, { add_special_tokens: false }).ids
        expect(ours.encode(text, NO_SPECIAL)).toEqual(expected.filter(id => id != null))
      }),
      { numRuns: 500 },
    )
  })

  test('gives the same in slices', () => {
    fc.assert(
      fc.property(fc.array(tricky, { maxLength: 6 }), parts => {
        const text = parts.join('').repeat(40)
        const ids: number[] = []
        const slices = ours.encodeInSlices(text, NO_SPECIAL, ids)
        while (!slices.next().done);
        expect(ids).toEqual(ours.encode(text, NO_SPECIAL))
        expect(ids.length).toBeGreaterThanOrEqual(ours.fewestTokens(text.length))
        expect([...ours.decodeInSlices(ids)].join('')).toBe(ours.decode(ids))
      }),
      { numRuns: 40 },
    )
  })
})

/** The pieces that a pre-tokenizer makes of a text, each word being a token of its own. */
function pieces(pre_tokenizer: object, text: string): string[] {
  return cut(text, cuttingOf(pre_tokenizer).cutters)
}

describe('Split, as Hugging Face defines it', () => {
  test.each([
    ['Removed', ['a', 'b', 'c']],
    ['Isolated', ['-', 'a', '-', '-', 'b', '-', 'c', '-']],
    ['MergedWithPrevious', ['-', 'a-', '-', 'b-', 'c-']],
    ['MergedWithNext', ['-a', '-', '-b', '-c', '-']],
    ['Contiguous', ['-', 'a', '--', 'b', '-', 'c', '-']],
  ])('%s', (behavior, expected) => {
    expect(pieces(split('-', behavior), '-a--b-c-')).toEqual(expected)
    expect(pieces({ ...split('-', behavior), pattern: { String: '-' } }, '-a--b-c-')).toEqual(
      expected,
    )
  })

  test('inverted, with matches of several characters', () => {
    expect(pieces(split('[a-z]+', 'Removed', true), 'ab-c')).toEqual(['ab', 'c'])
    expect(pieces(split('[a-z]+', 'MergedWithNext', true), 'ab-c')).toEqual(['ab', '-c'])
  })

  test('cuts where a pattern matches nothing', () => {
    expect(pieces(split('(?=(\\d{3})+(?!\\d))'), '1234567')).toEqual(['1', '234', '567'])
    expect(pieces(split('(?<=a)'), 'aab')).toEqual(['a', 'a', 'b'])
  })

  test("possessive repetitions of one character, and Ruby's reading of {n,m}+", () => {
    expect(pieces(split('a++b|a'), 'aab')).toEqual(['aab'])
    expect(pieces(split('a?+ab|a'), 'aab')).toEqual(['aab'])
    expect(pieces(split('a?+ab|b'), 'ab')).toEqual(['a', 'b'])
    expect(pieces(split('\\d{1,2}+'), '12345')).toEqual(['12345'])
  })
})

describe('Metaspace', () => {
  test('writes one mark before the text, or before every piece', () => {
    expect(pieces(metaspace('always', true), 'a b')).toEqual(['▁a', '▁b'])
    expect(pieces(metaspace('always', true), ' a  b ')).toEqual(['▁a', '▁', '▁b', '▁'])
    expect(pieces(metaspace('never', false), 'a b')).toEqual(['a▁b'])
    const later = sequence(split('-', 'Removed'), metaspace('first', false))
    expect(pieces(later, 'a-b')).toEqual(['▁a', 'b'])
    const each = sequence(split('-', 'Removed'), metaspace('always', false))
    expect(pieces(each, 'a-b')).toEqual(['▁a', '▁b'])
  })

  test('of old files says it by add_prefix_space', () => {
    const old = { type: 'Metaspace', replacement: '▁' }
    expect(pieces({ ...old, add_prefix_space: true }, 'a b')).toEqual(['▁a', '▁b'])
    expect(pieces({ ...old, add_prefix_space: false }, 'a b')).toEqual(['a', '▁b'])
  })
})

describe('digits and punctuation', () => {
  test('digits are all that Unicode calls numbers', () => {
    expect(pieces({ type: 'Digits', individual_digits: false }, 'a12²Ⅷb٣')).toEqual([
      'a',
      '12²Ⅷ',
      'b',
      '٣',
    ])
    expect(pieces({ type: 'Digits', individual_digits: true }, 'a12²')).toEqual([
      'a',
      '1',
      '2',
      '²',
    ])
  })

  test('punctuation stands alone, or in rows', () => {
    expect(pieces({ type: 'Punctuation' }, 'a!?b$')).toEqual(['a', '!', '?', 'b', '$'])
    expect(pieces({ type: 'Punctuation', behavior: 'Contiguous' }, 'a!?b')).toEqual([
      'a',
      '!?',
      'b',
    ])
  })

  test('white space is left out where the file says so', () => {
    expect(pieces({ type: 'Whitespace' }, " it's  me")).toEqual(['it', "'", 's', 'me'])
    expect(pieces({ type: 'WhitespaceSplit' }, " it's  me")).toEqual(["it's", 'me'])
  })
})

describe('Falcon cuts digits behind ByteLevel, in the stand-ins of bytes', () => {
  const pre = sequence(
    { type: 'Punctuation', behavior: 'Contiguous' },
    byteLevel(false, true),
    { type: 'Digits', individual_digits: false },
    split('[0-9][0-9][0-9]'),
  )
  const json = whole({ pre_tokenizer: pre })
  const ours = tokenizerFromJson(JSON.stringify(json))

  test('digits by three, and nothing is lost', () => {
    const written = ours.encode('a 12345', NO_SPECIAL).map(id => ours.tokenText(id))
    expect(written.slice(0, 2)).toEqual(['a', 'Ġ'])
    fc.assert(
      fc.property(tricky, text => {
        expect(ours.decode(ours.encode(text))).toBe(text)
      }),
    )
  })
})

describe('added tokens', () => {
  const added = (content: string, more: object = {}) => ({ id: 0, content, special: true, ...more })
  const open = (tokens: object[], more: object = {}) => {
    const base = byteModel.merges.length + 1000
    const numbered = tokens.map((token, i) => ({ ...token, id: base + i }))
    const tokenizer = tokenizerFromJson(
      JSON.stringify(
        whole({ pre_tokenizer: byteLevel(false, true), added_tokens: numbered, ...more }),
      ),
    )
    return (text: string) =>
      tokenizer
        .encode(text, { addSpecial: false, parseSpecial: true })
        .map(id => (id >= base ? `<${id - base}>` : tokenizer.decode([id])))
        .join('|')
  }

  test('take white space with them where they say so', () => {
    const encode = open([added('<l>', { lstrip: true }), added('<r>', { rstrip: true })])
    expect(encode('a \n<l> b')).toBe('a|<0>| |b')
    expect(encode('a <r> \n b')).toBe('a| |<1>|b')
    expect(encode('<r>  <l>')).toBe('<1>|<0>')
  })

  test('that are single words do not begin within one', () => {
    const encode = open([added('ab', { single_word: true })])
    expect(encode('ab-ab xab abx')).toBe('<0>|-|<0>| |x|a|b| |a|b|x')
  })

  test('of the normalized text are looked for as they are normalized', () => {
    const lower = { normalizer: { type: 'Lowercase' } }
    const encode = open(
      [added('<Tool>', { special: false }), added('<RAW>', { normalized: false })],
      lower,
    )
    expect(encode('a<TOOL><RAW><raw>')).toBe('a|<0>|<1>|<|r|a|w|>')
  })

  test('that are empty are never found, the longest wins, a letter may be one', () => {
    const encode = open([added(''), added('x'), added('xy'), added('xyz!')])
    expect(encode('axyzxy!')).toBe('a|<2>|z|<2>|!')
  })
})

describe('unknown characters', () => {
  const model = { type: 'BPE', unk_token: '?', vocab: ids(['?', 'a', 'b', 'ab']), merges: ['a b'] }
  const open = (more: object) =>
    tokenizerFromJson(JSON.stringify(whole({ model: { ...model, ...more }, decoder: MARKS })))

  test('are one token each, or one for a row of them', () => {
    expect(open({}).encode('xyabz')).toEqual([0, 0, 3, 0])
    expect(open({ fuse_unk: true }).encode('xyabz')).toEqual([0, 3, 0])
  })

  test('are left out where there is no token for them, and their neighbours meet', () => {
    expect(open({ unk_token: null }).encode('xaxbx')).toEqual([3])
  })
})

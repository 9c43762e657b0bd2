// Byte-level BPE against a plain quadratic implementation, and its promises: round trips, special
// tokens, time that does not grow with the square of a word.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToChars } from '../../src/tokenizer/byte-alphabet.ts'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'
import { preTokenizer } from '../../src/tokenizer/pre-tokenizers.ts'
import { cut } from './cut.ts'
import {
  anything,
  BYTE_TOKENS,
  bytePairMetadata,
  randomMerges,
  tricky,
} from './small-vocabulary.ts'

const NO_SPECIAL = { addSpecial: false }

/** The definition: merge the best-ranked pair, leftmost first, until none is left. */
function plainBpe(word: string[], merges: readonly string[]): string[] {
  for (;;) {
    let best = -1
    let at = -1
    for (let i = 0; i + 1 < word.length; i++) {
      const rank = merges.indexOf(`${word[i]} ${word[i + 1]}`)
      if (rank >= 0 && (best < 0 || rank < best)) {
        best = rank
        at = i
      }
    }
    if (at < 0) return word
    word.splice(at, 2, word[at] + word[at + 1])
  }
}

describe('byte-level BPE', () => {
  test('merges as the definition says', () => {
    fc.assert(
      fc.property(fc.array(tricky, { minLength: 3 }), tricky, fc.nat(), (corpus, text, seed) => {
        const vocabulary = randomMerges([...corpus, text, 'abab'], 60, seed)
        const tokenizer = tokenizerFromGguf(bytePairMetadata(vocabulary))
        const expected = cut(text, preTokenizer('gpt-2').cutters).flatMap(word =>
          plainBpe([...bytesToChars(new TextEncoder().encode(word))], vocabulary.merges),
        )
        const ids = tokenizer.encode(text, NO_SPECIAL)
        expect(ids.map(id => vocabulary.tokens[id])).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  test('any text comes back, lone surrogates as U+FFFD', () => {
    const tokenizer = tokenizerFromGguf(bytePairMetadata(randomMerges(['hello wörld 你好'], 12, 1)))
    const tag = fc.constantFrom('\ud800', 'x\udc00y', '\ufeffbom', '')
    fc.assert(
      fc.property(anything, tag, (text, extra) => {
        const whole = text + extra
        const back = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
          new TextEncoder().encode(whole),
        )
        expect(tokenizer.decode(tokenizer.encode(whole, NO_SPECIAL))).toBe(back)
      }),
      { numRuns: 500 },
    )
  })

  test('a megabyte of one letter takes seconds, not hours', { timeout: 30_000 }, () => {
    const tokens = [...BYTE_TOKENS, 'aa', 'aaaa', 'aaaaaaaa']
    const merges = ['a a', 'aa aa', 'aaaa aaaa']
    for (const pre of ['gpt-2', 'llama-bpe', 'default', 'qwen2', 'falcon']) {
      const tokenizer = tokenizerFromGguf(bytePairMetadata({ tokens, merges }, { pre }))
      const text = 'a'.repeat(1_000_003)
      const ids = tokenizer.encode(text, NO_SPECIAL)
      expect(ids.length).toBe(125_000 + 2)
      expect(ids.slice(-3).map(id => tokens[id])).toEqual(['aaaaaaaa', 'aa', 'a'])
    }
  })

  test.each([' ', '\n', '🐉', '<', '1', "'", ' \n', 'ab '])(
    'a megabyte of %j is not quadratic',
    bit => {
      for (const pre of ['llama-bpe', 'default']) {
        const special = [...BYTE_TOKENS, '<<<<|a|>', '<<<<<<<<']
        const token_type = special.map((_, id) => (id < 256 ? 1 : 4))
        const tokenizer = tokenizerFromGguf(
          bytePairMetadata({ tokens: special, merges: [] }, { pre, token_type }),
        )
        const text = bit.repeat(1_000_000 / bit.length)
        const started = performance.now()
        expect(tokenizer.decode(tokenizer.encode(text, NO_SPECIAL))).toBe(text)
        expect(performance.now() - started).toBeLessThan(10_000)
      }
    },
  )

  test('a byte the vocabulary lacks becomes the unknown token, or nothing', () => {
    const vocabulary = { tokens: ['a', 'b', '<unk>'], merges: [] }
    const without = tokenizerFromGguf(bytePairMetadata(vocabulary))
    expect(without.encode('abca', NO_SPECIAL)).toEqual([0, 1, 0])
    const more = { unknown_token_id: 2, token_type: [1, 1, 2] }
    expect(
      tokenizerFromGguf(bytePairMetadata(vocabulary, more)).encode('abca', NO_SPECIAL),
    ).toEqual([0, 1, 2, 0])
  })
})

describe('special tokens', () => {
  const tokens = [
    ...BYTE_TOKENS,
    '<|im_start|>',
    '<|im_end|>',
    '<|im|>',
    '<tool>',
    '<tool>call',
    '__proto__',
  ]
  const kind: Record<string, number> = { '<tool>': 4, '<tool>call': 4, __proto__: 1 }
  const token_type = tokens.map((token, id) => (id < 256 ? 1 : (kind[token] ?? 3)))
  const [start, end, , tool, toolCall, proto] = [256, 257, 258, 259, 260, 261]
  const tokenizer = tokenizerFromGguf(
    bytePairMetadata(
      { tokens, merges: [] },
      { token_type, pre: 'llama3', bos_token_id: start, eos_token_id: end },
    ),
  )
  const letters = (text: string) => [...text].map(char => BYTE_TOKENS.indexOf(char))

  test('are recognised only when asked for', () => {
    const text = 'a<|im_start|>b<|im_end|>'
    expect(tokenizer.encode(text, { addSpecial: false, parseSpecial: true })).toEqual([
      ...letters('a'),
      start,
      ...letters('b'),
      end,
    ])
    expect(tokenizer.encode(text, NO_SPECIAL)).toEqual(letters(text))
  })

  test('user-defined tokens are always recognised, the longest first', () => {
    expect(tokenizer.encode('<tool>call<tool>x', NO_SPECIAL)).toEqual([
      toolCall,
      tool,
      ...letters('x'),
    ])
    expect(tokenizer.decode([toolCall, tool])).toBe('<tool>call<tool>')
  })

  test('__proto__ is a token like any other', () => {
    expect(tokenizer.encode('__proto__', NO_SPECIAL)).toEqual(letters('__proto__'))
    const { tokens: more } = {
      tokens: [...BYTE_TOKENS, '__', 'pr', 'to', 'proto', '__proto__', 'constructor'],
    }
    const merges = ['_ _', 'p r', 't o', 'pr o', 'pro to', '__ proto', '__proto __']
    const small = tokenizerFromGguf(
      bytePairMetadata({ tokens: [...more, 'pro', '__proto'], merges }, { pre: 'olmo' }),
    )
    // The underscores are punctuation to gpt-2: its words are "__", "proto", "__".
    expect(small.encode('__proto__', NO_SPECIAL).map(id => small.tokenText(id))).toEqual([
      '__',
      'proto',
      '__',
    ])
    expect(small.encode('constructor', NO_SPECIAL)).toHaveLength(10)
    expect(tokenizer.tokenText(proto)).toBe('__proto__')
  })

  test('bos and eos are added where the file or the scheme wants them', () => {
    const flags = (more: Record<string, unknown>) =>
      tokenizerFromGguf(
        bytePairMetadata(
          { tokens, merges: [] },
          { token_type, bos_token_id: start, eos_token_id: end, ...more },
        ),
      ).encode('a')
    expect(tokenizer.encode('a')).toEqual([start, ...letters('a')])
    expect(flags({ pre: 'gpt-2' })).toEqual(letters('a'))
    expect(flags({ pre: 'falcon_e' })).toEqual([start, ...letters('a')])
    expect(flags({ add_bos_token: true, add_eos_token: true })).toEqual([
      start,
      ...letters('a'),
      end,
    ])
    expect(flags({ pre: 'llama-bpe', add_bos_token: false })).toEqual(letters('a'))
  })

  test('end tokens are eos, eot, eom and well-known names, eos first', () => {
    const named = tokenizerFromGguf(
      bytePairMetadata(
        { tokens, merges: [] },
        { token_type, eos_token_id: 258, eot_token_id: 259 },
      ),
    )
    expect([...named.endTokens]).toEqual([258, 259, end])
    const html = tokenizerFromGguf(
      bytePairMetadata(
        { tokens: [...BYTE_TOKENS, '</s>'], merges: [] },
        { token_type: Array(257).fill(1) },
      ),
    )
    expect([...html.endTokens]).toEqual([])
  })

  test('a missing pre-tokenizer means llama-bpe for BitNet b1.58 and default otherwise', () => {
    const open = (architecture: string) => {
      const metadata = bytePairMetadata(
        { tokens: [...BYTE_TOKENS, 'abc'], merges: [] },
        { 'general.architecture': architecture },
      )
      metadata.delete('tokenizer.ggml.pre')
      return tokenizerFromGguf(metadata).encode('abc', NO_SPECIAL)
    }
    expect(open('bitnet-b1.58')).toEqual([256])
    expect(open('bitnet-25')).toEqual([256])
    expect(open('llama')).toEqual(letters('abc'))
  })
})

// Builds small vocabularies for the tokenizer tests: GGUF metadata, and texts that poke at every
// class of character the pre-tokenizers know.
import fc from 'fast-check'
import { bytesToChars, byteToChar } from '../../src/tokenizer/byte-alphabet.ts'

export interface SmallVocabulary {
  tokens: string[]
  merges: string[]
}

export const BYTE_TOKENS = Array.from({ length: 256 }, (_, byte) => byteToChar(byte))

/** Merges drawn from the given texts, as training would, but at random. */
export function randomMerges(
  texts: readonly string[],
  count: number,
  seed: number,
): SmallVocabulary {
  const random = mulberry32(seed)
  const words = texts
    .map(text => [...bytesToChars(new TextEncoder().encode(text))])
    .filter(word => word.length > 1)
  const tokens = new Set(BYTE_TOKENS)
  const merges = new Set<string>()
  for (let tries = 0; merges.size < count && tries < count * 20; tries++) {
    const word = words[Math.floor(random() * words.length)]
    if (word.length < 2) continue
    const at = Math.floor(random() * (word.length - 1))
    const [left, right] = word.splice(at, 2)
    word.splice(at, 0, left + right)
    tokens.add(left + right)
    merges.add(`${left} ${right}`)
  }
  return { tokens: [...tokens], merges: [...merges] }
}

/** Metadata of a byte-level vocabulary; `more` overrides keys below tokenizer.ggml. */
export function bytePairMetadata(
  vocabulary: SmallVocabulary,
  more: Record<string, unknown> = {},
): Map<string, unknown> {
  return new Map<string, unknown>([
    ['general.architecture', 'llama'],
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'gpt-2'],
    ['tokenizer.ggml.tokens', vocabulary.tokens],
    ['tokenizer.ggml.merges', vocabulary.merges],
    ...prefixed(more),
  ])
}

export function prefixed(more: Record<string, unknown>): [string, unknown][] {
  return Object.entries(more).map(([key, value]) => [
    key.includes('.') ? key : `tokenizer.ggml.${key}`,
    value,
  ])
}

export function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const BITS = [
  ...['a', 'B', 'é', 'ß', 'ж', '你', '好', 'ا', 'か', '𝒳', 'e\u0301', '\u200d', 'hello', 'World'],
  ...["'", "'s", "'LL", "'Ve", "'d", '’s', '0', '7', '12', '٣', '²', 'Ⅷ', '123456'],
  ...[' ', '  ', '    ', '\n', '\r\n', '\n\n', '\t', '\u00a0', '\u2028', '\u3000', ' \n '],
  ...['.', ',', '!?', '(', '—', '«', '$', '+', '<=>', '^', '~', '|', '`', '_', '#', '\\', '€'],
  ...['🐉', '👨‍👩‍👧', '\u0000', '\u001f', '\ue000', '\u{10ffff}', '☃', '\ufffd'],
]

/** Texts of up to 40 such bits. */
export const tricky: fc.Arbitrary<string> = fc
  .array(fc.constantFrom(...BITS), { maxLength: 40 })
  .map(bits => bits.join(''))

/** Any string, lone surrogates included. */
export const anything: fc.Arbitrary<string> = fc.string({ unit: 'binary', maxLength: 60 })

export const TRICKY_BITS: readonly string[] = BITS

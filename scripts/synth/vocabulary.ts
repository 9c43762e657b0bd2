// Vocabularies of any size in which every word of two letters is one token: SentencePiece (GGUF "llama")
// and byte-level BPE (GGUF "gpt2"). Longer words fill the rest, so every id is a distinct piece of text.
// A benchmark prompt of n two-letter words is thus n tokens, for us and for llama.cpp alike.
import { i32s, type MetadataEntry } from './gguf-writer.ts'

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz']
/** Special tokens of the published 2B-4T stand at its ids 128000.. of 128256. */
const RESERVED = 256

const NORMAL = 1
const UNKNOWN = 2
const CONTROL = 3
const BYTE = 6

/** a..z, aa..zz, aaa..: each after its own prefix, so that merging letter by letter reaches it. */
function* words(): Generator<string> {
  let length: string[] = ['']
  for (;;) {
    const longer: string[] = []
    for (const prefix of length) {
      for (const letter of LETTERS) {
        longer.push(prefix + letter)
        yield prefix + letter
      }
    }
    length = longer
  }
}

function firstWords(count: number): string[] {
  const out: string[] = []
  const all = words()
  while (out.length < count) out.push(all.next().value as string)
  return out
}

/** @param size at least 961: letters and two-letter words must fit */
export function sentencePieceVocabulary(size: number): MetadataEntry[] {
  const tokens = ['<unk>', '<s>', '</s>']
  for (let b = 0; b < 256; b++) {
    tokens.push(`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`)
  }
  const types = [UNKNOWN, CONTROL, CONTROL, ...Array<number>(256).fill(BYTE)]
  tokens.push('▁', ...LETTERS)
  for (const word of firstWords(roomFor(size - tokens.length))) tokens.push(`▁${word}`)
  while (types.length < size) types.push(NORMAL)
  // Earlier pieces merge first, so a word grows from its left end.
  const scores = Float32Array.from({ length: size }, (_, id) => (id < 259 ? 0 : 259 - id))
  return [
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.pre', 'default'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.scores', scores],
    ['tokenizer.ggml.token_type', i32s(types)],
    ['tokenizer.ggml.bos_token_id', 1],
    ['tokenizer.ggml.eos_token_id', 2],
    ['tokenizer.ggml.unknown_token_id', 0],
    ['tokenizer.ggml.add_bos_token', true],
    ['tokenizer.ggml.add_eos_token', false],
    ['tokenizer.ggml.add_space_prefix', true],
  ]
}

/** GPT-2's printable stand-in for each byte. */
function byteLetters(): string[] {
  const printable = (b: number) => (b > 32 && b < 127) || (b > 160 && b !== 173)
  let extra = 256
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : extra++))
}

/** @param size at least 1214: bytes, two-letter words and 256 special tokens must fit */
export function bytePairVocabulary(size: number): MetadataEntry[] {
  const tokens = byteLetters()
  const grown = firstWords(roomFor(size - tokens.length - RESERVED))
  for (const word of grown) tokens.push(`Ġ${word}`)
  const merges = grown.map(word => `Ġ${word.slice(0, -1)} ${word.at(-1)}`)
  const types = Array<number>(tokens.length).fill(NORMAL)
  const bos = tokens.length
  for (let i = 0; i < RESERVED; i++) {
    const named: Record<number, string> = {
      0: '<|begin_of_text|>',
      1: '<|end_of_text|>',
      9: '<|eot_id|>',
    }
    tokens.push(named[i] ?? `<|reserved_special_token_${i}|>`)
    types.push(CONTROL)
  }
  return [
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'llama-bpe'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', i32s(types)],
    ['tokenizer.ggml.merges', merges],
    ['tokenizer.ggml.bos_token_id', bos],
    ['tokenizer.ggml.eos_token_id', bos + 1],
    ['tokenizer.ggml.eot_token_id', bos + 9],
    ['tokenizer.ggml.add_bos_token', true],
    ['tokenizer.ggml.add_eos_token', false],
  ]
}

function roomFor(count: number): number {
  const least = 26 + 26 * 26
  if (count >= least) return count
  throw new Error(`the vocabulary has room for ${count} words and needs at least ${least}`)
}

// How byte-level vocabularies cut text into words before merging: one list of regular expressions a
// scheme, applied one after the other to every piece, matches and gaps both kept (as llama.cpp and
// the Split / Punctuation / Digits pre-tokenizers of tokenizer.json do). Used by byte-pair.ts.
import { RyzError } from '../errors.ts'

/** A cutting scheme with the switches that llama.cpp ties to its name. */
export interface PreTokenizer {
  readonly patterns: readonly RegExp[]
  /** A word that is a token as a whole is taken as it is, whatever the merges say. */
  readonly ignoreMerges: boolean
  /** Prepend bos where the file does not say. */
  readonly addBos: boolean
}

// JavaScript's \s has U+FEFF and lacks U+0085; the tokenizers mean the White_Space property.
const WS = '\\p{White_Space}'
const LETTERS_OR_NUMBERS = `\\p{L}\\p{N}`

const GPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${WS}${LETTERS_OR_NUMBERS}]+|${WS}+(?!\\P{White_Space})`

/** Llama 3 and Qwen 2 differ only in how many digits stay together. */
function llama3(digits: string): string {
  return (
    `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])` +
    `|[^\\r\\n${LETTERS_OR_NUMBERS}]?\\p{L}+|${digits}| ?[^${WS}${LETTERS_OR_NUMBERS}]+[\\r\\n]*` +
    `|${WS}*[\\r\\n]+|${WS}+(?!\\P{White_Space})|${WS}+`
  )
}

function scheme(sources: string[], ignoreMerges = false, addBos = false): PreTokenizer {
  return { patterns: sources.map(source => new RegExp(source, 'gu')), ignoreMerges, addBos }
}

const GPT2_SCHEME = scheme([GPT2])
const LLAMA3_SCHEME = scheme([llama3('\\p{N}{1,3}')], true, true)

const SCHEMES = new Map<string, PreTokenizer>([
  ['default', scheme(['[\\p{P}$+<=>^~|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'])],
  ['gpt-2', GPT2_SCHEME],
  ['phi-2', GPT2_SCHEME],
  ['mpt', GPT2_SCHEME],
  ['olmo', GPT2_SCHEME],
  ['llama3', LLAMA3_SCHEME],
  ['llama-v3', LLAMA3_SCHEME],
  ['llama-bpe', LLAMA3_SCHEME],
  ['falcon3', LLAMA3_SCHEME],
  ['falcon_e', LLAMA3_SCHEME],
  ['qwen2', scheme([llama3('\\p{N}')])],
  ['falcon', scheme(['[\\p{P}$+<=>^~|`]+', GPT2, '[0-9][0-9][0-9]'])],
])

/**
 * The scheme of `tokenizer.ggml.pre`.
 * @throws RyzError UNSUPPORTED_FEATURE for a name that is not implemented
 */
export function preTokenizer(name: string): PreTokenizer {
  const found = SCHEMES.get(name)
  if (found) return found
  throw new RyzError(
    'UNSUPPORTED_FEATURE',
    `pre-tokenizer "${name.slice(0, 80)}" is not implemented; known are ${[...SCHEMES.keys()].join(', ')}`,
    { preTokenizer: name.slice(0, 80) },
  )
}

/** Cuts text into words; joined again they are the text. */
export function splitWords(text: string, { patterns }: PreTokenizer): string[] {
  let pieces = text === '' ? [] : [text]
  for (const pattern of patterns) {
    const finer: string[] = []
    for (const piece of pieces) cut(piece, pattern, finer)
    pieces = finer
  }
  return pieces
}

function cut(piece: string, pattern: RegExp, out: string[]): void {
  let end = 0
  for (const match of piece.matchAll(pattern)) {
    if (match.index > end) out.push(piece.slice(end, match.index))
    end = match.index + match[0].length
    out.push(match[0])
  }
  if (end < piece.length) out.push(piece.slice(end))
}

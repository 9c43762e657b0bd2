// How byte-level vocabularies of GGUF files normalize a text and cut it into words before merging: the
// name in `tokenizer.ggml.pre` stands for what the model's published tokenizer.json says. Used by
// from-gguf.ts.
import { RyzError } from '../errors.ts'
import { type CutterKind, patternCutter } from './cutters.ts'
import { type Normalizer, unicodeForm } from './normalizers.ts'

/** A cutting scheme with the switches that llama.cpp ties to its name. */
export interface PreTokenizer {
  readonly normalizer?: Normalizer
  /** One after the other, on every piece of the one before. */
  readonly cutters: readonly CutterKind[]
  /** A word that is a token as a whole is taken as it is, whatever the merges say. */
  readonly ignoreMerges: boolean
  /** Prepend bos where the file does not say. */
  readonly addBos: boolean
}

/** What ByteLevel cuts with. */
export const GPT2_PATTERN =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/** Llama 3 and Qwen 2 differ only in how many digits stay together. */
function llama3(digits: string): string {
  return (
    `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])` +
    `|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*` +
    `|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`
  )
}

interface Switches {
  normalizer?: Normalizer
  ignoreMerges?: boolean
  addBos?: boolean
}

/** Compiled when a file asks for it. */
function scheme(patterns: string[], switches: Switches = {}): () => PreTokenizer {
  return () => ({
    ignoreMerges: false,
    addBos: false,
    ...switches,
    cutters: patterns.map(pattern => patternCutter(pattern)),
  })
}

const GPT2 = scheme([GPT2_PATTERN])
const LLAMA3 = scheme([llama3('\\p{N}{1,3}')], { ignoreMerges: true, addBos: true })

const SCHEMES = new Map<string, () => PreTokenizer>([
  ['default', scheme(['[\\p{P}$+<=>^~|]+', GPT2_PATTERN, '\\p{N}+', '[0-9][0-9][0-9]'])],
  ['gpt-2', GPT2],
  ['phi-2', GPT2],
  ['mpt', GPT2],
  ['olmo', GPT2],
  ['llama3', LLAMA3],
  ['llama-v3', LLAMA3],
  ['llama-bpe', LLAMA3],
  ['falcon3', LLAMA3],
  ['falcon_e', LLAMA3],
  // Of these, Qwen's tokenizer.json alone has a normalizer.
  ['qwen2', scheme([llama3('\\p{N}')], { normalizer: unicodeForm('NFC') })],
  ['falcon', scheme(['[\\p{P}$+<=>^~|`]+', GPT2_PATTERN, '[0-9][0-9][0-9]'])],
])

/**
 * The scheme of `tokenizer.ggml.pre`.
 * @throws RyzError UNSUPPORTED_FEATURE for a name that is not implemented
 */
export function preTokenizer(name: string): PreTokenizer {
  const found = SCHEMES.get(name)
  if (found) return found()
  throw new RyzError(
    'UNSUPPORTED_FEATURE',
    `pre-tokenizer "${name.slice(0, 80)}" is not implemented; known are ${[...SCHEMES.keys()].join(', ')}`,
    { preTokenizer: name.slice(0, 80) },
  )
}

// Small vocabularies with the control tokens of a chat family, of every kind the readers know: byte-level
// and SentencePiece, from GGUF and from tokenizer.json.
import { byteToChar } from '../../../src/tokenizer/byte-alphabet.ts'
import { tokenizerFromGguf } from '../../../src/tokenizer/from-gguf.ts'
import { tokenizerFromJson } from '../../../src/tokenizer/from-json.ts'
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.ts'

const NORMAL = 1
const CONTROL = 3
const USER_DEFINED = 4
const BYTE = 6
const MERGES = ['h e', 'l l', 'he ll', 'hell o', 'Ċ Ċ', 'u s', 'us e', 'use r']

export interface Family {
  /** The first is bos, the second eos. */
  readonly controls: readonly string[]
  /** Visible tokens, such as <tool_call>. */
  readonly visible?: readonly string[]
}

/** Every kind of tokenizer for a family, by name. */
export function tokenizersOf(family: Family): [string, Tokenizer][] {
  return [
    ['byte-level GGUF', byteLevelGguf(family)],
    ['byte-level tokenizer.json', byteLevelJson(family)],
    ['SentencePiece GGUF', sentencePieceGguf(family)],
    ['SentencePiece tokenizer.json', sentencePieceJson(family)],
  ]
}

function byteLevelTokens(): string[] {
  const bytes = Array.from({ length: 256 }, (_, byte) => byteToChar(byte))
  return [...bytes, ...MERGES.map(merge => merge.replace(' ', ''))]
}

function byteLevelGguf({ controls, visible = [] }: Family): Tokenizer {
  const plain = byteLevelTokens()
  return tokenizerFromGguf(
    new Map<string, unknown>([
      ['general.architecture', 'llama'],
      ['tokenizer.ggml.model', 'gpt2'],
      ['tokenizer.ggml.pre', 'gpt-2'],
      ['tokenizer.ggml.tokens', [...plain, ...controls, ...visible]],
      [
        'tokenizer.ggml.token_type',
        [
          ...plain.map(() => NORMAL),
          ...controls.map(() => CONTROL),
          ...visible.map(() => USER_DEFINED),
        ],
      ],
      ['tokenizer.ggml.merges', MERGES],
      ['tokenizer.ggml.bos_token_id', plain.length],
      ['tokenizer.ggml.eos_token_id', plain.length + 1],
    ]),
  )
}

function addedTokens({ controls, visible = [] }: Family, first: number): object[] {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false }
  return [...controls, ...visible].map((content, i) => ({
    ...flags,
    id: first + i,
    content,
    special: i < controls.length,
  }))
}

function byteLevelJson(family: Family): Tokenizer {
  const plain = byteLevelTokens()
  const byteLevel = {
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: true,
  }
  return tokenizerFromJson(
    JSON.stringify({
      version: '1.0',
      added_tokens: addedTokens(family, plain.length),
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(plain.map((text, id) => [text, id])),
        merges: MERGES,
      },
    }),
    JSON.stringify({ bos_token: family.controls[0], eos_token: family.controls[1] }),
  )
}

const LETTERS = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).map(letter =>
  letter === ' ' ? '\u2581' : letter,
)
const PIECES = ['\u2581h', 'el', 'lo', '\u2581hel', '\u2581hello', 'us', 'er', 'user']

function sentencePieceTokens(): [text: string, score: number, kind: number][] {
  return [
    ['<unk>', 0, 2],
    ...Array.from({ length: 256 }, (_, byte): [string, number, number] => [
      `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
      0,
      BYTE,
    ]),
    ...PIECES.map((text, i): [string, number, number] => [text, -i, NORMAL]),
    ...LETTERS.map((text): [string, number, number] => [text, -100, NORMAL]),
  ]
}

function sentencePieceGguf({ controls, visible = [] }: Family): Tokenizer {
  const plain = sentencePieceTokens()
  const tokens = [
    ...plain,
    ...controls.map(text => [text, 0, CONTROL] as const),
    ...visible.map(text => [text, 0, USER_DEFINED] as const),
  ]
  return tokenizerFromGguf(
    new Map<string, unknown>([
      ['general.architecture', 'llama'],
      ['tokenizer.ggml.model', 'llama'],
      ['tokenizer.ggml.tokens', tokens.map(token => token[0])],
      ['tokenizer.ggml.scores', tokens.map(token => token[1])],
      ['tokenizer.ggml.token_type', tokens.map(token => token[2])],
      ['tokenizer.ggml.bos_token_id', plain.length],
      ['tokenizer.ggml.eos_token_id', plain.length + 1],
      ['tokenizer.ggml.unknown_token_id', 0],
    ]),
  )
}

function sentencePieceJson(family: Family): Tokenizer {
  const plain = sentencePieceTokens()
  const merges = ['\u2581 h', 'e l', 'l o', '\u2581h el', '\u2581hel lo', 'u s', 'e r', 'us er']
  const metaspace = {
    type: 'Metaspace',
    replacement: '\u2581',
    prepend_scheme: 'first',
    split: false,
  }
  return tokenizerFromJson(
    JSON.stringify({
      version: '1.0',
      added_tokens: addedTokens(family, plain.length),
      normalizer: null,
      pre_tokenizer: metaspace,
      post_processor: null,
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          { type: 'Strip', content: ' ', start: 1, stop: 0 },
        ],
      },
      model: {
        type: 'BPE',
        unk_token: '<unk>',
        byte_fallback: true,
        fuse_unk: true,
        vocab: Object.fromEntries(plain.map(([text], id) => [text, id])),
        merges,
      },
    }),
    JSON.stringify({ bos_token: family.controls[0], eos_token: family.controls[1] }),
  )
}

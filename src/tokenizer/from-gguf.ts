// Reads the tokenizer of a GGUF file out of its metadata (tokenizer.ggml.*): byte-level BPE ("gpt2")
// and SentencePiece BPE ("llama"). Validates everything it takes; the encoders trust it.
import { RyzError } from '../errors.ts'
import { assembleTokenizer, type TokenizerFacts } from './assemble.ts'
import { pushCharBytes } from './byte-alphabet.ts'
import type { ByteList } from './byte-list.ts'
import { bytePairEncoder } from './byte-pair.ts'
import { knownTemplate } from './known-templates.ts'
import { preTokenizer } from './pre-tokenizers.ts'
import { SPACE_MARK, sentencePieceEncoder } from './sentence-piece.ts'
import {
  BYTE,
  CONTROL,
  END_TOKEN_NAMES,
  NORMAL,
  TokenTable,
  UNKNOWN,
  UNUSED,
  USER_DEFINED,
} from './token-table.ts'
import type { Tokenizer } from './tokenizer.ts'

/** GGUF metadata by key, as the reader delivers it. */
export type Metadata = ReadonlyMap<string, unknown>

const KEY = 'tokenizer.ggml.'
const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/

/**
 * The tokenizer a GGUF file carries.
 * @throws RyzError TOKENIZER_MISSING when it carries none, TOKENIZER_INVALID when it is damaged or of
 *   an unknown kind, UNSUPPORTED_FEATURE for an unknown pre-tokenizer
 */
export function tokenizerFromGguf(metadata: Metadata): Tokenizer {
  const model = metadata.get(`${KEY}model`)
  if (model === undefined || model === 'none' || model === 'no_vocab') {
    throw new RyzError(
      'TOKENIZER_MISSING',
      `the GGUF file has no tokenizer (${KEY}model is ${model ?? 'absent'}); use a file converted with its vocabulary`,
    )
  }
  if (model === 'gpt2') return readBytePair(metadata)
  if (model === 'llama') return readSentencePiece(metadata)
  throw invalid(
    `tokenizer kind "${String(model).slice(0, 60)}" is not implemented; gpt2 and llama are`,
  )
}

function readBytePair(metadata: Metadata): Tokenizer {
  const vocab = readVocabulary(metadata)
  const { texts, kinds, idOf } = vocab
  const merges = metadata.get(`${KEY}merges`)
  if (!Array.isArray(merges)) throw invalid(`${KEY}merges is missing; convert the model again`)

  const pre = preTokenizer(preTokenizerName(metadata))
  const unknown = readId(metadata, 'unknown', texts.length)
  const facts = readFacts(metadata, vocab, { addBos: pre.addBos })
  const table = new TokenTable(texts, kinds, (id, to) =>
    kinds[id] === USER_DEFINED ? to.pushText(texts[id]) : pushCharBytes(texts[id], to),
  )
  const ordinary = (id: number) => !table.isSpecial(id)
  return assembleTokenizer(table, bytePairEncoder(idOf, merges, pre, ordinary, unknown), facts)
}

/** The published BitNet b1.58 files leave the name out and mean Llama 3's. */
function preTokenizerName(metadata: Metadata): string {
  const name = metadata.get(`${KEY}pre`)
  if (typeof name === 'string' && name !== '') return name
  if (name !== undefined && name !== '') throw invalid(`${KEY}pre is not a string`)
  const architecture = metadata.get('general.architecture')
  return architecture === 'bitnet-b1.58' || architecture === 'bitnet-25' ? 'llama-bpe' : 'default'
}

function readSentencePiece(metadata: Metadata): Tokenizer {
  const vocab = readVocabulary(metadata)
  const { texts, kinds, idOf } = vocab
  const scores = numbers(metadata, 'scores', texts.length)
  if (!scores) throw invalid(`${KEY}scores is missing; convert the model again`)
  if (scores.some(Number.isNaN)) throw invalid(`${KEY}scores holds a value that is no number`)
  if (!metadata.has(`${KEY}token_type`)) {
    texts.forEach((text, id) => {
      if (BYTE_TOKEN.test(text)) kinds[id] = BYTE
    })
  }

  // Ids that files may leave out: sentencepiece's own defaults, unless they are ordinary tokens.
  const standard = (id: number, name: string) =>
    texts[id] === name || kinds[id] === CONTROL || kinds[id] === UNKNOWN ? id : undefined
  const unknown = readId(metadata, 'unknown', texts.length) ?? standard(0, '<unk>')
  const facts = readFacts(metadata, vocab, {
    addBos: true,
    bos: standard(1, '<s>'),
    eos: standard(2, '</s>'),
    stripsLeadingSpace: readFlag(metadata, 'add_space_prefix') ?? true,
  })
  if (unknown !== undefined && texts[unknown] === '<unk>') kinds[unknown] = UNKNOWN

  const idOfByte = new Int32Array(256).fill(-1)
  const write = (id: number, to: ByteList): void => {
    const hex = kinds[id] === BYTE ? BYTE_TOKEN.exec(texts[id])?.[1] : undefined
    if (hex !== undefined) to.push(Number.parseInt(hex, 16))
    else if (kinds[id] === BYTE) {
      throw invalid(`byte token ${id} is written "${texts[id].slice(0, 20)}"`)
    } else if (kinds[id] === USER_DEFINED) to.pushText(texts[id])
    else to.pushText(texts[id].replaceAll(SPACE_MARK, ' '))
  }
  const table = new TokenTable(texts, kinds, write)
  // What is left are the ordinary tokens; a second map of them would cost 2 MB for 32,000.
  for (const [text, id] of idOf) {
    if (kinds[id] === BYTE) idOfByte[table.bytes(id)[0]] = id
    if (kinds[id] === BYTE || table.isSpecial(id)) idOf.delete(text)
  }
  const encode = sentencePieceEncoder({
    idOf,
    scores,
    idOfByte,
    unknown,
    addSpacePrefix: facts.stripsLeadingSpace,
  })
  return assembleTokenizer(table, encode, facts)
}

interface Vocabulary {
  texts: readonly string[]
  kinds: Uint8Array
  idOf: Map<string, number>
}

function readVocabulary(metadata: Metadata): Vocabulary {
  const tokens = metadata.get(`${KEY}tokens`)
  if (tokens === undefined) {
    throw new RyzError(
      'TOKENIZER_MISSING',
      `the GGUF file names a tokenizer but holds no ${KEY}tokens; use a complete file`,
    )
  }
  if (!Array.isArray(tokens) || tokens.length === 0)
    throw invalid(`${KEY}tokens is no list of strings`)

  const idOf = new Map<string, number>()
  tokens.forEach((text: unknown, id) => {
    if (typeof text !== 'string') throw invalid(`token ${id} is ${typeof text}, not a string`)
    if (text === '') return // a hole; nothing can be encoded to it
    const twin = idOf.get(text)
    if (twin !== undefined) {
      throw invalid(
        `tokens ${twin} and ${id} are both "${text.slice(0, 60)}"; convert the model again`,
      )
    }
    idOf.set(text, id)
  })

  const types = numbers(metadata, 'token_type', tokens.length)
  const kinds = new Uint8Array(tokens.length).fill(NORMAL)
  types?.forEach((type, id) => {
    if (type >= UNKNOWN && type <= BYTE) kinds[id] = type
  })
  return { texts: tokens, kinds, idOf }
}

interface Defaults {
  addBos: boolean
  bos?: number
  eos?: number
  stripsLeadingSpace?: boolean
}

/** bos, eos and end tokens; those are made control tokens whatever type the file gives them. */
function readFacts(metadata: Metadata, vocab: Vocabulary, defaults: Defaults): TokenizerFacts {
  const { texts, kinds, idOf } = vocab
  const bos = readId(metadata, 'bos', texts.length) ?? defaults.bos
  const eos = readId(metadata, 'eos', texts.length) ?? defaults.eos
  const endTokens = new Set<number>()
  for (const id of [
    eos,
    readId(metadata, 'eot', texts.length),
    readId(metadata, 'eom', texts.length),
  ]) {
    if (id !== undefined) endTokens.add(id)
  }
  const typed = metadata.has(`${KEY}token_type`)
  for (const name of END_TOKEN_NAMES) {
    const id = idOf.get(name)
    // An ordinary token of that name is text: "</s>" closes a tag in HTML.
    if (id !== undefined && (!typed || kinds[id] === CONTROL || kinds[id] === USER_DEFINED)) {
      endTokens.add(id)
    }
  }
  for (const id of endTokens) kinds[id] = CONTROL
  if (bos !== undefined && kinds[bos] !== UNUSED) kinds[bos] = CONTROL

  const addBos = readFlag(metadata, 'add_bos_token')
  const addEos = readFlag(metadata, 'add_eos_token')
  if ((addBos && bos === undefined) || (addEos && eos === undefined)) {
    throw invalid(
      `the file asks for a ${addBos && bos === undefined ? 'bos' : 'eos'} token and names none`,
    )
  }
  const template = metadata.get('tokenizer.chat_template')
  return {
    bos,
    eos,
    addBos: addBos ?? (defaults.addBos && bos !== undefined),
    addEos: addEos ?? false,
    endTokens,
    chatTemplate:
      typeof template === 'string' && template !== ''
        ? template
        : knownTemplate(metadata.get('general.architecture'), idOf),
    stripsLeadingSpace: defaults.stripsLeadingSpace ?? false,
  }
}

function readId(metadata: Metadata, name: string, size: number): number | undefined {
  const value = metadata.get(`${KEY}${name}_token_id`)
  if (value === undefined) return undefined
  const id = typeof value === 'bigint' || typeof value === 'number' ? Number(value) : Number.NaN
  // Converters write 2^32 - 1 or -1 for "none".
  if (id === -1 || id === 0xffffffff) return undefined
  if (Number.isInteger(id) && id >= 0 && id < size) return id
  throw invalid(`${KEY}${name}_token_id is ${String(value)}, outside the ${size} tokens`)
}

function readFlag(metadata: Metadata, name: string): boolean | undefined {
  const value = metadata.get(`${KEY}${name}`)
  if (value === undefined || typeof value === 'boolean') return value
  throw invalid(`${KEY}${name} is ${typeof value}, not true or false`)
}

function numbers(metadata: Metadata, name: string, size: number): Float64Array | undefined {
  const value = metadata.get(`${KEY}${name}`)
  if (value === undefined) return undefined
  const list = Array.isArray(value) || ArrayBuffer.isView(value) ? value : undefined
  const found = Float64Array.from((list ?? []) as ArrayLike<unknown>, Number)
  if (!list || found.length !== size) {
    throw invalid(`${KEY}${name} has ${found.length} entries for ${size} tokens`)
  }
  return found
}

function invalid(message: string): RyzError {
  return new RyzError('TOKENIZER_INVALID', message)
}

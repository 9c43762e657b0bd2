// Reads the tokenizer of a GGUF file out of its metadata (tokenizer.ggml.*): byte-level BPE ("gpt2")
// and SentencePiece BPE ("llama"). Validates everything it takes; the encoders trust it.
import { RyzError } from '../errors.ts'
import { TextList, TextListWriter } from '../text-list.ts'
import { assembleTokenizer, type TokenizerFacts } from './assemble.ts'
import { hasEveryByte, pushUnitBytes } from './byte-alphabet.ts'
import type { ByteList } from './byte-list.ts'
import { bytePairEncoder, readMerges } from './byte-pair.ts'
import { knownTemplate } from './chat/known-templates.ts'
import { markSpaces } from './cutters.ts'
import { MAX_MERGES, MAX_TOKEN_UNITS, MAX_TOKENS, requireRows } from './limits.ts'
import { preTokenizer } from './pre-tokenizers.ts'
import { SPACE_MARK, scoreRanks, sentencePieceEncoder } from './sentence-piece.ts'
import { SpecialSplitter, type WrittenToken } from './special-splitter.ts'
import { TokenIndex } from './token-index.ts'
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
const MARK_UNIT = SPACE_MARK.charCodeAt(0)
const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/

/**
 * The tokenizer a GGUF file carries.
 * @param rows  of the embedding: every token needs one
 * @throws RyzError TOKENIZER_MISSING when it carries none, TOKENIZER_INVALID when it is damaged or of
 *   an unknown kind, UNSUPPORTED_FEATURE for an unknown pre-tokenizer
 */
export function tokenizerFromGguf(metadata: Metadata, rows = MAX_TOKENS): Tokenizer {
  const model = metadata.get(`${KEY}model`)
  if (model === undefined || model === 'none' || model === 'no_vocab') {
    throw new RyzError(
      'TOKENIZER_MISSING',
      `the GGUF file has no tokenizer (${KEY}model is ${model ?? 'absent'}); use a file converted with its vocabulary`,
    )
  }
  if (model === 'gpt2') return readBytePair(metadata, rows)
  if (model === 'llama') return readSentencePiece(metadata, rows)
  throw invalid(
    `tokenizer kind "${String(model).slice(0, 60)}" is not implemented; gpt2 and llama are`,
  )
}

function readBytePair(metadata: Metadata, rows: number): Tokenizer {
  const vocab = readVocabulary(metadata, rows)
  const { texts, kinds, index } = vocab
  const merges = textsAt(metadata, 'merges', 'merge')
  if (!merges) throw invalid(`${KEY}merges is missing; convert the model again`)
  if (merges.length > MAX_MERGES) {
    throw invalid(`the file has ${merges.length} merges, the limit is ${MAX_MERGES}`)
  }

  const pre = preTokenizer(preTokenizerName(metadata))
  const unknown = readId(metadata, 'unknown', texts.length)
  const facts = readFacts(metadata, vocab, { addBos: pre.addBos })
  const { units, starts } = texts
  const table = new TokenTable(texts, kinds, (id, to) => {
    const [from, end] = [starts[id], starts[id + 1]]
    if (kinds[id] === USER_DEFINED) to.pushUnits(units, from, end)
    else pushUnitBytes(units, from, end, to)
  })
  const options = {
    merges: readMerges(merges, index),
    index,
    byteLevel: true,
    whole: pre.ignoreMerges ? (id: number) => !table.isSpecial(id) : undefined,
    longest: longestText(texts),
    unknown,
  }
  const encoding = {
    written: new SpecialSplitter(writtenTokens(table)),
    normalizer: pre.normalizer,
    cutters: pre.cutters,
    openEncoder: () => bytePairEncoder(options),
    startsAfterTokens: true,
    losesNothing: hasEveryByte(index),
  }
  return assembleTokenizer(table, encoding, facts)
}

function longestText({ length, starts }: TextList): number {
  let longest = 0
  for (let id = 0; id < length; id++) longest = Math.max(longest, starts[id + 1] - starts[id])
  return longest
}

/** User-defined tokens are text like any other to the user, but are never merged from parts. */
function writtenTokens(table: TokenTable): WrittenToken[] {
  const tokens: WrittenToken[] = []
  table.kinds.forEach((kind, id) => {
    if (kind !== USER_DEFINED && kind !== CONTROL && kind !== UNKNOWN) return
    const text = table.text(id)
    if (text !== '') tokens.push({ text, id, control: kind !== USER_DEFINED })
  })
  return tokens
}

/** The published BitNet b1.58 files leave the name out and mean Llama 3's. */
function preTokenizerName(metadata: Metadata): string {
  const name = metadata.get(`${KEY}pre`)
  if (typeof name === 'string' && name !== '') return name
  if (name !== undefined && name !== '') throw invalid(`${KEY}pre is not a string`)
  const architecture = metadata.get('general.architecture')
  return architecture === 'bitnet-b1.58' || architecture === 'bitnet-25' ? 'llama-bpe' : 'default'
}

function readSentencePiece(metadata: Metadata, rows: number): Tokenizer {
  const vocab = readVocabulary(metadata, rows)
  const { texts, kinds, index } = vocab
  const scores = numbers(metadata, 'scores', texts.length)
  if (!scores) throw invalid(`${KEY}scores is missing; convert the model again`)
  if (scores.some(Number.isNaN)) throw invalid(`${KEY}scores holds a value that is no number`)
  if (!metadata.has(`${KEY}token_type`)) {
    for (let id = 0; id < texts.length; id++) {
      if (BYTE_TOKEN.test(texts.at(id)!)) kinds[id] = BYTE
    }
  }

  // Ids that files may leave out: sentencepiece's own defaults, unless they are ordinary tokens.
  const standard = (id: number, name: string) =>
    texts.at(id) === name || kinds[id] === CONTROL || kinds[id] === UNKNOWN ? id : undefined
  const unknown = readId(metadata, 'unknown', texts.length) ?? standard(0, '<unk>')
  const facts = readFacts(metadata, vocab, {
    addBos: true,
    bos: standard(1, '<s>'),
    eos: standard(2, '</s>'),
    stripsLeadingSpace: readFlag(metadata, 'add_space_prefix') ?? true,
  })
  if (unknown !== undefined && texts.at(unknown) === '<unk>') kinds[unknown] = UNKNOWN

  const idOfByte = new Int32Array(256).fill(-1)
  const { units, starts } = texts
  const write = (id: number, to: ByteList): void => {
    const [from, end] = [starts[id], starts[id + 1]]
    if (kinds[id] === BYTE) to.push(byteOf(id, texts.at(id)!))
    else if (kinds[id] === USER_DEFINED) to.pushUnits(units, from, end)
    else pushMarked(units, from, end, to)
  }
  const table = new TokenTable(texts, kinds, write)
  const ordinary = (id: number) => kinds[id] !== BYTE && !table.isSpecial(id)
  let longest = 0
  for (let id = 0; id < texts.length; id++) {
    if (kinds[id] === BYTE) idOfByte[table.bytes(id)[0]] = id
    if (ordinary(id)) longest = Math.max(longest, starts[id + 1] - starts[id])
  }
  const ranks = scoreRanks(scores)
  const options = { index, ordinary, longest, ranks, idOfByte, unknown }
  const prefix = facts.stripsLeadingSpace ? 'llama' : 'never'
  const encoding = {
    written: new SpecialSplitter(writtenTokens(table)),
    cutters: [markSpaces(MARK_UNIT, prefix)],
    openEncoder: () => sentencePieceEncoder(options),
    startsAfterTokens: true,
    losesNothing: !idOfByte.includes(-1),
  } as const
  return assembleTokenizer(table, encoding, facts)
}

/** The byte that a byte token stands for. */
function byteOf(id: number, text: string): number {
  const hex = BYTE_TOKEN.exec(text)?.[1]
  if (hex === undefined) throw invalid(`byte token ${id} is written "${text.slice(0, 20)}"`)
  return Number.parseInt(hex, 16)
}

/** Appends units [from, to) with spaces for their marks. */
function pushMarked(units: Uint16Array, from: number, to: number, list: ByteList): void {
  for (let at = from; at < to; ) {
    let mark = at
    while (mark < to && units[mark] !== MARK_UNIT) mark++
    list.pushUnits(units, at, mark)
    if (mark < to) list.push(0x20)
    at = mark + 1
  }
}

interface Vocabulary {
  texts: TextList
  kinds: Uint8Array
  index: TokenIndex
}

function readVocabulary(metadata: Metadata, rows: number): Vocabulary {
  if (!metadata.has(`${KEY}tokens`)) {
    throw new RyzError(
      'TOKENIZER_MISSING',
      `the GGUF file names a tokenizer but holds no ${KEY}tokens; use a complete file`,
    )
  }
  const tokens = textsAt(metadata, 'tokens', 'token')
  if (!tokens || tokens.length === 0) throw invalid(`${KEY}tokens is no list of strings`)
  requireRows(tokens.length, rows)
  for (let id = 0; id < tokens.length; id++) {
    const units = tokens.starts[id + 1] - tokens.starts[id]
    if (units > MAX_TOKEN_UNITS) {
      throw invalid(`token ${id} has ${units} characters, the limit is ${MAX_TOKEN_UNITS}`)
    }
  }

  const index = new TokenIndex(tokens)
  for (let id = 0; id < tokens.length; id++) {
    if (tokens.starts[id] === tokens.starts[id + 1]) continue // a hole; nothing can be encoded to it
    const twin = index.add(id)
    if (twin < 0) continue
    const text = tokens.at(id)!.slice(0, 60)
    throw invalid(`tokens ${twin} and ${id} are both "${text}"; convert the model again`)
  }

  const types = numbers(metadata, 'token_type', tokens.length)
  const kinds = new Uint8Array(tokens.length).fill(NORMAL)
  types?.forEach((type, id) => {
    if (type >= UNKNOWN && type <= BYTE) kinds[id] = type
  })
  return { texts: tokens, kinds, index }
}

interface Defaults {
  addBos: boolean
  bos?: number
  eos?: number
  stripsLeadingSpace?: boolean
}

/** bos, eos and end tokens; those are made control tokens whatever type the file gives them. */
function readFacts(metadata: Metadata, vocab: Vocabulary, defaults: Defaults): TokenizerFacts {
  const { texts, kinds, index } = vocab
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
    const id = index.idOf(name)
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
        : knownTemplate(
            metadata.get('general.architecture'),
            text => index.idOf(text) !== undefined,
          ),
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

/** A list of strings, as the reader delivers it or as an array; undefined for what is no list. */
function textsAt(metadata: Metadata, name: string, entry: string): TextList | undefined {
  const value = metadata.get(`${KEY}${name}`)
  if (value instanceof TextList || !Array.isArray(value)) {
    return value instanceof TextList ? value : undefined
  }
  const list = new TextListWriter(value.length)
  value.forEach((text: unknown, i) => {
    if (typeof text !== 'string') throw invalid(`${entry} ${i} is ${typeof text}, not a string`)
    list.add(text)
  })
  return list.take()
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

// The vocabulary inside a tokenizer.json: texts, kinds and bytes of its tokens, checked, and the model that
// makes ids of words. Called by from-json.ts.
import { RyzError } from '../errors.ts'
import { type TextList, TextListWriter } from '../text-list.ts'
import { hasEveryByte, pushCharBytes } from './byte-alphabet.ts'
import type { ByteList } from './byte-list.ts'
import { bytePairEncoder, MergeTable } from './byte-pair.ts'
import { metaspacePrefix, steps, unknownStep } from './json-pipeline.ts'
import { isObject, type Json } from './json-values.ts'
import { MAX_MERGES, MAX_TOKEN_UNITS, MAX_TOKENS, requireRows } from './limits.ts'
import { SPACE_MARK } from './sentence-piece.ts'
import type { WrittenToken } from './special-splitter.ts'
import { TokenIndex } from './token-index.ts'
import { BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED } from './token-table.ts'
import { unigramEncoders } from './unigram.ts'
import type { WordEncoder } from './word-merger.ts'

export interface AddedToken extends WrittenToken {
  readonly special: boolean
  /** Found once the text is normalized, and written as the normalizer writes it. */
  readonly normalized: boolean
}

export interface JsonVocabulary {
  readonly texts: TextList
  readonly kinds: Uint8Array
  idOf(text: string): number | undefined
  readonly addedTokens: readonly AddedToken[]
  readonly stripsLeadingSpace: boolean
  readonly writeBytes: (id: number, to: ByteList) => void
  readonly openEncoder: () => WordEncoder
  readonly losesNothing: boolean
  readonly notes: readonly string[]
}

const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/
const EMPTY_LIST = new TextListWriter(0).take()

/**
 * @param rows  of the embedding: tokens of the model need one, added ones without one are left out
 * @param bytes  the text comes as bytes, as their stand-ins ('mapped'), or as characters
 * @throws RyzError TOKENIZER_INVALID | UNSUPPORTED_FEATURE
 */
export function readVocabulary(
  json: Json,
  bytes: boolean | 'mapped',
  rows: number,
): JsonVocabulary {
  const model = isObject(json.model) ? json.model : {}
  const read = readModel(model)
  const allAdded = readAddedTokens(json)
  const addedTokens = allAdded.filter(token => token.id < rows)

  let size = 0
  for (const [, id] of read.tokens) size = Math.max(size, id + 1)
  for (const { id } of addedTokens) size = Math.max(size, id + 1)
  if (size === 0) throw invalid('tokenizer.json holds no tokens')
  requireRows(size, rows)

  const written = new Array<string>(size).fill('')
  const kinds = new Uint8Array(size).fill(UNUSED)
  for (const [text, id] of read.tokens) {
    if (kinds[id] !== UNUSED) throw invalid(`tokenizer.json gives id ${id} to two tokens`)
    written[id] = text
    kinds[id] = model.byte_fallback === true && BYTE_TOKEN.test(text) ? BYTE : NORMAL
  }
  const ofModel = kinds.slice()
  const added = new Map<string, number>()
  for (const { id, text, special } of addedTokens) {
    // An id that the model gives to another text: the model's would stand for nothing any more.
    if (written[id] !== '' && written[id] !== text) ofModel[id] = UNUSED
    written[id] = text
    kinds[id] = special ? CONTROL : USER_DEFINED
    added.set(text, id)
  }
  const texts = listOf(written)
  const index = new TokenIndex(texts)
  for (let id = 0; id < size; id++) if (ofModel[id] !== UNUSED && written[id] !== '') index.add(id)
  const unknown = read.unknown === undefined ? undefined : index.idOf(read.unknown)
  if (unknown !== undefined) kinds[unknown] = UNKNOWN

  const { byteLevel, stripsLeadingSpace } = readDecoder(json)
  const writeBytes = (id: number, to: ByteList): void => {
    if (kinds[id] === USER_DEFINED) to.pushText(written[id]!)
    else if (kinds[id] === BYTE) to.push(Number.parseInt(written[id]!.slice(3, 5), 16))
    else if (byteLevel) pushCharBytes(written[id]!, to)
    else to.pushText(written[id]!.replaceAll(SPACE_MARK, ' '))
  }
  const idOfByte = model.byte_fallback === true ? byteTokens(index) : undefined
  const shared = { kinds, texts, index, unknown, idOfByte, bytes }
  return {
    texts,
    kinds,
    idOf: text => added.get(text) ?? index.idOf(text),
    addedTokens,
    stripsLeadingSpace,
    writeBytes,
    openEncoder: read.encoders(shared),
    notes: notesOf(allAdded, rows),
    losesNothing: bytes !== false ? hasEveryByte(index) : idOfByte?.includes(-1) === false,
  }
}

/** Fine-tunes add a padding token and leave the embedding as it was; nobody can feed or sample it. */
function notesOf(added: readonly AddedToken[], rows: number): string[] {
  const beyond = added.filter(token => token.id >= rows)
  if (beyond.length === 0) return []
  const names = beyond.slice(0, 3).map(({ text, id }) => `${id} "${text.slice(0, 40)}"`)
  const more = beyond.length > 3 ? ` and ${beyond.length - 3} more` : ''
  return [
    `The added tokens ${names.join(', ')}${more} of tokenizer.json have no row in the embedding of ${rows}; they are left out`,
  ]
}

interface Shared {
  kinds: Uint8Array
  texts: TextList
  index: TokenIndex
  unknown: number | undefined
  idOfByte: Int32Array | undefined
  bytes: boolean | 'mapped'
}

interface Model {
  readonly tokens: readonly (readonly [text: string, id: number])[]
  readonly unknown: string | undefined
  encoders(shared: Shared): () => WordEncoder
}

function readModel(model: Json): Model {
  // Old files leave the type out; only BPE has merges.
  const type = model.type ?? (Array.isArray(model.merges) ? 'BPE' : undefined)
  if (type === 'Unigram') return readUnigram(model)
  if (type === 'BPE') return readBytePairs(model)
  if (type === undefined) throw invalid('tokenizer.json has no model')
  throw unknownStep('model', type)
}

function readUnigram(model: Json): Model {
  if (!Array.isArray(model.vocab)) throw invalid('tokenizer.json: the Unigram model has no vocab')
  checkCount(model.vocab.length, MAX_TOKENS, 'tokens')
  const tokens = model.vocab.map((entry: unknown, id: number) => {
    const [text, score] = Array.isArray(entry) ? entry : []
    const ok = typeof text === 'string' && typeof score === 'number' && Number.isFinite(score)
    if (!ok) throw invalid(`tokenizer.json: unigram token ${id} is no [text, score]`)
    return [checkText(text as string, id), id] as const
  })
  const scores = Float64Array.from(model.vocab, (entry: [string, number]) => entry[1])
  const unkId = model.unk_id
  return {
    tokens,
    unknown: typeof unkId === 'number' ? tokens[unkId]?.[0] : undefined,
    encoders: ({ kinds, texts, unknown, idOfByte, bytes }) => {
      if (bytes !== false) throw unknownStep('model behind ByteLevel', 'Unigram')
      const ordinary = tokens.map(([, id]) => id).filter(id => kinds[id] === NORMAL)
      return unigramEncoders({ texts, ordinary, scores, unknown, idOfByte })
    },
  }
}

function readBytePairs(model: Json): Model {
  for (const [key, what] of [
    ['continuing_subword_prefix', 'a continuing_subword_prefix'],
    ['end_of_word_suffix', 'an end_of_word_suffix'],
    ['dropout', 'dropout'],
  ] as const) {
    const value = model[key]
    if (value !== undefined && value !== null && value !== '' && value !== 0) {
      throw unknownStep(`BPE model with ${what} of`, value)
    }
  }
  if (!isObject(model.vocab)) throw invalid('tokenizer.json: the BPE model has no vocab')
  const { merges } = model
  if (!Array.isArray(merges)) throw invalid('tokenizer.json: the BPE model has no merges')
  const entries = Object.entries(model.vocab)
  checkCount(entries.length, MAX_TOKENS, 'tokens')
  checkCount(merges.length, MAX_MERGES, 'merges')
  const tokens = entries.map(([text, id]) => [checkText(text, id), checkId(id, text)] as const)
  return {
    tokens,
    unknown: typeof model.unk_token === 'string' ? model.unk_token : undefined,
    encoders: ({ kinds, texts, index, unknown, idOfByte, bytes }) => {
      let longest = 0
      for (let id = 0; id < texts.length; id++) {
        longest = Math.max(longest, texts.starts[id + 1]! - texts.starts[id]!)
      }
      const options = {
        merges: readMerges(merges, index),
        index,
        byteLevel: bytes === true,
        whole:
          model.ignore_merges === true
            ? (id: number) => kinds[id] !== CONTROL && kinds[id] !== UNKNOWN
            : undefined,
        longest,
        unknown,
        fuseUnknown: model.fuse_unk === true,
        idOfByte,
      }
      return () => bytePairEncoder(options)
    },
  }
}

/** "left right" or [left, right], best first. */
function readMerges(merges: readonly unknown[], index: TokenIndex): MergeTable {
  const table = new MergeTable(merges.length)
  merges.forEach((merge, rank) => {
    const [left, right] = partsOf(merge)
    const ids = left && right ? [left, right, left + right].map(part => index.idOf(part)) : []
    if (ids.length === 0 || ids.includes(undefined)) {
      throw invalid(
        `tokenizer.json: merge ${rank} (${JSON.stringify(merge)?.slice(0, 60)}) names a token that is not in the vocabulary`,
      )
    }
    table.add(ids[0]!, ids[1]!, ids[2]!, rank)
  })
  return table
}

function partsOf(merge: unknown): readonly string[] {
  if (Array.isArray(merge)) {
    return merge.length === 2 && merge.every(part => typeof part === 'string') ? merge : []
  }
  if (typeof merge !== 'string') return []
  const space = merge.indexOf(' ', 1)
  return space < 0 ? [] : [merge.slice(0, space), merge.slice(space + 1)]
}

function byteTokens(index: TokenIndex): Int32Array {
  const name = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
  return Int32Array.from({ length: 256 }, (_, byte) => index.idOf(name(byte)) ?? -1)
}

function listOf(texts: readonly string[]): TextList {
  if (texts.length === 0) return EMPTY_LIST
  const list = new TextListWriter(texts.length)
  for (const text of texts) list.add(text)
  return list.take()
}

function readAddedTokens(json: Json): AddedToken[] {
  const list = json.added_tokens ?? []
  if (!Array.isArray(list)) throw invalid('tokenizer.json: added_tokens is no list')
  checkCount(list.length, MAX_TOKENS, 'added tokens')
  return list.map((token: unknown) => {
    if (!isObject(token) || typeof token.content !== 'string') {
      throw invalid('tokenizer.json: an added token has no content')
    }
    const special = token.special === true
    return {
      text: token.content,
      id: checkId(token.id, token.content),
      special,
      control: special,
      normalized: typeof token.normalized === 'boolean' ? token.normalized : !special,
      lstrip: token.lstrip === true,
      rstrip: token.rstrip === true,
      singleWord: token.single_word === true,
    }
  })
}

const DECODERS: readonly unknown[] = [
  ...['ByteLevel', 'ByteFallback', 'Fuse', 'Metaspace', 'Replace', 'Strip'],
]

/** How token texts stand for bytes: the file's decoder says it. */
function readDecoder(json: Json): { byteLevel: boolean; stripsLeadingSpace: boolean } {
  const list = steps(json.decoder, 'decoders', 'decoder')
  for (const step of list) {
    const spaces = step.type !== 'Replace' || step.content === ' '
    if (!DECODERS.includes(step.type) || !spaces) throw unknownStep('decoder', step.type)
  }
  const has = (type: string) => list.some(step => step.type === type)
  if (has('ByteLevel')) return { byteLevel: true, stripsLeadingSpace: false }
  const metaspace = list.find(step => step.type === 'Metaspace')
  if (!metaspace && !has('Replace') && !has('ByteFallback')) {
    throw invalid(
      `tokenizer.json has the decoder ${JSON.stringify(json.decoder ?? null).slice(0, 80)}; ByteLevel, Metaspace and Replace are implemented`,
    )
  }
  const prepends = metaspace !== undefined && metaspacePrefix(metaspace) !== 'never'
  const strips = list.some(
    step => step.type === 'Strip' && step.content === ' ' && step.start === 1,
  )
  return { byteLevel: false, stripsLeadingSpace: prepends || strips }
}

function checkId(id: unknown, text: string): number {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MAX_TOKENS) return id
  throw invalid(
    `tokenizer.json: the id of "${text.slice(0, 40)}" is ${String(id).slice(0, 40)}; ids are whole numbers below ${MAX_TOKENS}`,
  )
}

function checkText(text: string, id: unknown): string {
  if (text.length <= MAX_TOKEN_UNITS) return text
  throw invalid(
    `tokenizer.json: token ${String(id).slice(0, 20)} ("${text.slice(0, 20)}...") has ${text.length} characters, the limit is ${MAX_TOKEN_UNITS}`,
  )
}

function checkCount(count: number, limit: number, what: string): void {
  if (count <= limit) return
  throw invalid(`tokenizer.json has ${count} ${what}, the limit is ${limit}`)
}

function invalid(message: string): RyzError {
  return new RyzError('TOKENIZER_INVALID', message)
}

// The vocabulary inside a tokenizer.json: texts, kinds and bytes of its tokens, checked. Called by
// from-json.ts.
import { RyzError } from '../errors.ts'
import { pushCharBytes } from './byte-alphabet.ts'
import type { ByteList } from './byte-list.ts'
import { SPACE_MARK } from './sentence-piece.ts'
import { BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED } from './token-table.ts'

export type Json = Record<string, unknown>

export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special: boolean
  /** Takes the white space before it, or behind it, away. */
  readonly lstrip?: boolean
  readonly rstrip?: boolean
}

export interface JsonVocabulary {
  readonly texts: string[]
  readonly kinds: Uint8Array
  readonly idOf: ReadonlyMap<string, number>
  /** As in the file, checked; the library takes them like this. */
  readonly addedTokens: readonly AddedToken[]
  readonly stripsLeadingSpace: boolean
  readonly writeBytes: (id: number, to: ByteList) => void
}

/** Larger ids can only be damage: the largest published vocabularies have 262 144 tokens. */
const MAX_TOKENS = 4 * 1024 * 1024
const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/

/** @throws RyzError TOKENIZER_INVALID */
export function readVocabulary(json: Json): JsonVocabulary {
  const model = isObject(json.model) ? json.model : {}
  const idOf = readModel(model)
  const addedTokens = readAddedTokens(json)

  let size = 0
  for (const id of idOf.values()) size = Math.max(size, id + 1)
  for (const { id } of addedTokens) size = Math.max(size, id + 1)
  if (size === 0) throw invalid('tokenizer.json holds no tokens')

  const texts = new Array<string>(size).fill('')
  const kinds = new Uint8Array(size).fill(UNUSED)
  for (const [text, id] of idOf) {
    if (kinds[id] !== UNUSED) throw invalid(`tokenizer.json gives id ${id} to two tokens`)
    texts[id] = text
    kinds[id] = model.byte_fallback === true && BYTE_TOKEN.test(text) ? BYTE : NORMAL
  }
  const unknown = unknownId(model, idOf)
  if (unknown !== undefined) kinds[unknown] = UNKNOWN
  for (const { id, content, special } of addedTokens) {
    texts[id] = content
    kinds[id] = special ? CONTROL : USER_DEFINED
    idOf.set(content, id)
  }

  const { byteLevel, stripsLeadingSpace } = readDecoder(json)
  const writeBytes = (id: number, to: ByteList): void => {
    if (kinds[id] === USER_DEFINED) to.pushText(texts[id])
    else if (kinds[id] === BYTE) to.push(Number.parseInt(texts[id].slice(3, 5), 16))
    else if (byteLevel) pushCharBytes(texts[id], to)
    else to.pushText(texts[id].replaceAll(SPACE_MARK, ' '))
  }
  return { texts, kinds, idOf, addedTokens, stripsLeadingSpace, writeBytes }
}

function readModel(model: Json): Map<string, number> {
  // Old files leave the type out; only BPE has merges.
  const type = model.type ?? (Array.isArray(model.merges) ? 'BPE' : undefined)
  if (type === 'Unigram' && Array.isArray(model.vocab)) {
    return new Map(
      model.vocab.map((entry, id) => {
        const ok = Array.isArray(entry) && typeof entry[0] === 'string' && isNumber(entry[1])
        if (!ok) throw invalid(`tokenizer.json: unigram token ${id} is no [text, score]`)
        return [entry[0] as string, id] as const
      }),
    )
  }
  if (type !== 'BPE') {
    throw invalid(
      `tokenizer.json has a model of kind "${String(type).slice(0, 40)}"; BPE and Unigram are implemented`,
    )
  }
  if (!isObject(model.vocab)) throw invalid('tokenizer.json: the BPE model has no vocab')
  const idOf = new Map<string, number>()
  for (const [text, id] of Object.entries(model.vocab)) idOf.set(text, checkId(id, text))
  if (!Array.isArray(model.merges)) throw invalid('tokenizer.json: the BPE model has no merges')
  model.merges.forEach((merge: unknown, rank) => {
    const parts = typeof merge === 'string' ? splitMerge(merge) : merge
    const known =
      Array.isArray(parts) &&
      parts.length === 2 &&
      [...parts, parts.join('')].every(p => idOf.has(p))
    if (!known) {
      throw invalid(
        `tokenizer.json: merge ${rank} (${JSON.stringify(merge)?.slice(0, 60)}) names a token that is not in the vocabulary`,
      )
    }
  })
  return idOf
}

function splitMerge(merge: string): string[] {
  const space = merge.indexOf(' ', 1)
  return space < 0 ? [merge] : [merge.slice(0, space), merge.slice(space + 1)]
}

function readAddedTokens(json: Json): AddedToken[] {
  const list = json.added_tokens ?? []
  if (!Array.isArray(list)) throw invalid('tokenizer.json: added_tokens is no list')
  return list.map((token: unknown) => {
    if (!isObject(token) || typeof token.content !== 'string') {
      throw invalid('tokenizer.json: an added token has no content')
    }
    checkId(token.id, token.content)
    return { ...token, special: token.special === true } as unknown as AddedToken
  })
}

function unknownId(model: Json, idOf: ReadonlyMap<string, number>): number | undefined {
  if (typeof model.unk_token === 'string') return idOf.get(model.unk_token)
  return typeof model.unk_id === 'number' && model.unk_id < idOf.size ? model.unk_id : undefined
}

/** How token texts stand for bytes: the file's decoder says it. */
function readDecoder(json: Json): { byteLevel: boolean; stripsLeadingSpace: boolean } {
  const steps = flatten(json.decoder)
  const has = (type: string) => steps.some(step => step.type === type)
  if (has('ByteLevel')) return { byteLevel: true, stripsLeadingSpace: false }
  const metaspace = steps.find(step => step.type === 'Metaspace')
  const marks = steps.some(step => step.type === 'Replace' && step.content === ' ')
  if (!metaspace && !marks && !has('ByteFallback')) {
    throw invalid(
      `tokenizer.json has the decoder ${JSON.stringify(json.decoder ?? null).slice(0, 80)}; ByteLevel, Metaspace and Replace are implemented`,
    )
  }
  const prepends =
    metaspace !== undefined &&
    metaspace.prepend_scheme !== 'never' &&
    metaspace.add_prefix_space !== false
  const strips = steps.some(
    step => step.type === 'Strip' && step.content === ' ' && step.start === 1,
  )
  return { byteLevel: false, stripsLeadingSpace: prepends || strips }
}

function flatten(decoder: unknown): Json[] {
  if (!isObject(decoder)) return []
  if (decoder.type !== 'Sequence' || !Array.isArray(decoder.decoders)) return [decoder]
  return decoder.decoders.filter(isObject)
}

function checkId(id: unknown, text: string): number {
  if (isNumber(id) && Number.isInteger(id) && id >= 0 && id < MAX_TOKENS) return id
  throw invalid(`tokenizer.json: the id of "${text.slice(0, 40)}" is ${String(id).slice(0, 40)}`)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): RyzError {
  return new RyzError('TOKENIZER_INVALID', message)
}

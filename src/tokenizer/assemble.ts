// Puts a Tokenizer together from its parts: a token table, an encoder of ordinary text, and what the
// file says of special tokens. The same for every kind of vocabulary read from GGUF.
import { RyzError } from '../errors.ts'
import type { TextEncoderFn } from './byte-pair.ts'
import { SpecialSplitter } from './special-splitter.ts'
import { CONTROL, type TokenTable, UNKNOWN, USER_DEFINED } from './token-table.ts'
import type { DecodeOptions, EncodeOptions, Tokenizer } from './tokenizer.ts'

export interface TokenizerFacts {
  bos: number | undefined
  eos: number | undefined
  addBos: boolean
  addEos: boolean
  endTokens: ReadonlySet<number>
  chatTemplate: string | undefined
  stripsLeadingSpace: boolean
}

/** A Tokenizer over `table` whose ordinary text goes through `encodeText`. */
export function assembleTokenizer(
  table: TokenTable,
  encodeText: TextEncoderFn,
  facts: TokenizerFacts,
): Tokenizer {
  const writtenOut = (kinds: number[]) => {
    const tokens: [string, number][] = []
    table.kinds.forEach((kind, id) => {
      if (kinds.includes(kind)) tokens.push([table.text(id), id])
    })
    return new SpecialSplitter(tokens)
  }
  // User-defined tokens are text like any other to the user, but are never merged from parts.
  const always = writtenOut([USER_DEFINED])
  const special = writtenOut([USER_DEFINED, CONTROL, UNKNOWN])

  return {
    ...tokenTexts(table, facts),
    encode(text, options = {}) {
      checkText(text)
      return guardLength(text, () => encode(text, options))
    },
  }

  function encode(text: string, options: EncodeOptions): number[] {
    const ids: number[] = []
    const addSpecial = options.addSpecial ?? true
    if (addSpecial && facts.addBos && facts.bos !== undefined) ids.push(facts.bos)
    let first = true
    const clean = wellFormed(text)
    const fragments = options.parseSpecial
      ? special.split(clean, options.trusted)
      : always.split(clean)
    for (const fragment of fragments) {
      if (typeof fragment === 'string') encodeText(fragment, ids, first)
      else ids.push(fragment)
      first = typeof fragment !== 'string'
    }
    if (addSpecial && facts.addEos && facts.eos !== undefined) ids.push(facts.eos)
    return ids
  }
}

/** Everything of a Tokenizer but encode(): what follows from the table alone. */
export function tokenTexts(table: TokenTable, facts: TokenizerFacts): Omit<Tokenizer, 'encode'> {
  return {
    vocabSize: table.size,
    bos: facts.bos,
    addBos: facts.addBos,
    addEos: facts.addEos,
    endTokens: facts.endTokens,
    chatTemplate: facts.chatTemplate,
    stripsLeadingSpace: facts.stripsLeadingSpace,
    tokenBytes: id => table.bytes(id),
    tokenText: id => table.text(id),
    isSpecial: id => table.isSpecial(id),
    isText: id => table.isText(id),
    decode: (ids, options) => decodeIds(table, ids, facts.stripsLeadingSpace, options ?? {}),
  }
}

/** @throws RyzError BAD_OPTION when it is not a string */
export function checkText(text: unknown): asserts text is string {
  if (typeof text === 'string') return
  throw new RyzError('BAD_OPTION', `the text to tokenize is ${typeof text}, not a string`)
}

/**
 * Regular expressions run out of stack on words of several million characters outside the basic plane.
 * @throws RyzError BAD_OPTION in that case
 */
export function guardLength<T>(text: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    const message = `the text has ${text.length} characters, too many to tokenize at once; split it`
    throw new RyzError('BAD_OPTION', message, { length: text.length }, { cause })
  }
}

/** Lone surrogates have no UTF-8; they become U+FFFD, as in TextEncoder. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}

function decodeIds(
  table: TokenTable,
  ids: ArrayLike<number>,
  stripsLeadingSpace: boolean,
  options: DecodeOptions,
): string {
  const utf8 = new TextEncoder()
  const parts: Uint8Array[] = []
  let size = 0
  for (let i = 0; i < ids.length; i++) {
    const part =
      options.special && table.isSpecial(ids[i])
        ? utf8.encode(table.text(ids[i]))
        : table.bytes(ids[i])
    parts.push(part)
    size += part.length
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  const strip = stripsLeadingSpace && !options.continuation && bytes[0] === 0x20
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(strip ? bytes.subarray(1) : bytes)
}

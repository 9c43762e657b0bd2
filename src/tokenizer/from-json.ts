// Reads tokenizer.json and tokenizer_config.json of a Hugging Face directory. Encoding is done by
// @huggingface/tokenizers, loaded only here; bytes of tokens and decoding come from the vocabulary, as
// for GGUF. json-vocabulary.ts reads and checks the vocabulary.
import { asRyzError, RyzError } from '../errors.ts'
import { checkText, guardLength, type TokenizerFacts, tokenTexts, wellFormed } from './assemble.ts'
import { type Json, readVocabulary } from './json-vocabulary.ts'
import { type Fragment, SpecialSplitter } from './special-splitter.ts'
import { CONTROL, END_TOKEN_NAMES, TokenTable } from './token-table.ts'
import type { Stretch, Tokenizer } from './tokenizer.ts'

export interface JsonTokenizerExtra {
  /** generation_config.json, parsed: its eos_token_id may be a list. */
  generationConfig?: Readonly<Record<string, unknown>>
  /** chat_template.jinja where it is a file of its own; wins over tokenizer_config.json. */
  chatTemplate?: string
}

/**
 * The tokenizer of a Hugging Face directory.
 * @throws RyzError TOKENIZER_INVALID when a file is damaged or holds a kind that is not implemented
 */
export async function tokenizerFromJson(
  tokenizerJson: string,
  tokenizerConfigJson?: string,
  extra: JsonTokenizerExtra = {},
): Promise<Tokenizer> {
  const json = parse(tokenizerJson, 'tokenizer.json')
  const config =
    tokenizerConfigJson === undefined ? {} : parse(tokenizerConfigJson, 'tokenizer_config.json')
  const vocab = readVocabulary(json)
  const library = await import('@huggingface/tokenizers')
  const open = (tokens: readonly unknown[]) => {
    try {
      return new library.Tokenizer({ ...json, added_tokens: tokens }, libraryConfig(config))
    } catch (cause) {
      throw asRyzError(cause, 'TOKENIZER_INVALID', 'tokenizer.json cannot be used')
    }
  }
  const withSpecial = open(vocab.addedTokens)
  // Without its special tokens, for text in which they are only text; made when such text comes.
  let withoutSpecial: ReturnType<typeof open> | undefined

  const probe = encodeWith(withSpecial, '', true)
  const facts = readFacts(config, extra, vocab.idOf, vocab.texts.length, probe)
  for (const id of facts.endTokens) vocab.kinds[id] = CONTROL
  if (facts.bos !== undefined) vocab.kinds[facts.bos] = CONTROL
  facts.stripsLeadingSpace = vocab.stripsLeadingSpace
  const table = new TokenTable(vocab.texts, vocab.kinds, vocab.writeBytes)
  const special = new SpecialSplitter(
    vocab.addedTokens.filter(token => token.special).map(token => [token.content, token.id]),
  )

  const added = new SpecialSplitter(vocab.addedTokens.map(token => [token.content, token.id]))
  let bare: ReturnType<typeof open> | undefined
  /** Where the text has an added token that may not be one: the stretches between the others, one by one. */
  const encodeAround = (fragments: readonly Fragment[]): number[] => {
    bare ??= open([])
    const flags = new Map(vocab.addedTokens.map(token => [token.id, token]))
    return fragments.flatMap((fragment, i) => {
      if (typeof fragment === 'number') return [fragment]
      const [before, after] = [fragments[i - 1], fragments[i + 1]]
      let text = fragment
      if (typeof before === 'number' && flags.get(before)?.rstrip) text = text.trimStart()
      if (typeof after === 'number' && flags.get(after)?.lstrip) text = text.trimEnd()
      // An empty section first: what follows is then not taken for the start of the whole text.
      const sections = (whole: string) => (i === 0 ? [whole] : ['', whole])
      Object.assign(bare!, { splitter_unnormalized: { split: sections } })
      return encodeWith(bare!, text, false)
    })
  }
  const forged = (clean: string, trusted: readonly Stretch[]): Fragment[] | undefined => {
    const some = added.split(clean, trusted)
    const all = added.split(clean)
    const same = all.length === some.length && all.every((part, i) => part === some[i])
    return same ? undefined : some
  }

  return {
    ...tokenTexts(table, facts),
    encode(text, options = {}) {
      checkText(text)
      const clean = wellFormed(text)
      const around =
        options.parseSpecial && options.trusted ? forged(clean, options.trusted) : undefined
      const plain =
        !options.parseSpecial && special.split(clean).some(part => typeof part === 'number')
      if (plain) withoutSpecial ??= open(vocab.addedTokens.filter(token => !token.special))
      const library = plain ? withoutSpecial! : withSpecial
      const ids = guardLength(text, () =>
        around ? encodeAround(around) : encodeWith(library, clean, false),
      )
      if (options.addSpecial ?? true) {
        if (facts.addBos && facts.bos !== undefined) ids.unshift(facts.bos)
        if (facts.addEos && facts.eos !== undefined) ids.push(facts.eos)
      }
      return ids
    },
  }
}

interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] }
}

function encodeWith(library: LibraryTokenizer, text: string, specials: boolean): number[] {
  const { ids } = library.encode(text, { add_special_tokens: specials })
  // The library leaves holes for pieces that have neither a token nor an unknown token.
  return ids.filter(id => id !== undefined && id !== null)
}

/** Only what changes ids; the rest of the file steers Python classes. */
function libraryConfig(config: Json): Json {
  return { remove_space: config.remove_space, tokenizer_class: config.tokenizer_class }
}

function readFacts(
  config: Json,
  { generationConfig = {}, chatTemplate }: JsonTokenizerExtra,
  idOf: ReadonlyMap<string, number>,
  size: number,
  probe: readonly number[],
): TokenizerFacts {
  const named = (value: unknown): number | undefined => {
    const text = isObject(value) ? value.content : value
    return typeof text === 'string' ? idOf.get(text) : undefined
  }
  const listed = (key: string): number[] => {
    const value = Object.hasOwn(generationConfig, key) ? generationConfig[key] : undefined
    const ids = value === undefined || value === null ? [] : [value].flat()
    for (const id of ids) {
      if (Number.isInteger(id) && (id as number) >= 0) continue
      throw invalid(`generation_config.json: ${key} is ${JSON.stringify(value)}`)
    }
    // An id beyond the vocabulary can never be sampled as text; it ends nothing.
    return (ids as number[]).filter(id => id < size)
  }
  const bos = named(config.bos_token) ?? listed('bos_token_id')[0]
  const eos = named(config.eos_token) ?? listed('eos_token_id')[0]
  const endTokens = new Set(eos === undefined ? [] : [eos])
  for (const id of listed('eos_token_id')) endTokens.add(id)
  for (const name of END_TOKEN_NAMES) {
    const id = idOf.get(name)
    if (id !== undefined && name !== '</s>') endTokens.add(id)
  }

  // A flag in the configuration wins; otherwise the post-processor says what it adds to nothing.
  const bosProbed = bos !== undefined && probe[0] === bos
  const eosProbed = eos !== undefined && probe.length > (bosProbed ? 1 : 0) && probe.at(-1) === eos
  const flag = (key: string) =>
    typeof config[key] === 'boolean' ? (config[key] as boolean) : undefined
  return {
    bos,
    eos,
    addBos: (flag('add_bos_token') ?? bosProbed) && bos !== undefined,
    addEos: (flag('add_eos_token') ?? eosProbed) && eos !== undefined,
    endTokens,
    chatTemplate: chatTemplate || templateOf(config.chat_template),
    stripsLeadingSpace: false,
  }
}

/** A string, or a list of named templates of which "default" is for chat. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value || undefined
  if (!Array.isArray(value)) return undefined
  const entry = value.find(item => isObject(item) && item.name === 'default')
  return typeof entry?.template === 'string' ? entry.template : undefined
}

function parse(text: string, name: string): Json {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw asRyzError(cause, 'TOKENIZER_INVALID', `${name} is no JSON`)
  }
  if (isObject(value)) return value
  throw invalid(`${name} is no JSON object`)
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): RyzError {
  return new RyzError('TOKENIZER_INVALID', message)
}

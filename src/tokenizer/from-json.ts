// Reads tokenizer.json and tokenizer_config.json of a Hugging Face directory. json-vocabulary.ts reads the
// vocabulary, json-pipeline.ts the steps around it; encoding and decoding are those of GGUF files.
import { RyzError } from '../errors.ts'
import { assembleTokenizer, type TokenizerFacts } from './assemble.ts'
import { cuttingOf, normalizerOf, steps, unknownStep } from './json-pipeline.ts'
import { isObject, type Json, parseObject } from './json-values.ts'
import { type AddedToken, readVocabulary } from './json-vocabulary.ts'
import { MAX_TOKENS } from './limits.ts'
import type { Normalizer } from './normalizers.ts'
import { SpecialSplitter } from './special-splitter.ts'
import { CONTROL, END_TOKEN_NAMES, TokenTable } from './token-table.ts'
import type { Tokenizer } from './tokenizer.ts'
import { textOf, unitsOf } from './units.ts'

export interface JsonTokenizerExtra {
  /** generation_config.json, parsed: its eos_token_id may be a list. */
  generationConfig?: Readonly<Record<string, unknown>>
  /** chat_template.jinja where it is a file of its own; wins over tokenizer_config.json. */
  chatTemplate?: string
  /** Rows of the embedding. */
  rows?: number
}

/**
 * The tokenizer of a Hugging Face directory.
 * @throws RyzError TOKENIZER_INVALID when a file is damaged, UNSUPPORTED_FEATURE naming what is not implemented
 */
export function tokenizerFromJson(
  tokenizerJson: string,
  tokenizerConfigJson?: string,
  extra: JsonTokenizerExtra = {},
): Tokenizer {
  const json = parseObject(tokenizerJson, 'tokenizer.json')
  const config =
    tokenizerConfigJson === undefined
      ? {}
      : parseObject(tokenizerConfigJson, 'tokenizer_config.json')
  const normalizer = normalizerOf(json.normalizer)
  const { cutters, bytes, losesNothing } = cuttingOf(json.pre_tokenizer)
  const vocab = readVocabulary(json, bytes, extra.rows ?? MAX_TOKENS)

  const around = readTemplate(json.post_processor, vocab.idOf)
  const facts = readFacts(config, extra, vocab.idOf, vocab.texts.length, around)
  for (const id of facts.endTokens) vocab.kinds[id] = CONTROL
  if (facts.bos !== undefined) vocab.kinds[facts.bos] = CONTROL
  facts.stripsLeadingSpace = vocab.stripsLeadingSpace
  facts.notes = vocab.notes
  const table = new TokenTable(vocab.texts, vocab.kinds, vocab.writeBytes)

  const added = vocab.addedTokens.filter(token => token.text !== '')
  const later = added.filter(token => token.normalized)
  const strips = added.some(token => token.lstrip || token.rstrip)
  return assembleTokenizer(
    table,
    {
      written: new SpecialSplitter(added.filter(token => !token.normalized)),
      writtenNormalized:
        later.length === 0
          ? undefined
          : new SpecialSplitter(later.map(token => normalizedToken(token, normalizer))),
      writtenAnyhow: later.length === 0 ? undefined : new SpecialSplitter(added),
      normalizer,
      cutters,
      openEncoder: vocab.openEncoder,
      startsAfterTokens: false,
      losesNothing: vocab.losesNothing && losesNothing && !strips,
    },
    facts,
  )
}

/** A token that is looked for in normalized text is looked for as the normalizer writes it. */
function normalizedToken(token: AddedToken, normalizer: Normalizer | undefined): AddedToken {
  if (!normalizer) return token
  const units = unitsOf(token.text)
  const run = normalizer.run({ units, from: 0, to: units.length }, { left: Infinity })
  for (;;) {
    const { done, value } = run.next()
    if (done) return { ...token, text: textOf(value.units, value.from, value.to) }
  }
}

/** Tokens that the post-processor puts before and behind a text. */
interface Around {
  readonly before: readonly number[]
  readonly behind: readonly number[]
}

function readTemplate(json: unknown, idOf: (text: string) => number | undefined): Around {
  const before: number[] = []
  const behind: number[] = []
  for (const step of steps(json, 'processors', 'post_processor')) {
    switch (step.type) {
      case 'ByteLevel':
        break
      case 'TemplateProcessing': {
        let to = before
        for (const part of Array.isArray(step.single) ? step.single : []) {
          if (!isObject(part)) continue
          if (isObject(part.Sequence)) to = behind
          if (isObject(part.SpecialToken)) to.push(...templateIds(step, part.SpecialToken.id, idOf))
        }
        break
      }
      case 'BertProcessing':
      case 'RobertaProcessing':
        before.push(...pairId(step.cls))
        behind.push(...pairId(step.sep))
        break
      default:
        throw unknownStep('post_processor', step.type)
    }
  }
  return { before, behind }
}

function templateIds(
  step: Json,
  name: unknown,
  idOf: (text: string) => number | undefined,
): number[] {
  const tokens = isObject(step.special_tokens) ? step.special_tokens : {}
  const entry = typeof name === 'string' && Object.hasOwn(tokens, name) ? tokens[name] : undefined
  const ids = isObject(entry) ? entry.ids : undefined
  if (Array.isArray(ids) && ids.every(id => typeof id === 'number')) return ids
  const id = typeof name === 'string' ? idOf(name) : undefined
  if (id !== undefined) return [id]
  throw invalid(
    `tokenizer.json: the post_processor names the token ${JSON.stringify(name)?.slice(0, 40)}, which is not there`,
  )
}

function pairId(pair: unknown): number[] {
  if (Array.isArray(pair) && typeof pair[1] === 'number') return [pair[1]]
  throw invalid('tokenizer.json: the post_processor has no [token, id]')
}

function readFacts(
  config: Json,
  { generationConfig = {}, chatTemplate }: JsonTokenizerExtra,
  idOf: (text: string) => number | undefined,
  size: number,
  around: Around,
): TokenizerFacts {
  const named = (value: unknown): number | undefined => {
    const text = isObject(value) ? value.content : value
    return typeof text === 'string' ? idOf(text) : undefined
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
  // What the post-processor puts there is the bos of a file that names none.
  const bos = named(config.bos_token) ?? listed('bos_token_id')[0] ?? around.before[0]
  const eos = named(config.eos_token) ?? listed('eos_token_id')[0] ?? around.behind.at(-1)
  const endTokens = new Set(eos === undefined ? [] : [eos])
  for (const id of listed('eos_token_id')) endTokens.add(id)
  for (const name of END_TOKEN_NAMES) {
    const id = idOf(name)
    if (id !== undefined && name !== '</s>') endTokens.add(id)
  }

  // A flag in the configuration wins over the post-processor.
  const flag = (key: string) =>
    typeof config[key] === 'boolean' ? (config[key] as boolean) : undefined
  return {
    bos,
    eos,
    addBos: (flag('add_bos_token') ?? addsOne(around.before, bos)) && bos !== undefined,
    addEos: (flag('add_eos_token') ?? addsOne(around.behind, eos)) && eos !== undefined,
    endTokens,
    chatTemplate: chatTemplate || templateOf(config.chat_template),
    stripsLeadingSpace: false,
  }
}

/** @throws RyzError UNSUPPORTED_FEATURE when anything but one bos or eos is put around a text */
function addsOne(ids: readonly number[], expected: number | undefined): boolean {
  if (ids.length === 0) return false
  if (ids.length === 1 && ids[0] === expected) return true
  throw new RyzError(
    'UNSUPPORTED_FEATURE',
    `the post_processor of tokenizer.json puts tokens ${ids.slice(0, 8).join(', ')} around a text; one bos before and one eos behind it are implemented (here ${expected ?? 'none'})`,
  )
}

/** A string, or a list of named templates of which "default" is for chat. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value || undefined
  if (!Array.isArray(value)) return undefined
  const entry = value.find(item => isObject(item) && item.name === 'default')
  return typeof entry?.template === 'string' ? entry.template : undefined
}

function invalid(message: string): RyzError {
  return new RyzError('TOKENIZER_INVALID', message)
}

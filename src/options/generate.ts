// What a request may be told: bounds and defaults of the options of generate(), chat(), score(), embed()
// and the tokenizer's calls. What depends on the model (token ids) is checked in the engine. Used by src/api and
// src/engine.
import type { EmbedOptions, GenerateOptions, ScoreOptions } from '../types/index.ts'
import { queueTimeout } from './load.ts'
import { responseFormat } from './response-format.ts'
import {
  callback,
  finite,
  flag,
  kindOf,
  listOf,
  number,
  oneOf,
  type Rule,
  type Rules,
  signal,
  whole,
} from './rules.ts'

/** Priorities are whole numbers between minus and plus this. */
export const MAX_PRIORITY = 10
const MAX_LOGPROBS = 20
const MAX_PENALTY = 1e3
const MAX_WINDOW = 1 << 20
const ANY = Number.MAX_SAFE_INTEGER

export const GENERATE_DEFAULTS = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  penaltyWindow: 64,
  logitBias: {},
  maxTokens: 256,
  stop: [],
  ignoreEos: false,
  overflow: 'stop',
  // One KV block: its K and V are found, not computed, when the answer goes on after a slide.
  keep: 32,
  reuse: true,
  priority: 0,
} as const satisfies GenerateOptions

const stopStrings = listOf(
  text => (typeof text === 'string' && text !== '' ? undefined : 'text'),
  'strings that are not empty',
  1000,
)

const bias: Rule = value => {
  // A Map has no entries here, and would be ignored.
  if (kindOf(value) !== 'Object') return 'an object of token id to number'
  for (const [key, by] of Object.entries(value as object)) {
    if (String(Number(key) >>> 0) !== key)
      return `keyed by token ids; ${JSON.stringify(key.slice(0, 40))} is none`
    if (typeof by !== 'number' || !(by < Number.POSITIVE_INFINITY)) {
      return `of finite numbers or -Infinity, also for ${key}`
    }
  }
  return undefined
}

const SAMPLING_RULES = {
  temperature: finite(),
  topK: whole(0, ANY),
  topP: number(0, 1),
  minP: number(0, 1),
  repetitionPenalty: (value: unknown) =>
    number(0, MAX_PENALTY)(value) === undefined && value !== 0
      ? undefined
      : `more than 0 and at most ${MAX_PENALTY}`,
  frequencyPenalty: number(-MAX_PENALTY, MAX_PENALTY),
  presencePenalty: number(-MAX_PENALTY, MAX_PENALTY),
  penaltyWindow: whole(0, MAX_WINDOW),
  logitBias: bias,
  seed: whole(0, 0xffffffff),
}

const REQUEST_RULES = {
  noBos: flag,
  priority: whole(-MAX_PRIORITY, MAX_PRIORITY),
  queueTimeoutMs: queueTimeout,
  signal,
}

export const GENERATE_RULES: Rules<GenerateOptions> = {
  ...SAMPLING_RULES,
  ...REQUEST_RULES,
  maxTokens: whole(1, ANY),
  stop: stopStrings,
  ignoreEos: flag,
  responseFormat,
  logprobs: whole(0, MAX_LOGPROBS),
  overflow: oneOf('stop', 'slide'),
  keep: whole(0, ANY),
  reuse: flag,
  onQueue: callback,
}

/** More are asked for by `logits`. */
const MAX_ALTERNATIVES = 1000

export const SCORE_RULES: Rules<ScoreOptions> = {
  ...REQUEST_RULES,
  from: whole(1, ANY),
  alternatives: listOf(whole(0, ANY), 'token ids', MAX_ALTERNATIVES),
  logits: flag,
}

export const EMBED_RULES: Rules<EmbedOptions> = {
  ...REQUEST_RULES,
  pooling: oneOf('last', 'mean', 'cls'),
  normalize: flag,
  truncate: flag,
  onQueue: callback,
}

/** What tokenize() takes. */
export interface TokenizeOptions {
  /** Recognise control tokens that are written out. */
  special?: boolean
  /** Prepend bos. */
  bos?: boolean
}
export const TOKENIZE_RULES: Rules<TokenizeOptions> = { special: flag, bos: flag }

/** What detokenize() takes. */
export interface DetokenizeOptions {
  /** Also write control tokens. */
  special?: boolean
  /** The ids continue a text: a space at their beginning is kept (default: true for the tokens of a result). */
  continuation?: boolean
}
export const DETOKENIZE_RULES: Rules<DetokenizeOptions> = { special: flag, continuation: flag }

/** What saveSession() takes. */
export interface SaveOptions {
  noBos?: boolean
}
export const SAVE_RULES: Rules<SaveOptions> = { noBos: flag }

// The fields that chats and completions share: how they are checked, and what they are in the SDK's words. Called
// by request.ts and completions.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import { GENERATE_RULES } from '../../options/generate.ts'
import {
  badOption,
  checkOptions,
  flag,
  isList,
  type Rule,
  type Rules,
  text,
  whole,
} from '../../options/rules.ts'
import type { GenerateOptions, ResponseFormat } from '../../types/index.ts'
import type { SharedFields } from './openai-types.ts'

const MAX_CHOICES = 128

export const refused: Rule = () => 'left out; it is not supported here'
export const anything: Rule = () => undefined

const stop: Rule = value =>
  typeof value === 'string' && value !== ''
    ? undefined
    : GENERATE_RULES.stop(value)?.replace('a list', 'a text or a list')

const STREAM_RULES = { include_usage: flag, include_obfuscation: flag }

export const SHARED_RULES: Rules<SharedFields> = {
  model: text,
  stream: flag,
  stream_options: value => (Object(value) === value ? undefined : 'an object'),
  max_tokens: GENERATE_RULES.maxTokens,
  temperature: GENERATE_RULES.temperature,
  top_p: GENERATE_RULES.topP,
  frequency_penalty: GENERATE_RULES.frequencyPenalty,
  presence_penalty: GENERATE_RULES.presencePenalty,
  logit_bias: GENERATE_RULES.logitBias,
  stop,
  seed: value => (Number.isInteger(value) ? undefined : 'a whole number'),
  n: whole(1, MAX_CHOICES),
  top_k: GENERATE_RULES.topK,
  min_p: GENERATE_RULES.minP,
  repetition_penalty: GENERATE_RULES.repetitionPenalty,
  response_format: value => {
    const { type, json_schema } = Object(value)
    if (type === 'text' || type === 'json_object') return undefined
    if (type !== 'json_schema')
      return "{ type: 'text' | 'json_object' | 'json_schema' } or left out"
    const { schema, strict = null } = Object(json_schema)
    return typeof schema === 'object' && (strict === null || typeof strict === 'boolean')
      ? undefined
      : 'an object whose json_schema is { name, schema, strict }'
  },
  user: anything,
}

/**
 * The fields of a request, each checked; null is as if left out, as the official client's users write it.
 * @throws RyzError BAD_OPTION naming the field
 */
export function checkedFields<T extends object>(rules: Rules<T>, request: T, call: string): T {
  if (typeof request !== 'object' || request === null || isList(request)) {
    throw badOption('the request', request, 'an object')
  }
  const given = Object.entries(request).filter(([, value]) => value !== null)
  const asked = checkOptions(rules, Object.fromEntries(given) as unknown as T, call)
  const { stream_options: stream } = asked as SharedFields
  if (stream) checkOptions(STREAM_RULES, stream, 'stream_options')
  return asked
}

/** @param asked  checked */
export function sharedOptions(asked: SharedFields): GenerateOptions {
  const { seed, stop, response_format: format } = asked
  return {
    temperature: asked.temperature ?? 1,
    topP: asked.top_p ?? 1,
    topK: asked.top_k ?? 0,
    minP: asked.min_p ?? undefined,
    repetitionPenalty: asked.repetition_penalty ?? undefined,
    frequencyPenalty: asked.frequency_penalty ?? undefined,
    presencePenalty: asked.presence_penalty ?? undefined,
    logitBias: asked.logit_bias ?? undefined,
    seed: typeof seed === 'number' ? foldSeed(seed) : undefined,
    stop: typeof stop === 'string' ? [stop] : (stop ?? undefined),
    ...(format && format.type !== 'text' && { responseFormat: formatOf(format) }),
  }
}

/** A schema is enforced whole; what cannot be enforced is refused, unless `strict: false` says otherwise. */
function formatOf(format: NonNullable<SharedFields['response_format']>): ResponseFormat {
  if (format.type !== 'json_schema') return { type: format.type }
  const { schema, strict } = format.json_schema
  return { type: 'json_schema', schema: schema ?? true, strict: strict ?? true }
}

/** Any whole number as one of 32 bits: itself where it is one, else its halves together. */
export function foldSeed(seed: number): number {
  const high = Math.floor(seed / 2 ** 32)
  return ((seed % 2 ** 32) ^ (seed < 0 ? ~high : high % 2 ** 32)) >>> 0
}

/** Options of answer number i: each has a seed of its own, those after the first the ones that follow. */
export function nthOptions<T extends GenerateOptions>(options: T, i: number): T {
  const { seed } = options
  return seed === undefined ? options : { ...options, seed: (seed + i) >>> 0 }
}

/**
 * Answers at a time are as many as the engine has seats.
 * @throws RyzError BAD_OPTION naming the field
 */
export async function checkChoices(
  engine: Pick<Ryzanstein, 'stats'>,
  n: number,
  field = 'n',
): Promise<void> {
  if (n === 1) return
  const { maxSequences } = await engine.stats()
  if (n <= maxSequences) return
  throw badOption(field, n, `at most ${maxSequences} answers, the maxSequences of this engine`)
}

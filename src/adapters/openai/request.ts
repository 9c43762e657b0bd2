// Reads what chat.completions.create() is given: every field is honoured, or it asks for what happens anyway,
// or it is refused by name. Called by openai.ts.
import { GENERATE_RULES } from '../../options/generate.ts'
import {
  badOption,
  check,
  checkOptions,
  flag,
  isList,
  signal as isSignal,
  listOf,
  oneOf,
  type Rule,
  type Rules,
  reading,
  text,
  whole,
} from '../../options/rules.ts'
import type { ChatMessage, GenerateOptions, ResponseFormat } from '../../types/index.ts'
import type { ChatCompletionMessage, ChatCompletionRequest } from './openai-types.ts'

/** A request in the SDK's words. */
export interface ChatRequest {
  readonly messages: ChatMessage[]
  readonly options: GenerateOptions
  readonly model: string | undefined
  readonly n: number
  readonly stream: boolean
  readonly includeUsage: boolean
}

const MAX_CHOICES = 128
const MAX_MESSAGES = 100_000

const refused: Rule = () => 'left out; it is not supported here'

/** Lists that may only be empty, and objects that may only say what is done anyway. */
const empty: Rule = value =>
  Array.isArray(value) && value.length === 0 ? undefined : refused(value)
const anything: Rule = () => undefined

const stop: Rule = value =>
  typeof value === 'string'
    ? undefined
    : GENERATE_RULES.stop(value)?.replace('a list', 'a text or a list')

/** What each field may be; null is as if left out. */
export const REQUEST_RULES: Rules<ChatCompletionRequest> = {
  messages: value => {
    const some = Array.isArray(value) && value.length > 0 && value.length <= MAX_MESSAGES
    return some ? undefined : `a list of 1 to ${MAX_MESSAGES} messages`
  },
  model: text,
  stream: flag,
  stream_options: value => (typeof value === 'object' ? undefined : 'an object'),
  max_tokens: GENERATE_RULES.maxTokens,
  max_completion_tokens: GENERATE_RULES.maxTokens,
  temperature: GENERATE_RULES.temperature,
  top_p: GENERATE_RULES.topP,
  frequency_penalty: GENERATE_RULES.frequencyPenalty,
  presence_penalty: GENERATE_RULES.presencePenalty,
  logit_bias: GENERATE_RULES.logitBias,
  logprobs: flag,
  top_logprobs: GENERATE_RULES.logprobs,
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
  // What happens anyway.
  tools: empty,
  functions: empty,
  tool_choice: oneOf('none', 'auto'),
  function_call: oneOf('none', 'auto'),
  parallel_tool_calls: flag,
  modalities: listOf(oneOf('text'), "times 'text'", 1),
  service_tier: oneOf('auto', 'default'),
  verbosity: oneOf('medium'),
  // What changes no answer: it concerns a server's accounts, stores and caches.
  metadata: anything,
  prediction: anything,
  prompt_cache_key: anything,
  prompt_cache_options: anything,
  prompt_cache_retention: anything,
  safety_identifier: anything,
  store: anything,
  user: anything,
  // What cannot be done.
  audio: refused,
  reasoning_effort: refused,
  web_search_options: refused,
}

/** @throws RyzError BAD_OPTION naming the field or message */
export function readRequest(request: ChatCompletionRequest, init: unknown): ChatRequest {
  return reading('the request', () => read(request, init))
}

function read(request: ChatCompletionRequest, init: unknown): ChatRequest {
  const asked = checkOptions(REQUEST_RULES, withoutNulls(request), 'chat.completions.create()')
  check('messages', asked.messages, REQUEST_RULES.messages)
  if (asked.top_logprobs && asked.logprobs !== true) {
    throw badOption('top_logprobs', asked.top_logprobs, 'left out unless logprobs is true')
  }
  const signal = Object(init ?? {}).signal ?? undefined
  if (signal !== undefined) check('signal', signal, isSignal)
  return {
    messages: Array.from(asked.messages, readMessage),
    options: { ...translate(asked), signal },
    model: asked.model,
    n: asked.n ?? 1,
    stream: asked.stream === true,
    includeUsage: asked.stream_options?.include_usage === true,
  }
}

/** The official client's users write null for "not given". */
function withoutNulls(request: ChatCompletionRequest): ChatCompletionRequest {
  if (typeof request !== 'object' || request === null || isList(request)) {
    throw badOption('the request', request, 'an object with messages')
  }
  const given = Object.entries(request).filter(([, value]) => value !== null)
  return Object.fromEntries(given) as unknown as ChatCompletionRequest
}

function translate(asked: ChatCompletionRequest): GenerateOptions {
  const { seed } = asked
  const options: GenerateOptions = {
    temperature: asked.temperature ?? 1,
    topP: asked.top_p ?? 1,
    topK: asked.top_k ?? 0,
    minP: asked.min_p ?? undefined,
    repetitionPenalty: asked.repetition_penalty ?? undefined,
    frequencyPenalty: asked.frequency_penalty ?? undefined,
    presencePenalty: asked.presence_penalty ?? undefined,
    logitBias: asked.logit_bias ?? undefined,
    seed: typeof seed === 'number' ? foldSeed(seed) : undefined,
    maxTokens: asked.max_completion_tokens ?? asked.max_tokens ?? undefined,
    stop: typeof asked.stop === 'string' ? [asked.stop] : (asked.stop ?? undefined),
  }
  if (asked.logprobs === true) options.logprobs = asked.top_logprobs ?? 0
  const format = asked.response_format
  if (format && format.type !== 'text') options.responseFormat = formatOf(format)
  return options
}

/** A schema is enforced whole; what cannot be enforced is refused, unless `strict: false` says otherwise. */
function formatOf(format: NonNullable<ChatCompletionRequest['response_format']>): ResponseFormat {
  if (format.type !== 'json_schema') return { type: format.type }
  const { schema, strict } = format.json_schema
  return { type: 'json_schema', schema: schema ?? true, strict: strict ?? true }
}

/** Any whole number as one of 32 bits: itself where it is one, else its halves together. */
export function foldSeed(seed: number): number {
  const high = Math.floor(seed / 2 ** 32)
  return ((seed % 2 ** 32) ^ (seed < 0 ? ~high : high % 2 ** 32)) >>> 0
}

/** What a message may have beside role and content, when it says nothing. */
const NOTHING = [undefined, null, '']

/** @throws RyzError BAD_OPTION naming the message and what cannot be said to the model */
function readMessage(given: ChatCompletionMessage, i: number): ChatMessage {
  const at = `messages[${i}]`
  return reading(at, () => {
    if (typeof given !== 'object' || given === null) {
      throw badOption(at, given, 'a message { role, content }')
    }
    const { role, content, name, ...others } = given
    check(`${at}.role`, role, text)
    for (const [field, value] of Object.entries(others)) {
      if (NOTHING.includes(value as null) || (Array.isArray(value) && value.length === 0)) continue
      throw badOption(`${at}.${field}`, value, refused(value)!)
    }
    const message: ChatMessage = { role, content: contentOf(content, at) }
    if (NOTHING.includes(name)) return message
    check(`${at}.name`, name, text)
    return { ...message, name } as ChatMessage
  })
}

function contentOf(content: ChatCompletionMessage['content'], at: string): string {
  if (content === undefined || content === null) return ''
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw badOption(`${at}.content`, content, 'a text or text parts')
  const texts = Array.from(content, (part: { type?: unknown; text?: unknown }, p) => {
    if (part?.type === 'text' && typeof part.text === 'string') return part.text
    throw badOption(`${at}.content[${p}]`, part?.type, "{ type: 'text', text }; only text is read")
  })
  return texts.join('')
}

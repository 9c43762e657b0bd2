// Reads what chat.completions.create() is given: every field is honoured, or it asks for what happens anyway,
// or it is refused by name. Called by openai.ts.
import { GENERATE_RULES } from '../../options/generate.ts'
import { CHAT_INPUT_RULES } from '../../options/input.ts'
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
import type { ChatMessage, ChatOptions, ResponseFormat } from '../../types/index.ts'
import type { ChatCompletionMessage, ChatCompletionRequest } from './openai-types.ts'

/** A request in the SDK's words. */
export interface ChatRequest {
  readonly messages: ChatMessage[]
  readonly options: ChatOptions
  readonly model: string | undefined
  readonly n: number
  readonly stream: boolean
  readonly includeUsage: boolean
  /** One function was asked for by name: its call ends with 'stop', as in the interface this one copies. */
  readonly named: boolean
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
  chat_template_kwargs: CHAT_INPUT_RULES.templateOptions,
  // A template knows reasoning or none; efforts between are not told apart.
  reasoning_effort: oneOf('none'),
  tools: value => (Array.isArray(value) ? undefined : 'a list of functions'),
  tool_choice: value =>
    ['none', 'auto', 'required'].includes(value as string) || nameOf(value) !== undefined
      ? undefined
      : "'none', 'auto', 'required' or { type: 'function', function: { name } }",
  parallel_tool_calls: flag,
  // Their successors are tools and tool_choice.
  functions: empty,
  function_call: oneOf('none', 'auto'),
  modalities: listOf(oneOf('text'), "times 'text'", 1),
  // What happens anyway.
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
    named: nameOf(asked.tool_choice) !== undefined,
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

function translate(asked: ChatCompletionRequest): ChatOptions {
  const { seed } = asked
  const options: ChatOptions = {
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
  Object.assign(options, toolsOf(asked, options.responseFormat))
  const variables = {
    ...(asked.reasoning_effort === 'none' && { enable_thinking: false }),
    ...asked.chat_template_kwargs,
  }
  if (Object.keys(variables).length > 0) options.templateOptions = variables
  return options
}

/** The tools, and what is to be done with them; nothing where there are none. */
function toolsOf(
  { tools, tool_choice: choice, parallel_tool_calls: parallel }: ChatCompletionRequest,
  format: ResponseFormat | undefined,
): Partial<ChatOptions> {
  const name = nameOf(choice)
  if (!tools || tools.length === 0) {
    if (choice !== 'required' && name === undefined) return {}
    throw badOption('tool_choice', choice, 'left out without tools')
  }
  if (name !== undefined && !tools.some(tool => nameOf(tool) === name)) {
    throw badOption('tool_choice', name, 'the name of one of the tools')
  }
  if (format !== undefined && choice !== 'none') {
    throw badOption('response_format', format.type, "left out with tools, or tool_choice: 'none'")
  }
  return {
    tools: tools as ChatOptions['tools'],
    toolChoice: name === undefined ? (choice as ChatOptions['toolChoice']) : { name },
    parallelToolCalls: parallel ?? undefined,
  }
}

/** The function of a tool or a tool_choice. */
function nameOf(choice: unknown): string | undefined {
  const name: unknown = Object(Object(choice).function).name
  return typeof name === 'string' ? name : undefined
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

/** Fields that the model cannot be told of, unless they say nothing. */
const UNTOLD = ['function_call', 'audio', 'refusal']

/** @throws RyzError BAD_OPTION naming the message and what cannot be said to the model */
function readMessage(given: ChatCompletionMessage, i: number): ChatMessage {
  const at = `messages[${i}]`
  return reading(at, () => {
    if (typeof given !== 'object' || given === null) {
      throw badOption(at, given, 'a message { role, content }')
    }
    const told: Record<string, unknown> = {}
    for (const [field, value] of Object.entries(given)) {
      if (value === undefined || value === null) continue
      if (field !== 'content' && Array.isArray(value) && value.length === 0) continue
      if (UNTOLD.includes(field)) throw badOption(`${at}.${field}`, value, refused(value)!)
      // Of answers of the official client; the template has no use for it.
      if (field !== 'annotations') told[field] = value
    }
    // The name that other servers give it.
    const { reasoning_content: reasoning, ...message } = told
    return {
      ...message,
      role: given.role,
      content: contentOf(given.content, at),
      ...(reasoning !== undefined && { reasoning: reasoning as string }),
    } as ChatMessage
  })
}

/** Texts of a message, joined; the SDK checks the rest. */
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

// Reads what chat.completions.create() is given: every field is honoured, or it asks for what happens anyway,
// or it is refused by name. Called by openai.ts.
import { GENERATE_RULES } from '../../options/generate.ts'
import { CHAT_INPUT_RULES } from '../../options/input.ts'
import {
  badOption,
  check,
  flag,
  signal as isSignal,
  listOf,
  oneOf,
  type Rule,
  type Rules,
  reading,
} from '../../options/rules.ts'
import type { ChatMessage, ChatOptions } from '../../types/index.ts'
import { readMessage } from './messages.ts'
import type { ChatCompletionRequest } from './openai-types.ts'
import { anything, checkedFields, refused, SHARED_RULES, sharedOptions } from './sampling.ts'

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

const MAX_MESSAGES = 100_000

/** Lists that may only be empty. */
const empty: Rule = value =>
  Array.isArray(value) && value.length === 0 ? undefined : refused(value)

/** What each field may be; null is as if left out. */
export const REQUEST_RULES: Rules<ChatCompletionRequest> = {
  messages: value => {
    const some = Array.isArray(value) && value.length > 0 && value.length <= MAX_MESSAGES
    return some ? undefined : `a list of 1 to ${MAX_MESSAGES} messages`
  },
  ...SHARED_RULES,
  max_completion_tokens: GENERATE_RULES.maxTokens,
  logprobs: flag,
  top_logprobs: GENERATE_RULES.logprobs,
  chat_template_kwargs: CHAT_INPUT_RULES.templateOptions,
  // A template knows reasoning or none; efforts between are not told apart.
  reasoning_effort: oneOf('none'),
  tools: value => (Array.isArray(value) ? undefined : 'a list of functions'),
  tool_choice: value =>
    ['none', 'auto', 'required'].includes(value as string) ||
    nameOf(value) !== undefined ||
    allowedOf(value) !== undefined
      ? undefined
      : "'none', 'auto', 'required', { type: 'function', function: { name } } or { type: 'allowed_tools', allowed_tools: { mode: 'auto' or 'required', tools } }",
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
  // What cannot be done.
  audio: refused,
  moderation: refused,
  web_search_options: refused,
}

/** @throws RyzError BAD_OPTION naming the field or message */
export function readRequest(request: ChatCompletionRequest, init: unknown): ChatRequest {
  return reading('the request', () => read(request, init))
}

/** Of what the official client passes beside a request. @throws RyzError BAD_OPTION */
export function signalOf(init: unknown): AbortSignal | undefined {
  return reading('the second argument', () => {
    const signal = Object(init ?? {}).signal ?? undefined
    if (signal !== undefined) check('signal', signal, isSignal)
    return signal
  })
}

function read(request: ChatCompletionRequest, init: unknown): ChatRequest {
  const asked = checkedFields(REQUEST_RULES, request, 'chat.completions.create()')
  check('messages', asked.messages, REQUEST_RULES.messages)
  if (asked.top_logprobs && asked.logprobs !== true) {
    throw badOption('top_logprobs', asked.top_logprobs, 'left out unless logprobs is true')
  }
  const signal = signalOf(init)
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

function translate(asked: ChatCompletionRequest): ChatOptions {
  const options: ChatOptions = {
    ...sharedOptions(asked),
    // As in the interface this one copies: without a limit the answer ends by itself, or with the context.
    maxTokens: asked.max_completion_tokens ?? asked.max_tokens ?? Number.MAX_SAFE_INTEGER,
  }
  if (asked.logprobs === true) options.logprobs = asked.top_logprobs ?? 0
  Object.assign(options, toolsOf(asked))
  const variables = {
    ...(asked.reasoning_effort === 'none' && { enable_thinking: false }),
    ...asked.chat_template_kwargs,
  }
  if (Object.keys(variables).length > 0) options.templateOptions = variables
  return options
}

/** The tools, and what is to be done with them; nothing where there are none. */
function toolsOf({
  tools,
  tool_choice: choice,
  parallel_tool_calls: parallel,
}: ChatCompletionRequest): Partial<ChatOptions> {
  const name = nameOf(choice)
  const allowed = allowedOf(choice)
  if (!tools || tools.length === 0) {
    if (choice !== 'required' && name === undefined && allowed === undefined) return {}
    throw badOption('tool_choice', choice, 'left out without tools')
  }
  if (allowed !== undefined) {
    // The others are kept from the model: what it does not know it does not call.
    const names = allowed.tools.map((tool, i) => {
      const one = nameOf(tool)
      if (one !== undefined && tools.some(known => nameOf(known) === one)) return one
      const place = `tool_choice.allowed_tools.tools[${i}]`
      throw badOption(place, one ?? tool, 'the function of one of the tools')
    })
    return {
      tools: tools.filter(tool => names.includes(nameOf(tool)!)) as ChatOptions['tools'],
      toolChoice: allowed.mode,
      parallelToolCalls: parallel ?? undefined,
    }
  }
  if (name !== undefined && !tools.some(tool => nameOf(tool) === name)) {
    throw badOption('tool_choice', name, 'the name of one of the tools')
  }
  return {
    tools: tools as ChatOptions['tools'],
    toolChoice: name === undefined ? (choice as ChatOptions['toolChoice']) : { name },
    parallelToolCalls: parallel ?? undefined,
  }
}

interface AllowedTools {
  readonly mode: 'auto' | 'required'
  readonly tools: readonly unknown[]
}

/** A tool_choice that leaves some of the tools. */
function allowedOf(choice: unknown): AllowedTools | undefined {
  if (Object(choice).type !== 'allowed_tools') return undefined
  const { mode, tools } = Object(Object(choice).allowed_tools)
  const known = (mode === 'auto' || mode === 'required') && Array.isArray(tools) && tools.length > 0
  return known ? { mode, tools } : undefined
}

/** The function of a tool or a tool_choice. */
function nameOf(choice: unknown): string | undefined {
  const name: unknown = Object(Object(choice).function).name
  return typeof name === 'string' ? name : undefined
}

// Requests of this package as bodies of OpenAI's protocol. What the protocol cannot say is refused by name; what
// servers of open models understand beside it (top_k, min_p, repetition_penalty, chat_template_kwargs) is sent
// only when it was asked for. Used by remote.ts.
import type { ChatInput } from '../../options/input.ts'
import { badOption } from '../../options/rules.ts'
import type { ChatOptions, GenerateOptions, ResponseFormat } from '../../types/index.ts'

type Body = Record<string, unknown>
type Asked = Omit<ChatOptions, 'signal'>

/** Options that have another name there. */
const NAMES = {
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  minP: 'min_p',
  repetitionPenalty: 'repetition_penalty',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  logitBias: 'logit_bias',
  seed: 'seed',
  maxTokens: 'max_tokens',
  stop: 'stop',
  ignoreEos: 'ignore_eos',
  tools: 'tools',
  parallelToolCalls: 'parallel_tool_calls',
  templateOptions: 'chat_template_kwargs',
} as const satisfies Partial<Record<keyof Asked, string>>

/** Options that only an engine of this device has, with what asks for nothing. */
const LOCAL = {
  penaltyWindow: undefined,
  noBos: false,
  queueTimeoutMs: undefined,
  priority: 0,
  overflow: 'stop',
  keep: undefined,
  reuse: true,
  maxReasoningTokens: undefined,
  continueLast: false,
} as const satisfies Partial<Record<keyof Asked, unknown>>

/** Said twice: nobody is told about a queue elsewhere, and reasoning is split off by the server. */
const UNHEARD: ReadonlySet<string> = new Set(['onQueue', 'reasoning'])

/** @throws RyzError BAD_OPTION naming what the protocol cannot say */
export function completionBody(model: string, prompt: string, asked: Asked): Body {
  const { logprobs } = asked
  return { model, prompt, ...common(asked), ...(logprobs !== undefined && { logprobs }) }
}

/** @throws RyzError BAD_OPTION naming what the protocol cannot say */
export function chatBody(model: string, { messages }: ChatInput, asked: Asked): Body {
  const { logprobs, toolChoice } = asked
  return {
    model,
    messages: messages.map(({ trusted: _, ...message }) => message),
    ...common(asked),
    ...(logprobs !== undefined && { logprobs: true, top_logprobs: logprobs }),
    ...(toolChoice !== undefined && {
      tool_choice:
        typeof toolChoice === 'string'
          ? toolChoice
          : { type: 'function', function: { name: toolChoice.name } },
    }),
  }
}

function common(asked: Asked): Body {
  const body: Body = { stream: true, stream_options: { include_usage: true } }
  for (const [name, value] of Object.entries(asked) as [keyof Asked, unknown][]) {
    if (value === undefined || UNHEARD.has(name)) continue
    if (name in NAMES) body[NAMES[name as keyof typeof NAMES]] = value
    else if (name in LOCAL && value !== LOCAL[name as keyof typeof LOCAL]) {
      throw badOption(name, value, "left out: servers of OpenAI's protocol have no such option")
    }
  }
  const format = formatOf(asked.responseFormat)
  if (format !== undefined) body.response_format = format
  // An empty list is none, and some servers refuse it.
  if (asked.tools?.length === 0) delete body.tools
  return body
}

function formatOf(format: GenerateOptions['responseFormat']): unknown {
  if (format === undefined || format.type === 'text') return undefined
  if (format.type === 'json_object') return { type: 'json_object' }
  if (format.type === 'json_schema') {
    const { schema, strict = true } = format satisfies ResponseFormat
    return { type: 'json_schema', json_schema: { name: 'answer', schema, strict } }
  }
  throw badOption(
    'responseFormat',
    format.type,
    "text, json_object or json_schema: OpenAI's protocol has no other",
  )
}

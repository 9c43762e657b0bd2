// The shapes of OpenAI's chat.completions, as far as they are served here. Plain data, no logic. What is
// taken is typed as widely as the official client types it; request.ts refuses by name what cannot be served.

export interface ContentPart {
  type: string
  /** Of a part of type 'text'. */
  text?: string
}

export interface ChatCompletionMessage {
  role: string
  /** null and nothing are the empty text. */
  content?: string | readonly ContentPart[] | null
  name?: string
  /** What an assistant message calls. */
  tool_calls?: unknown
  /** The call that a message of the role 'tool' answers. */
  tool_call_id?: string
  function_call?: unknown
  refusal?: string | null
  audio?: unknown
  /** What an assistant message was thought out with. */
  reasoning_content?: string | null
}

/** What create() takes. null is as if left out; a field that is not listed is refused, nothing is ignored. */
export interface ChatCompletionRequest {
  messages: readonly ChatCompletionMessage[]
  /** Echoed; the engine has one model. */
  model?: string
  stream?: boolean | null
  stream_options?: { include_usage?: boolean; include_obfuscation?: boolean } | null
  max_tokens?: number | null
  max_completion_tokens?: number | null
  /** Default 1, as in the interface this one copies. */
  temperature?: number | null
  /** Default 1. */
  top_p?: number | null
  frequency_penalty?: number | null
  presence_penalty?: number | null
  logit_bias?: Readonly<Record<string, number>> | null
  logprobs?: boolean | null
  top_logprobs?: number | null
  stop?: string | readonly string[] | null
  /** Any whole number; beyond 32 bits it is folded into them. */
  seed?: number | null
  /** Answers a call, with seeds that follow each other. */
  n?: number | null
  /** Not in the interface this one copies: default 0 (off), 0 and 1. */
  top_k?: number | null
  min_p?: number | null
  repetition_penalty?: number | null
  /** Enforced token by token; see ResponseFormat. */
  response_format?: ResponseFormatParam | null
  /** Variables of the chat template, such as { enable_thinking: false }. */
  chat_template_kwargs?: Readonly<Record<string, unknown>> | null
  tools?: readonly unknown[] | null
  tool_choice?: unknown
  parallel_tool_calls?: boolean | null
  /** Only 'none' is taken: the template is told not to reason. */
  reasoning_effort?: string | null
  functions?: readonly unknown[] | null
  function_call?: unknown
  /** Only what happens anyway is taken of these: text, the usual tier. */
  modalities?: readonly string[] | null
  service_tier?: string | null
  verbosity?: string | null
  /** These change no answer, and are taken. */
  metadata?: unknown
  prediction?: unknown
  prompt_cache_key?: unknown
  prompt_cache_options?: unknown
  prompt_cache_retention?: unknown
  safety_identifier?: unknown
  store?: unknown
  user?: unknown
  /** These are refused. */
  audio?: unknown
  web_search_options?: unknown
}

export type ResponseFormatParam =
  | { type: 'text' }
  | { type: 'json_object' }
  | {
      type: 'json_schema'
      json_schema: {
        name: string
        description?: string
        schema?: { [keyword: string]: unknown }
        strict?: boolean | null
      }
    }

export interface LogprobEntry {
  token: string
  logprob: number
  /** null for control tokens. */
  bytes: number[] | null
}

export interface ContentLogprob extends LogprobEntry {
  top_logprobs: LogprobEntry[]
}

export interface ChoiceLogprobs {
  content: ContentLogprob[]
  refusal: null
}

export type CompletionFinish = 'stop' | 'length' | 'tool_calls'

export interface CompletionToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

export interface ToolCallPiece {
  index: number
  /** With the first piece of a call. */
  id?: string
  type?: 'function'
  function: { name?: string; arguments?: string }
}

export interface CompletionUsage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
  prompt_tokens_details: { cached_tokens: number }
}

export interface ChatCompletion {
  id: string
  object: 'chat.completion'
  created: number
  model: string
  choices: {
    index: number
    message: {
      role: 'assistant'
      /** null where there is nothing but calls. */
      content: string | null
      refusal: null
      tool_calls?: CompletionToolCall[]
      /** As other servers name it; not in the interface this one copies. */
      reasoning_content?: string
    }
    finish_reason: CompletionFinish
    logprobs: ChoiceLogprobs | null
  }[]
  usage: CompletionUsage
}

export interface ChatCompletionChunk {
  id: string
  object: 'chat.completion.chunk'
  created: number
  model: string
  choices: {
    index: number
    delta: {
      role?: 'assistant'
      content?: string
      tool_calls?: ToolCallPiece[]
      reasoning_content?: string
    }
    finish_reason: CompletionFinish | null
    logprobs: ChoiceLogprobs | null
  }[]
  usage?: CompletionUsage | null
}

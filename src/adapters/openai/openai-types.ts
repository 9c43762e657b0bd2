// The shapes of OpenAI's chat.completions, as far as they are served here. Plain data, no logic. What is
// taken is typed as widely as the official client types it; request.ts refuses by name what cannot be served.

/** A part of a message; only text is served. */
export interface ContentPart {
  type: string
  /** Of a part of type 'text'. */
  text?: string
}

/** A message of a chat, in OpenAI's shape. */
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

/** Fields of chats and completions. null is as if left out. */
export interface SharedFields {
  /** The engine has one model: echoed by the facade, checked by engineFetch(). */
  model?: string
  stream?: boolean | null
  stream_options?: { include_usage?: boolean; include_obfuscation?: boolean } | null
  /** Of an answer; without it a chat's ends by itself or with the context, a completion's after 16. */
  max_tokens?: number | null
  /** Default 1, as in the interface this one copies. */
  temperature?: number | null
  /** Default 1. */
  top_p?: number | null
  frequency_penalty?: number | null
  presence_penalty?: number | null
  logit_bias?: Readonly<Record<string, number>> | null
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
  /** Changes no answer, and is taken. */
  user?: unknown
}

/** What create() takes; a field that is not listed is refused, nothing is ignored. */
export interface ChatCompletionRequest extends SharedFields {
  messages: readonly ChatCompletionMessage[]
  max_completion_tokens?: number | null
  logprobs?: boolean | null
  top_logprobs?: number | null
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
  /** These are refused. */
  audio?: unknown
  moderation?: unknown
  web_search_options?: unknown
}

/** What /v1/completions takes; a field that is not listed is refused. */
export interface TextCompletionRequest extends SharedFields {
  /** A text or token ids, or a list of such. */
  prompt: string | readonly string[] | readonly number[] | readonly (readonly number[])[] | null
  /** Likeliest tokens of each step, 0 to 5. */
  logprobs?: number | null
  /** Only what happens anyway is taken of these: 1 at most, false. */
  best_of?: number | null
  echo?: boolean | null
  /** Refused. */
  suffix?: string | null
}

/** OpenAI's response_format. */
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

/** A token and its log-probability. */
export interface LogprobEntry {
  token: string
  logprob: number
  /** null for control tokens. */
  bytes: number[] | null
}

/** A token of the answer beside the likeliest ones in its place. */
export interface ContentLogprob extends LogprobEntry {
  top_logprobs: LogprobEntry[]
}

/** Log-probabilities of an answer's tokens, in OpenAI's shape. */
export interface ChoiceLogprobs {
  content: ContentLogprob[]
  refusal: null
}

/** Why an answer ended, in OpenAI's words. */
export type CompletionFinish = 'stop' | 'length' | 'tool_calls'

/** A call of a function, in OpenAI's shape. */
export interface CompletionToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

/** A piece of a call in a stream, in OpenAI's shape. */
export interface ToolCallPiece {
  index: number
  /** With the first piece of a call. */
  id?: string
  type?: 'function'
  function: { name?: string; arguments?: string }
}

/** Tokens that a request read and wrote. */
export interface CompletionUsage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
  prompt_tokens_details: { cached_tokens: number }
}

/** A whole answer in the shape of OpenAI's chat.completion. */
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

/** One event of a streamed answer, in the shape of OpenAI's chat.completion.chunk. */
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

/** Log-probabilities of a text_completion. */
export interface TextLogprobs {
  tokens: string[]
  token_logprobs: number[]
  /** Of each step, by text; left out where none were asked for. */
  top_logprobs?: Record<string, number>[]
  /** Where each token begins in the text, in UTF-16 units. */
  text_offset: number[]
}

/** One of the `n` answers of a text_completion. */
export interface TextChoice {
  index: number
  text: string
  logprobs: TextLogprobs | null
}

/** A whole answer in the shape of OpenAI's text_completion. */
export interface TextCompletion {
  id: string
  object: 'text_completion'
  created: number
  model: string
  choices: (TextChoice & { finish_reason: 'stop' | 'length' })[]
  usage: CompletionUsage
}

/** One event of a streamed text_completion. */
export interface TextCompletionChunk {
  id: string
  object: 'text_completion'
  created: number
  model: string
  choices: (TextChoice & { finish_reason: 'stop' | 'length' | null })[]
  usage?: CompletionUsage | null
}

/** What /v1/embeddings takes; a field that is not listed is refused. */
export interface EmbeddingRequest {
  model?: string
  /** A text or token ids, or a list of such. */
  input: string | readonly string[] | readonly number[] | readonly (readonly number[])[]
  encoding_format?: 'float' | 'base64' | null
  /** Only what the model has. */
  dimensions?: number | null
  user?: unknown
}

/** Vectors in the shape of OpenAI's embeddings list. */
export interface EmbeddingResponse {
  object: 'list'
  model: string
  /** Of length 1, so that a dot product is the cosine. A string is base64 of float32, little-endian. */
  data: { object: 'embedding'; index: number; embedding: number[] | string }[]
  usage: { prompt_tokens: number; total_tokens: number }
}

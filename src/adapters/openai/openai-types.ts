// The shapes of OpenAI's chat.completions, as far as they are served here. Plain data, no logic.

export interface TextPart {
  type: 'text'
  text: string
}

export interface ChatCompletionMessage {
  role: string
  content: string | readonly TextPart[]
}

/** What create() takes. A field that is not listed, and not null, is refused: nothing is ignored. */
export interface ChatCompletionRequest {
  messages: readonly ChatCompletionMessage[]
  /** Echoed; the engine has one model. */
  model?: string
  stream?: boolean | null
  stream_options?: { include_usage?: boolean } | null
  max_tokens?: number | null
  max_completion_tokens?: number | null
  /** Default 1, as in the interface this one copies. */
  temperature?: number | null
  /** Default 1. */
  top_p?: number | null
  frequency_penalty?: number | null
  presence_penalty?: number | null
  logit_bias?: Readonly<Record<number, number>> | null
  logprobs?: boolean | null
  top_logprobs?: number | null
  stop?: string | readonly string[] | null
  seed?: number | null
  n?: 1 | null
  user?: string
  /** Not in the interface this one copies: default 0 (off), 0 and 1. */
  top_k?: number
  min_p?: number
  repetition_penalty?: number
}

export interface LogprobEntry {
  token: string
  logprob: number
  bytes: number[] | null
}

export interface ContentLogprob extends LogprobEntry {
  top_logprobs: LogprobEntry[]
}

export interface ChoiceLogprobs {
  content: ContentLogprob[]
}

export type CompletionFinish = 'stop' | 'length'

export interface CompletionUsage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
}

export interface ChatCompletion {
  id: string
  object: 'chat.completion'
  created: number
  model: string
  choices: {
    index: 0
    message: { role: 'assistant'; content: string }
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
    index: 0
    delta: { role?: 'assistant'; content?: string }
    finish_reason: CompletionFinish | null
    logprobs: ChoiceLogprobs | null
  }[]
  usage?: CompletionUsage | null
}

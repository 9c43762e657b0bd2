// What a request to generate or chat takes, and what its stream and result give. Part of the public
// types, see index.ts.
import type { MadeToolCall, ToolCallDelta } from './tools.ts'

/**
 * How a token is drawn from the logits, in this order: penalties, bias, responseFormat, topK, temperature, topP, minP.
 */
export interface SamplingOptions {
  /** 0 is greedy. Default 0.8. */
  temperature?: number
  /** Keep the k likeliest; 0 keeps all. Default 40. */
  topK?: number
  /** Keep the smallest set with at least this probability; 1 keeps all, 0 the likeliest alone. Default 0.95. */
  topP?: number
  /** Drop tokens below minP times the likeliest. Default 0. */
  minP?: number
  /** > 1 makes tokens of the last `penaltyWindow` less likely (CTRL, Keskar et al. 2019). Default 1. */
  repetitionPenalty?: number
  /** Subtracted per occurrence in the window. Default 0. */
  frequencyPenalty?: number
  /** Subtracted once if in the window. Default 0. */
  presencePenalty?: number
  /** Tokens looked back at; default 64. */
  penaltyWindow?: number
  /** Added to the logit of a token id; -Infinity forbids it. */
  logitBias?: Readonly<Record<number, number>>
  /** 32-bit seed; a random one is drawn, and reported, when absent. */
  seed?: number
}

/** A JSON Schema, draft 2020-12 (tuples and dependencies of earlier drafts are understood, too). */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown }

/**
 * What the answer has to be: enforced token by token, so an answer that is complete always parses and
 * validates. Compiled before the first token; what is wrong, impossible or cannot be enforced is BAD_OPTION
 * with the place (`detail.place`, `detail.keyword`). docs/INTEGRATION_GUIDE.md, "Structured output", says what is enforced.
 */
export type ResponseFormat =
  | { readonly type: 'text' }
  /** One JSON object. */
  | { readonly type: 'json_object' }
  /**
   * One JSON value that meets the schema; properties in declared order. `strict: false` lets keywords pass
   * that cannot be enforced, and names them in `result.unenforced`; by default they are refused.
   */
  | { readonly type: 'json_schema'; readonly schema: JsonSchema; readonly strict?: boolean }
  /** A grammar in EBNF as llama.cpp (GBNF) and xgrammar write it; texts begin at `root` (default "root"). */
  | { readonly type: 'grammar'; readonly ebnf: string; readonly root?: string }
  /** A regular expression (ECMA-262, flag u) that the whole answer matches. */
  | { readonly type: 'regex'; readonly pattern: string }

/** A keyword of a schema that was let pass with `strict: false`. */
export interface Unenforced {
  /** JSON pointer. */
  path: string
  keyword: string
  reason: string
}

/** What generate() takes. What is wrong is BAD_OPTION and names the option. */
export interface GenerateOptions extends SamplingOptions {
  /** New tokens at most; default 256. */
  maxTokens?: number
  /** Ends before the first of these strings; it is not part of the text. */
  stop?: readonly string[]
  /** Go on past end tokens. Not with responseFormat, where they come when the text is complete. */
  ignoreEos?: boolean
  /** What the answer has to be; not with ignoreEos. Default { type: 'text' }: anything. */
  responseFormat?: ResponseFormat
  /**
   * Report the log-probabilities of this many likeliest tokens at each step (0..20): the model's own, before
   * penalties, bias, temperature, cuts and responseFormat.
   */
  logprobs?: number
  /** Do not prepend the begin-of-sequence token even if the model asks for it. */
  noBos?: boolean
  /** Milliseconds in the queue before QUEUE_TIMEOUT. */
  queueTimeoutMs?: number
  /**
   * A whole number from -10 to 10, default 0. Higher starts earlier: a request of priority p stands in
   * the queue where it would stand had it been sent p seconds sooner, so none waits for ever. A full
   * queue refuses whatever the priority.
   */
  priority?: number
  /**
   * When prompt and answer fill the context: 'stop' (default) ends with 'context'; 'slide' goes on with
   * the first `keep` tokens and the newest half of the rest, which are computed again. A prompt that
   * does not fit is cut in the same way instead of being refused.
   */
  overflow?: 'stop' | 'slide'
  /** Tokens from the start (bos and system prompt) that a slide keeps, at most half of all; default 32. */
  keep?: number
  /**
   * Begin with KV blocks of earlier requests whose text begins alike, and leave this one's for later
   * ones. Results are the same bits either way. Default true.
   */
  reuse?: boolean
  /** Told when the request has to wait, and whenever its position changes; not when it starts at once. */
  onQueue?: (event: QueueEvent) => void
  /** Cancels the request: the stream ends with ABORTED. */
  signal?: AbortSignal
}

/** Where a request stands that waits for its start. */
export interface QueueEvent {
  /** 1 starts next. */
  position: number
  /** Requests that wait, this one included. */
  waiting: number
  /** Until it starts, from what requests took so far; null before one has ended. */
  estimatedWaitMs: number | null
}

/** A token and how likely the model held it. */
export interface TokenLogprob {
  /** Its id. */
  token: number
  /** Natural logarithm of its probability. */
  logprob: number
  /** The bytes it writes, which may be a part of a character; none for a control token. */
  bytes: readonly number[]
  /** These as a text of their own, a part of a character as U+FFFD; the name of a control token. */
  text: string
}

/** One piece of a stream. `text` may be empty while a character is still incomplete. */
export interface TokenChunk {
  /** Of the answer itself; reasoning and calls of tools are no part of it. */
  text: string
  /** Ids that came with this piece. */
  tokens: number[]
  /** A piece of reasoning; see ChatOptions.reasoning. */
  reasoning?: string
  /** Calls that have become whole; see ChatOptions.toolChoice. */
  toolCalls?: ToolCallDelta[]
  /** One entry per token, when asked for: the chosen token first, then the likeliest. */
  logprobs?: TokenLogprob[][]
}

/** 'tool_calls': it ended by itself, and holds calls of tools. */
export type FinishReason = 'eos' | 'stop' | 'length' | 'context' | 'tool_calls'

/** What a stream's `result` gives when the answer has ended. */
export interface GenerateResult {
  /** The answer itself: without reasoning and calls of tools, and without the white space around them. */
  text: string
  /** All that were drawn. */
  tokens: number[]
  /** What it was thought out with, where the chat template knows reasoning and there was some. */
  reasoning?: string
  /** Calls of tools, in order. */
  toolCalls?: MadeToolCall[]
  /** What of a call was cut off by the length; no part of the text. */
  partialToolCall?: string
  /** Beginnings of calls that were none of an offered function; they stand in the text as they were written. */
  unreadCalls?: number
  /** Why it ended. */
  finishReason: FinishReason
  /** The stop string that ended it, if one did. */
  stopString?: string
  /** Tokens of the prompt, bos included. */
  promptTokens: number
  /** Prompt tokens that were found in the KV cache instead of computed. */
  reusedTokens: number
  /**
   * With responseFormat: whether the text as it is meets the format, or the answer is whole calls of tools. False
   * where maxTokens, a stop string or the context cut it; nothing is closed by guessing.
   */
  complete?: boolean
  /** With `strict: false`: what of the schema was let pass. */
  unenforced?: Unenforced[]
  /** How often it slid; see `overflow`. */
  slides: number
  /** The seed that repeats it. */
  seed: number
  /** Submission to start. */
  queueMs: number
  /** Reading the prompt. */
  prefillMs: number
  /** Submission to the first token. */
  ttftMs: number
  /** First token to last. */
  decodeMs: number
}

// What whole responses and streams share: how they begin, why answers end, what they used, log-probabilities.
// Used by openai.ts, chunks.ts and completions.ts.
import type { FinishReason, GenerateResult, TokenLogprob } from '../../types/index.ts'
import type {
  ChoiceLogprobs,
  CompletionFinish,
  CompletionUsage,
  LogprobEntry,
} from './openai-types.ts'

/** Written for a probability of 0, as JSON has no -Infinity. */
export const LEAST_LOGPROB = -9999

/** What a response and all its chunks begin with. */
export interface Head {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
}

/** @param prefix  of the id: 'chatcmpl' or 'cmpl' */
export function headOf(model: string, prefix: string): Head {
  const id = Array.from(crypto.getRandomValues(new Uint32Array(4)), x => x.toString(36)).join('')
  return { id: `${prefix}-${id}`, created: Math.floor(Date.now() / 1000), model }
}

/** @param named  the call of one function was asked for: nothing else could come */
export function finishOf(reason: FinishReason, named: boolean): CompletionFinish {
  switch (reason) {
    case 'eos':
    case 'stop':
      return 'stop'
    case 'tool_calls':
      return named ? 'stop' : 'tool_calls'
    case 'length':
    case 'context':
      return 'length'
    default:
      return reason satisfies never
  }
}

/**
 * A prompt counts once, however many answers it has.
 * @param each  answers of each prompt
 */
export function usageOf(
  results: readonly GenerateResult[],
  each = results.length,
): CompletionUsage {
  const prompts = results.filter((_, i) => i % each === 0)
  const promptTokens = prompts.reduce((sum, result) => sum + result.promptTokens, 0)
  const reusedTokens = prompts.reduce((sum, result) => sum + result.reusedTokens, 0)
  const written = results.reduce((sum, result) => sum + result.tokens.length, 0)
  return {
    prompt_tokens: promptTokens,
    completion_tokens: written,
    total_tokens: promptTokens + written,
    prompt_tokens_details: { cached_tokens: reusedTokens },
  }
}

export function choiceLogprobs(rows: readonly TokenLogprob[][]): ChoiceLogprobs {
  const entry = ({ text, logprob, bytes }: TokenLogprob): LogprobEntry => ({
    token: text,
    logprob: Math.max(logprob, LEAST_LOGPROB),
    bytes: bytes.length > 0 ? Array.from(bytes) : null,
  })
  const content = rows.map(([chosen, ...likeliest]) => ({
    ...entry(chosen!),
    top_logprobs: likeliest.map(entry),
  }))
  return { content, refusal: null }
}

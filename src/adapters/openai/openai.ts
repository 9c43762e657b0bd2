// A loaded engine behind the interface of OpenAI's chat.completions, so that code written for it runs
// offline. Translates names and shapes; decides nothing. Knows the SDK only.

import type { Ryzanstein } from '../../api/ryzanstein.ts'
import { RyzError } from '../../errors.ts'
import type { FinishReason, GenerateOptions, TokenLogprob } from '../../types/index.ts'
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionMessage,
  ChatCompletionRequest,
  ChoiceLogprobs,
  CompletionFinish,
  LogprobEntry,
} from './openai-types.ts'

export type { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest } from './openai-types.ts'

export interface RequestInitLike {
  signal?: AbortSignal
}

interface Create {
  (
    request: ChatCompletionRequest & { stream: true },
    init?: RequestInitLike,
  ): Promise<AsyncIterable<ChatCompletionChunk>>
  (
    request: ChatCompletionRequest & { stream?: false | null },
    init?: RequestInitLike,
  ): Promise<ChatCompletion>
}

/** `openai(engine).chat.completions.create(...)`. */
export interface OpenAiFacade {
  readonly chat: { readonly completions: { readonly create: Create } }
}

type Engine = Pick<Ryzanstein, 'chat' | 'detokenize' | 'model'>

/**
 * The facade of a loaded engine.
 * @example
 * const { choices } = await openai(engine).chat.completions.create({ messages })
 */
export function openai(engine: Engine): OpenAiFacade {
  const create = async (
    request: ChatCompletionRequest,
    init: RequestInitLike = {},
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> => {
    refuseUnknown(request)
    const options = { ...translate(request), signal: init.signal }
    return request.stream === true
      ? streamed(engine, request, options)
      : whole(engine, request, options)
  }
  return { chat: { completions: { create: create as Create } } }
}

const KNOWN: ReadonlySet<string> = new Set<keyof ChatCompletionRequest>([
  'messages',
  'model',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'logprobs',
  'top_logprobs',
  'stop',
  'seed',
  'n',
  'user',
  'top_k',
  'min_p',
  'repetition_penalty',
])

function refuseUnknown(request: ChatCompletionRequest): void {
  for (const [name, value] of Object.entries(request)) {
    if (value === undefined || value === null || KNOWN.has(name)) continue
    throw new RyzError('BAD_OPTION', `${name} is not supported; leave it out`, { option: name })
  }
  if ((request.n ?? 1) !== 1) {
    throw new RyzError('BAD_OPTION', `n is ${request.n}; one answer a call is made, call again`, {
      option: 'n',
    })
  }
}

function translate(request: ChatCompletionRequest): GenerateOptions {
  const options: GenerateOptions = {
    temperature: request.temperature ?? 1,
    topP: request.top_p ?? 1,
    topK: request.top_k ?? 0,
    minP: request.min_p,
    repetitionPenalty: request.repetition_penalty,
    frequencyPenalty: request.frequency_penalty ?? undefined,
    presencePenalty: request.presence_penalty ?? undefined,
    logitBias: request.logit_bias ?? undefined,
    seed: request.seed ?? undefined,
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    stop: typeof request.stop === 'string' ? [request.stop] : (request.stop ?? undefined),
  }
  if (request.logprobs === true) options.logprobs = request.top_logprobs ?? 0
  return options
}

function textOf({ role, content }: ChatCompletionMessage): { role: string; content: string } {
  if (typeof content === 'string') return { role, content }
  const texts = Array.from(content, part => {
    if (part.type === 'text') return part.text
    throw new RyzError(
      'BAD_OPTION',
      `a message has a part of type ${String(part.type)}; only text is read`,
    )
  })
  return { role, content: texts.join('') }
}

async function whole(
  engine: Engine,
  request: ChatCompletionRequest,
  options: GenerateOptions,
): Promise<ChatCompletion> {
  const stream = engine.chat(request.messages.map(textOf), options)
  const logprobs: TokenLogprob[][] = []
  for await (const chunk of stream) logprobs.push(...(chunk.logprobs ?? []))
  const result = await stream.result
  return {
    ...head(engine, request),
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: result.text },
        finish_reason: finish(result.finishReason),
        logprobs: request.logprobs === true ? await written(engine, logprobs) : null,
      },
    ],
    usage: usage(result.promptTokens, result.tokens.length),
  }
}

async function* streamed(
  engine: Engine,
  request: ChatCompletionRequest,
  options: GenerateOptions,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const common = { ...head(engine, request), object: 'chat.completion.chunk' as const }
  const counted = request.stream_options?.include_usage === true
  const piece = (
    delta: { role?: 'assistant'; content?: string },
    reason: CompletionFinish | null,
    logprobs: ChoiceLogprobs | null = null,
  ): ChatCompletionChunk => ({
    ...common,
    choices: [{ index: 0, delta, finish_reason: reason, logprobs }],
    ...(counted ? { usage: null } : {}),
  })
  const stream = engine.chat(request.messages.map(textOf), options)
  yield piece({ role: 'assistant', content: '' }, null)
  for await (const chunk of stream) {
    const logprobs = chunk.logprobs === undefined ? null : await written(engine, chunk.logprobs)
    if (chunk.text === '' && logprobs === null) continue
    yield piece({ content: chunk.text }, null, logprobs)
  }
  const result = await stream.result
  yield piece({}, finish(result.finishReason))
  if (counted) {
    yield { ...common, choices: [], usage: usage(result.promptTokens, result.tokens.length) }
  }
}

function head(engine: Engine, request: ChatCompletionRequest) {
  const id = Array.from(crypto.getRandomValues(new Uint32Array(4)), x => x.toString(36)).join('')
  return {
    id: `chatcmpl-${id}`,
    created: Math.floor(Date.now() / 1000),
    model: request.model ?? engine.model.name,
  }
}

function finish(reason: FinishReason): CompletionFinish {
  switch (reason) {
    case 'eos':
    case 'stop':
      return 'stop'
    case 'length':
    case 'context':
      return 'length'
    default:
      return reason satisfies never
  }
}

function usage(prompt: number, completion: number) {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  }
}

/** Token ids as text; a token that is half a character is written as U+FFFD and has no bytes. */
async function written(engine: Engine, rows: readonly TokenLogprob[][]): Promise<ChoiceLogprobs> {
  const entry = async ({ token, logprob }: TokenLogprob): Promise<LogprobEntry> => {
    const text = await engine.detokenize([token], { special: true })
    const bytes = text.includes('\uFFFD') ? null : Array.from(new TextEncoder().encode(text))
    return { token: text, logprob, bytes }
  }
  const content = rows.map(async row => {
    const [chosen, ...likeliest] = await Promise.all(row.map(entry))
    return { ...chosen!, top_logprobs: likeliest }
  })
  return { content: await Promise.all(content) }
}

// A loaded engine behind the interface of OpenAI's chat.completions and embeddings, so that code written for it
// runs offline. Translates shapes; decides nothing. Knows the SDK only. What is asked: request.ts; how answers
// stream: chunks.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import { badOption, reading } from '../../options/rules.ts'
import type { GenerateResult } from '../../types/index.ts'
import { type Answer, AnswerStream, wholeAnswers } from './answer-stream.ts'
import { chatWriter } from './chunks.ts'
import { embeddings } from './embeddings.ts'
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  EmbeddingRequest,
  EmbeddingResponse,
} from './openai-types.ts'
import { choiceLogprobs, finishOf, headOf, usageOf } from './parts.ts'
import { type ChatRequest, readRequest, signalOf } from './request.ts'
import { checkChoices, nthOptions } from './sampling.ts'

export type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  EmbeddingRequest,
  EmbeddingResponse,
} from './openai-types.ts'

/** The part of fetch's second argument that a request takes. */
export interface RequestInitLike {
  signal?: AbortSignal | null
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

/** `openai(engine).chat.completions.create(...)` and `.embeddings.create(...)`. */
export interface OpenAiFacade {
  readonly chat: { readonly completions: { readonly create: Create } }
  readonly embeddings: {
    /** A vector of length 1 for each text, pooled as the model's file says. */
    create(request: EmbeddingRequest, init?: RequestInitLike): Promise<EmbeddingResponse>
  }
}

/** What stands in for an engine may have no embeddings: it is refused when it is asked for them. */
type Engine = Pick<Ryzanstein, 'chat' | 'model' | 'stats'> & Partial<Pick<Ryzanstein, 'embed'>>

/**
 * The facade of a loaded engine.
 * @throws RyzError BAD_OPTION when it is none
 * @example
 * const { choices } = await openai(engine).chat.completions.create({ messages })
 */
export function openai(engine: Engine): OpenAiFacade {
  if (reading('engine', () => typeof Object(engine).chat) !== 'function')
    throw badOption('engine', engine, 'what load() gave')
  /** Rejects with what ends the request before its first token, also where it streams. */
  const create = async (
    request: ChatCompletionRequest,
    init?: RequestInitLike,
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> => {
    const asked = readRequest(request, init)
    const answers = await ask(engine, asked)
    const head = headOf(asked.model ?? engine.model.name, 'chatcmpl')
    if (asked.stream) return new AnswerStream(answers, chatWriter(head, asked)).begun()
    const { choices, results } = await wholeAnswers(answers, (index, result, logprobs) => ({
      index,
      message: messageOf(result),
      finish_reason: finishOf(result.finishReason, asked.named),
      logprobs: asked.options.logprobs === undefined ? null : choiceLogprobs(logprobs),
    }))
    return { ...head, object: 'chat.completion', choices, usage: usageOf(results) }
  }
  return {
    chat: { completions: { create: create as Create } },
    embeddings: {
      create: async (request, init) => {
        const { embed, model } = engine
        if (typeof embed !== 'function') throw badOption('engine', engine, 'one with embed()')
        const embedder = { model, embed: embed.bind(engine) }
        return embeddings(embedder, request, signalOf(init))
      },
    },
  }
}

/** Starts every answer; those after the first have the seeds that follow. */
async function ask(engine: Engine, { messages, options, n }: ChatRequest): Promise<Answer[]> {
  await checkChoices(engine, n)
  return Array.from({ length: n }, (_, i) => engine.chat(messages, nthOptions(options, i)))
}

function messageOf({
  text,
  toolCalls,
  reasoning,
}: GenerateResult): ChatCompletion['choices'][number]['message'] {
  return {
    role: 'assistant',
    content: text === '' && toolCalls ? null : text,
    refusal: null,
    ...(toolCalls && { tool_calls: toolCalls }),
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
  }
}

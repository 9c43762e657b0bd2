// A loaded engine behind the interface of OpenAI's chat.completions, so that code written for it runs
// offline. Translates shapes; decides nothing. Knows the SDK only. What is asked: request.ts; how answers
// stream: chunks.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import { badOption, reading } from '../../options/rules.ts'
import type { GenerateResult, TokenLogprob } from '../../types/index.ts'
import { type Answer, ChunkStream, choiceLogprobs, finishOf, headOf, usageOf } from './chunks.ts'
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest } from './openai-types.ts'
import { type ChatRequest, readRequest } from './request.ts'

export type { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest } from './openai-types.ts'

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

/** `openai(engine).chat.completions.create(...)`. */
export interface OpenAiFacade {
  readonly chat: { readonly completions: { readonly create: Create } }
}

type Engine = Pick<Ryzanstein, 'chat' | 'model' | 'stats'>

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
    const head = headOf(asked.model ?? engine.model.name)
    if (!asked.stream) return whole(head, answers, asked)
    const stream = new ChunkStream(head, answers, asked)
    await stream.begun()
    return stream
  }
  return { chat: { completions: { create: create as Create } } }
}

/** Starts every answer; those after the first have the seeds that follow. */
async function ask(engine: Engine, { messages, options, n }: ChatRequest): Promise<Answer[]> {
  if (n > 1) {
    const { maxSequences } = await engine.stats()
    if (n > maxSequences) {
      throw badOption('n', n, `at most ${maxSequences}, the maxSequences of this engine`)
    }
  }
  const { seed } = options
  return Array.from({ length: n }, (_, i) =>
    engine.chat(messages, seed === undefined ? options : { ...options, seed: (seed + i) >>> 0 }),
  )
}

async function whole(
  head: ReturnType<typeof headOf>,
  answers: readonly Answer[],
  asked: ChatRequest,
): Promise<ChatCompletion> {
  try {
    const read = answers.map(async (answer, index) => {
      const logprobs: TokenLogprob[][] = []
      for await (const chunk of answer) logprobs.push(...(chunk.logprobs ?? []))
      const result = await answer.result
      const choice: ChatCompletion['choices'][number] = {
        index,
        message: messageOf(result),
        finish_reason: finishOf(result.finishReason, asked.named),
        logprobs: asked.options.logprobs === undefined ? null : choiceLogprobs(logprobs),
      }
      return { choice, result }
    })
    const all = await Promise.all(read)
    return {
      ...head,
      object: 'chat.completion',
      choices: all.map(one => one.choice),
      usage: usageOf(all.map(one => one.result)),
    }
  } finally {
    // Where one failed, the others are of no use.
    for (const answer of answers) answer.cancel()
  }
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

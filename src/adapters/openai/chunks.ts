// Answers as a stream of chat.completion.chunk, several side by side where several were asked for, and the parts
// that whole answers share with it. Leaving the stream, at whatever chunk, cancels them. Used by openai.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import type { FinishReason, GenerateResult, TokenLogprob } from '../../types/index.ts'
import type {
  ChatCompletionChunk,
  ChoiceLogprobs,
  CompletionFinish,
  CompletionUsage,
  LogprobEntry,
} from './openai-types.ts'
import type { ChatRequest } from './request.ts'

export type Answer = ReturnType<Ryzanstein['chat']>
type Head = ReturnType<typeof headOf>
type Asked = Pick<ChatRequest, 'includeUsage' | 'named'>
type Result = IteratorResult<ChatCompletionChunk, void>

/** Written for a probability of 0, as JSON has no -Infinity. */
const LEAST_LOGPROB = -9999

/** An iterator by hand: an async generator that was not begun would not hear that it is left. */
export class ChunkStream implements AsyncGenerator<ChatCompletionChunk, void, undefined> {
  readonly #answers: readonly Answer[]
  readonly #chunks: AsyncGenerator<ChatCompletionChunk, void, undefined>
  #first: Promise<Result> | undefined
  #left = false

  constructor(head: Head, answers: readonly Answer[], asked: Asked) {
    this.#answers = answers
    this.#chunks = chunksOf(head, answers, asked)
  }

  /** Resolves with the first token, so that what refuses the request is no part of the stream. */
  async begun(): Promise<void> {
    this.#first = this.#chunks.next()
    try {
      await this.#first
    } catch (caught) {
      this.#leave()
      throw caught
    }
  }

  async next(): Promise<Result> {
    if (this.#left) return { value: undefined, done: true }
    const next = this.#first ?? this.#chunks.next()
    this.#first = undefined
    try {
      return await next
    } catch (caught) {
      if (this.#left) return { value: undefined, done: true }
      this.#leave()
      throw caught
    }
  }

  async return(): Promise<Result> {
    this.#leave()
    return { value: undefined, done: true }
  }

  async throw(caught: unknown): Promise<Result> {
    this.#leave()
    throw caught
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave()
  }

  #leave(): void {
    this.#left = true
    for (const answer of this.#answers) answer.cancel()
  }
}

async function* chunksOf(
  head: Head,
  answers: readonly Answer[],
  { includeUsage, named }: Asked,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const common = { ...head, object: 'chat.completion.chunk' as const }
  const piece = (
    index: number,
    delta: ChatCompletionChunk['choices'][number]['delta'],
    finish_reason: CompletionFinish | null = null,
    logprobs: ChoiceLogprobs | null = null,
  ): ChatCompletionChunk => ({
    ...common,
    choices: [{ index, delta, finish_reason, logprobs }],
    ...(includeUsage && { usage: null }),
  })
  const iterators = answers.map(answer => answer[Symbol.asyncIterator]())
  const ask = async (index: number) => ({ index, next: await iterators[index]!.next() })
  const asked = new Map(answers.map((_, index) => [index, ask(index)]))
  // Whoever asks after the first that fails leaves the others' failures unread.
  for (const one of asked.values()) one.catch(() => undefined)
  const begun = new Set<number>()
  while (asked.size > 0) {
    const { index, next } = await Promise.race(asked.values())
    if (!begun.has(index)) yield piece(index, { role: 'assistant', content: '' })
    begun.add(index)
    if (next.done) {
      asked.delete(index)
      const { finishReason } = await answers[index]!.result
      yield piece(index, {}, finishOf(finishReason, named))
      continue
    }
    const again = ask(index)
    again.catch(() => undefined)
    asked.set(index, again)
    const { text, logprobs, reasoning, toolCalls } = next.value
    if (reasoning) yield piece(index, { reasoning_content: reasoning })
    if (text !== '' || logprobs !== undefined) {
      yield piece(index, { content: text }, null, logprobs ? choiceLogprobs(logprobs) : null)
    }
    for (const { index: call, id, type, function: called } of toolCalls ?? []) {
      const begun = { index: call, id, type, function: { name: called.name, arguments: '' } }
      yield piece(index, { tool_calls: [begun] })
      const rest = { index: call, function: { arguments: called.arguments } }
      yield piece(index, { tool_calls: [rest] })
    }
  }
  if (includeUsage) {
    const results = await Promise.all(answers.map(answer => answer.result))
    yield { ...common, choices: [], usage: usageOf(results) }
  }
}

/** What all chunks of an answer begin with. */
export function headOf(model: string) {
  const id = Array.from(crypto.getRandomValues(new Uint32Array(4)), x => x.toString(36)).join('')
  return { id: `chatcmpl-${id}`, created: Math.floor(Date.now() / 1000), model }
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

/** The prompt counts once, however many answers it has. */
export function usageOf(results: readonly GenerateResult[]): CompletionUsage {
  const { promptTokens, reusedTokens } = results[0]!
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

// Answers as the AI SDK takes them: whole, or as a stream of parts. Called by ai-sdk.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import type { FinishReason, GenerateResult, TokenChunk } from '../../types/index.ts'
import { PROVIDER } from './request.ts'
import type { GenerateAnswer, StreamPart, Warning } from './types.ts'

type Content = GenerateAnswer['content'][number]

/** A whole answer. */
export function answerOf(
  result: GenerateResult,
  modelId: string,
): Omit<GenerateAnswer, 'warnings'> {
  const content: Content[] = []
  if (result.reasoning) content.push({ type: 'reasoning', text: result.reasoning })
  if (result.text !== '') content.push({ type: 'text', text: result.text })
  for (const { id, function: called } of result.toolCalls ?? []) {
    const { name: toolName, arguments: input } = called
    content.push({ type: 'tool-call', toolCallId: id, toolName, input })
  }
  return { content, ...endOf(result), response: { modelId, timestamp: new Date() } }
}

/**
 * The parts of an answer; leaving them cancels it.
 * @param first  what the stream gave already
 */
export function partsOf(
  first: IteratorResult<TokenChunk>,
  chunks: AsyncIterator<TokenChunk>,
  stream: Pick<ReturnType<Ryzanstein['chat']>, 'result' | 'cancel'>,
  call: { modelId: string; warnings: Warning[]; raw: boolean; fault(caught: unknown): unknown },
): ReadableStream<StreamPart> {
  const blocks = new Blocks()
  let next: IteratorResult<TokenChunk> | undefined = first
  return new ReadableStream<StreamPart>({
    start(controller) {
      controller.enqueue({ type: 'stream-start', warnings: call.warnings })
      const { modelId } = call
      controller.enqueue({ type: 'response-metadata', modelId, timestamp: new Date() })
    },
    async pull(controller) {
      try {
        // A chunk may write nothing: the reader asks once for something.
        for (let wrote = false; !wrote; ) {
          const { done, value } = next ?? (await chunks.next())
          next = undefined
          const parts = done ? blocks.end(await stream.result) : blocks.write(value)
          if (!done && call.raw) parts.push({ type: 'raw', rawValue: value })
          for (const part of parts) controller.enqueue(part)
          if (done) return controller.close()
          wrote = parts.length > 0
        }
      } catch (caught) {
        controller.error(call.fault(caught))
      }
    },
    cancel: () => stream.cancel(),
  })
}

/** Texts and pieces of reasoning stand in blocks, each with a beginning, an end and an id. */
class Blocks {
  #open: { kind: 'text' | 'reasoning'; id: string } | undefined
  #count = 0

  write({ text, reasoning, toolCalls = [] }: TokenChunk): StreamPart[] {
    const parts: StreamPart[] = []
    if (reasoning) this.#delta('reasoning', reasoning, parts)
    if (text !== '') this.#delta('text', text, parts)
    for (const { id, function: called } of toolCalls) {
      this.#close(parts)
      const { name: toolName, arguments: input } = called
      parts.push(
        { type: 'tool-input-start', id, toolName },
        { type: 'tool-input-delta', id, delta: input },
        { type: 'tool-input-end', id },
        { type: 'tool-call', toolCallId: id, toolName, input },
      )
    }
    return parts
  }

  end(result: GenerateResult): StreamPart[] {
    const parts: StreamPart[] = []
    this.#close(parts)
    parts.push({ type: 'finish', ...endOf(result) })
    return parts
  }

  #delta(kind: 'text' | 'reasoning', delta: string, parts: StreamPart[]): void {
    if (this.#open?.kind !== kind) {
      this.#close(parts)
      this.#open = { kind, id: String(this.#count++) }
      parts.push({ type: `${kind}-start`, id: this.#open.id })
    }
    parts.push({ type: `${kind}-delta`, id: this.#open.id, delta })
  }

  #close(parts: StreamPart[]): void {
    if (this.#open) parts.push({ type: `${this.#open.kind}-end`, id: this.#open.id })
    this.#open = undefined
  }
}

/** What a whole answer and the last part of a stream have in common. */
function endOf(result: GenerateResult) {
  const { finishReason, promptTokens, reusedTokens, tokens, seed, ttftMs, decodeMs } = result
  const { complete, unenforced, unreadCalls, partialToolCall } = result
  return {
    finishReason: { unified: unifiedOf(finishReason), raw: finishReason },
    usage: {
      inputTokens: {
        total: promptTokens,
        noCache: promptTokens - reusedTokens,
        cacheRead: reusedTokens,
        cacheWrite: undefined,
      },
      outputTokens: { total: tokens.length, text: undefined, reasoning: undefined },
    },
    providerMetadata: {
      [PROVIDER]: {
        ...{ seed, ttftMs, decodeMs },
        ...(complete !== undefined && { complete }),
        ...(unenforced && { unenforced: unenforced.map(one => ({ ...one })) }),
        ...(unreadCalls !== undefined && { unreadCalls }),
        ...(partialToolCall !== undefined && { partialToolCall }),
      },
    },
  }
}

function unifiedOf(reason: FinishReason): GenerateAnswer['finishReason']['unified'] {
  switch (reason) {
    case 'eos':
    case 'stop':
      return 'stop'
    case 'length':
    case 'context':
      return 'length'
    case 'tool_calls':
      return 'tool-calls'
    default:
      return reason satisfies never
  }
}

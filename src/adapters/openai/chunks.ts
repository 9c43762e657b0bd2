// How the answers to a chat are written as chat.completion.chunk. Used by openai.ts.
import type { ChunkWriter } from './answer-stream.ts'
import type {
  ChatCompletionChunk,
  ChoiceLogprobs,
  CompletionFinish,
  ToolCallPiece,
} from './openai-types.ts'
import { choiceLogprobs, finishOf, type Head, usageOf } from './parts.ts'
import type { ChatRequest } from './request.ts'

type Asked = Pick<ChatRequest, 'includeUsage' | 'named'>

export function chatWriter(
  head: Head,
  { includeUsage, named }: Asked,
): ChunkWriter<ChatCompletionChunk> {
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
  return {
    begin: index => [piece(index, { role: 'assistant', content: '' })],
    piece(index, { text, logprobs, reasoning, toolCalls }) {
      const pieces: ChatCompletionChunk[] = []
      if (reasoning) pieces.push(piece(index, { reasoning_content: reasoning }))
      if (text !== '' || logprobs !== undefined) {
        const told = logprobs ? choiceLogprobs(logprobs) : null
        pieces.push(piece(index, { content: text }, null, told))
      }
      // As clients expect it: who is called first, then with what.
      for (const { index: call, id, type, function: called } of toolCalls ?? []) {
        const calls: ToolCallPiece[] = [
          { index: call, id, type, function: { name: called.name, arguments: '' } },
          { index: call, function: { arguments: called.arguments } },
        ]
        for (const one of calls) pieces.push(piece(index, { tool_calls: [one] }))
      }
      return pieces
    },
    end: (index, { finishReason }) => [piece(index, {}, finishOf(finishReason, named))],
    close: results => (includeUsage ? [{ ...common, choices: [], usage: usageOf(results) }] : []),
  }
}

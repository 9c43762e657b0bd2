// The facade's and engineFetch()'s types beside those of the official client: what its users write is taken, and
// what comes back is what they expect. Checked by `tsc`, never run.
import type OpenAI from 'openai'
import type { ClientOptions } from 'openai'
import {
  type ChatCompletion,
  type ChatCompletionChunk,
  type ChatCompletionRequest,
  type ChatMessage,
  type ChatTool,
  type MadeToolCall,
  openai,
  type Ryzanstein,
} from 'ryzanstein'
import {
  type EmbeddingRequest,
  type EmbeddingResponse,
  type EngineFetch,
  engineFetch,
  type TextCompletion,
  type TextCompletionChunk,
  type TextCompletionRequest,
} from 'ryzanstein/openai'
import { expectTypeOf } from 'vitest'

type Chat = OpenAI.ChatCompletionCreateParams
type Text = OpenAI.CompletionCreateParams
type Embed = OpenAI.EmbeddingCreateParams
type Keys<T> = T extends unknown ? keyof T : never

// Every request of the client is one of ours, and every field of it has a rule.
expectTypeOf<Chat>().toExtend<ChatCompletionRequest>()
expectTypeOf<Keys<Chat>>().toExtend<keyof ChatCompletionRequest>()
expectTypeOf<Text>().toExtend<TextCompletionRequest>()
expectTypeOf<Keys<Text>>().toExtend<keyof TextCompletionRequest>()
expectTypeOf<Embed>().toExtend<EmbeddingRequest>()
expectTypeOf<Keys<Embed>>().toExtend<keyof EmbeddingRequest>()

// Every answer of ours is one of the client's.
expectTypeOf<ChatCompletion>().toExtend<OpenAI.ChatCompletion>()
expectTypeOf<ChatCompletionChunk>().toExtend<OpenAI.ChatCompletionChunk>()
expectTypeOf<TextCompletion>().toExtend<OpenAI.Completion>()
expectTypeOf<
  Omit<EmbeddingResponse, 'data'> & {
    data: (Omit<EmbeddingResponse['data'][number], 'embedding'> & { embedding: number[] })[]
  }
>().toExtend<OpenAI.CreateEmbeddingResponse>()
expectTypeOf<
  Omit<TextCompletionChunk, 'usage' | 'choices'> & {
    choices: Omit<TextCompletionChunk['choices'][number], 'finish_reason'>[]
  }
>().toExtend<
  Omit<OpenAI.Completion, 'usage' | 'choices'> & {
    choices: Omit<OpenAI.Completion['choices'][number], 'finish_reason'>[]
  }
>()

// What an answer holds goes back into the next request, either way.
type Message = ChatCompletion['choices'][number]['message']
expectTypeOf<Message>().toExtend<OpenAI.ChatCompletionMessageParam>()
expectTypeOf<Message>().toExtend<ChatCompletionRequest['messages'][number]>()
expectTypeOf<OpenAI.ChatCompletionMessage>().toExtend<ChatCompletionRequest['messages'][number]>()
expectTypeOf<OpenAI.ChatCompletionMessageFunctionToolCall>().toEqualTypeOf<MadeToolCall>()

// Tools and plain messages of chat() are the client's, too.
expectTypeOf<OpenAI.ChatCompletionFunctionTool>().toExtend<ChatTool>()
expectTypeOf<OpenAI.ChatCompletionUserMessageParam & { content: string }>().toExtend<ChatMessage>()
expectTypeOf<OpenAI.ChatCompletionToolMessageParam>().toExtend<ChatMessage>()

declare const engine: Ryzanstein
declare const request: OpenAI.ChatCompletionCreateParamsNonStreaming
declare const streaming: OpenAI.ChatCompletionCreateParamsStreaming
const { create } = openai(engine).chat.completions
expectTypeOf(create(request)).resolves.toEqualTypeOf<ChatCompletion>()
expectTypeOf(create(streaming)).resolves.toEqualTypeOf<AsyncIterable<ChatCompletionChunk>>()
expectTypeOf(engineFetch(engine)).toEqualTypeOf<EngineFetch>()
expectTypeOf<EngineFetch>().toExtend<NonNullable<ClientOptions['fetch']>>()
expectTypeOf<EngineFetch>().toExtend<typeof fetch>()

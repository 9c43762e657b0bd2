// The types of the public surface as a user meets them. Checked by `tsc`, never run: what a call takes and gives,
// what it must refuse to compile, and that nothing is `any`.
import {
  type ChatCompletion,
  type ChatCompletionChunk,
  type ChatMessage,
  type ERROR_CODES,
  type ErrorCode,
  type GenerateOptions,
  type GenerateResult,
  type LoadOptions,
  listModels,
  load,
  type ModelSource,
  openai,
  type Ryzanstein,
  RyzError,
  type ScoreResult,
  type StoredModel,
  sessions,
  type TokenChunk,
  type TokenStream,
  willItRun,
} from 'ryzanstein'
import { expectTypeOf } from 'vitest'

declare const engine: Ryzanstein

// load(): every kind of source, and nothing else.
expectTypeOf(load).returns.resolves.toEqualTypeOf<Ryzanstein>()
expectTypeOf<
  string | URL | Blob | File | File[] | ReadableStream<Uint8Array>
>().toExtend<ModelSource>()
expectTypeOf<FileSystemFileHandle>().toExtend<ModelSource>()
expectTypeOf<number>().not.toExtend<ModelSource>()
expectTypeOf<Response>().not.toExtend<ModelSource>()
// @ts-expect-error no source
load()
// @ts-expect-error a typing error
load('x', { thread: 2 })
// @ts-expect-error no variant of ours
load('x', { variant: 'avx' })
expectTypeOf<LoadOptions['threads']>().toEqualTypeOf<'auto' | number | undefined>()
expectTypeOf(willItRun).parameters.toEqualTypeOf<[source: ModelSource, options?: LoadOptions]>()

// generate() and chat()
expectTypeOf(engine.generate).parameter(0).toEqualTypeOf<string | readonly number[]>()
expectTypeOf(engine.generate('x')).toEqualTypeOf<TokenStream>()
expectTypeOf<TokenStream>().toExtend<AsyncIterable<TokenChunk>>()
expectTypeOf<TokenStream['result']>().toEqualTypeOf<Promise<GenerateResult>>()
expectTypeOf<TokenChunk['text']>().toEqualTypeOf<string>()
expectTypeOf<TokenChunk['logprobs']>().not.toBeAny()
expectTypeOf<GenerateResult['finishReason']>().not.toBeAny()
expectTypeOf<'eos' | 'stop' | 'length' | 'context'>().toExtend<GenerateResult['finishReason']>()
expectTypeOf([{ role: 'user', content: 'x' }] as const).toExtend<readonly ChatMessage[]>()
expectTypeOf<{
  signal: AbortSignal
  onQueue(event: { position: number }): void
}>().toExtend<GenerateOptions>()
// @ts-expect-error a typing error
engine.generate('x', { temperatur: 1 })
// @ts-expect-error a message has a role
engine.chat([{ content: 'x' }])

// The rest of the engine
expectTypeOf(engine.score).returns.resolves.toEqualTypeOf<ScoreResult>()
expectTypeOf<ScoreResult['logprobs']>().toEqualTypeOf<Float32Array>()
expectTypeOf(engine.tokenize).returns.resolves.toEqualTypeOf<number[]>()
expectTypeOf(engine.detokenize).returns.resolves.toEqualTypeOf<string>()
expectTypeOf(engine.countTokens).returns.resolves.toEqualTypeOf<number>()
expectTypeOf(engine.saveSession).returns.resolves.toEqualTypeOf<Blob>()
expectTypeOf(engine.close).returns.toEqualTypeOf<Promise<void>>()
expectTypeOf(sessions.load).returns.resolves.toEqualTypeOf<Blob | undefined>()
expectTypeOf(listModels).returns.resolves.toEqualTypeOf<StoredModel[]>()

// Errors: the code is one of the table's.
expectTypeOf<RyzError['code']>().toEqualTypeOf<ErrorCode>()
expectTypeOf<keyof typeof ERROR_CODES>().toEqualTypeOf<ErrorCode>()
expectTypeOf<
  'NETWORK' | 'BAD_OPTION' | 'NO_WORKER' | 'NO_STORAGE' | 'INTERNAL'
>().toExtend<ErrorCode>()
expectTypeOf(new RyzError('NETWORK', 'x')).toExtend<Error>()

// The facade: `stream` decides what create() gives.
const { create } = openai(engine).chat.completions
const messages = [{ role: 'user', content: 'x' }]
expectTypeOf(create({ messages })).resolves.toEqualTypeOf<ChatCompletion>()
expectTypeOf(create({ messages, stream: false })).resolves.toEqualTypeOf<ChatCompletion>()
expectTypeOf(create({ messages, stream: true })).resolves.toEqualTypeOf<
  AsyncIterable<ChatCompletionChunk>
>()
// @ts-expect-error a field that is not served
create({ messages, temprature: 1 })

// The AI SDK's interfaces (`ai` 7, specification v4), derived from what `ai` itself exports, so that no other
// package is needed for them. Types alone.
import type { EmbeddingModel, LanguageModel } from 'ai'

/** The interface of `ai` 7 for language models. */
export type LanguageModelV4 = Extract<LanguageModel, { specificationVersion: 'v4' }>
/** The interface of `ai` 7 for embeddings. */
export type EmbeddingModelV4 = Extract<EmbeddingModel, { specificationVersion: 'v4' }>

export type CallOptions = Parameters<LanguageModelV4['doGenerate']>[0]
export type GenerateAnswer = Awaited<ReturnType<LanguageModelV4['doGenerate']>>
export type StreamAnswer = Awaited<ReturnType<LanguageModelV4['doStream']>>
export type StreamPart = StreamAnswer['stream'] extends ReadableStream<infer Part> ? Part : never
export type Warning = GenerateAnswer['warnings'][number]
export type PromptMessage = CallOptions['prompt'][number]

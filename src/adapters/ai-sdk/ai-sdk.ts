// A loaded engine as models of the AI SDK (`ai` 7): generateText, streamText, structured output, tools, embed. The
// file `ai-sdk.js` of the package; nothing of `ai` is in it but types.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import { badOption, reading } from '../../options/rules.ts'
import { answerOf, partsOf } from './answer.ts'
import { PROVIDER, readCall } from './request.ts'
import type { EmbeddingModelV4, LanguageModelV4 } from './types.ts'

export type { EmbeddingModelV4, LanguageModelV4 } from './types.ts'

/** Texts that embed() takes in one call. */
const MAX_EMBEDDINGS = 2048

type ChatEngine = Pick<Ryzanstein, 'chat' | 'model'>
type EmbedEngine = Pick<Ryzanstein, 'embed' | 'model'>

/**
 * The engine as a language model. `providerOptions.ryzanstein` takes any option of chat(); the metadata of an
 * answer hold its seed and times, and `complete` for structured output.
 * @throws RyzError BAD_OPTION when it is no engine
 * @example
 * const { text } = await generateText({ model: languageModel(engine), prompt: 'Hello' })
 */
export function languageModel(engine: ChatEngine): LanguageModelV4 {
  requireEngine(engine, 'chat')
  const modelId = engine.model.name
  return {
    specificationVersion: 'v4',
    provider: PROVIDER,
    modelId,
    supportedUrls: {},

    async doGenerate(call) {
      const { messages, options, warnings } = readCall(call)
      try {
        const result = await engine.chat(messages, options).result
        return { ...answerOf(result, modelId), warnings }
      } catch (caught) {
        throw faultOf(caught, call.abortSignal)
      }
    },

    /** Rejects with what ends the request before its first token. */
    async doStream(call) {
      const { messages, options, warnings } = readCall(call)
      const stream = engine.chat(messages, options)
      const chunks = stream[Symbol.asyncIterator]()
      const fault = (caught: unknown) => faultOf(caught, call.abortSignal)
      try {
        const first = await chunks.next()
        const raw = call.includeRawChunks === true
        return { stream: partsOf(first, chunks, stream, { modelId, warnings, raw, fault }) }
      } catch (caught) {
        throw fault(caught)
      }
    },
  }
}

/**
 * The engine as an embedding model. `providerOptions.ryzanstein` takes any option of embed().
 * @throws RyzError BAD_OPTION when it is no engine
 * @example
 * const { embedding } = await embed({ model: embeddingModel(engine), value: 'a cat' })
 */
export function embeddingModel(engine: EmbedEngine): EmbeddingModelV4 {
  requireEngine(engine, 'embed')
  const { name, hidden } = engine.model
  return {
    specificationVersion: 'v4',
    provider: PROVIDER,
    modelId: name,
    maxEmbeddingsPerCall: MAX_EMBEDDINGS,
    supportsParallelCalls: true,

    async doEmbed({ values, dimensions, abortSignal, providerOptions }) {
      if (dimensions !== undefined && dimensions !== hidden) {
        throw badOption('dimensions', dimensions, `${hidden} or left out: the model has no others`)
      }
      try {
        const options = { signal: abortSignal, ...providerOptions?.[PROVIDER] }
        const { embeddings, tokens } = await engine.embed(values, options)
        return {
          embeddings: embeddings.map(vector => Array.from(vector)),
          usage: { tokens: tokens.reduce((sum, count) => sum + count, 0) },
          warnings: [],
        }
      } catch (caught) {
        throw faultOf(caught, abortSignal)
      }
    },
  }
}

function requireEngine(engine: unknown, call: 'chat' | 'embed'): void {
  const found = reading('engine', () => typeof Object(engine)[call])
  if (found !== 'function') throw badOption('engine', engine, 'what load() gave')
}

/** The SDK knows an abort by its signal's reason. */
function faultOf(caught: unknown, signal: AbortSignal | undefined): unknown {
  return signal?.aborted ? signal.reason : caught
}

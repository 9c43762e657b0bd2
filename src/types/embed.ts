// What embed() takes and gives. Part of the public types, see index.ts.
import type { QueueEvent } from './generate.ts'

/**
 * How the hidden states of a text become one vector: that of its last token, their mean, or that of its
 * first token.
 */
export type Pooling = 'last' | 'mean' | 'cls'

/** What embed() takes. */
export interface EmbedOptions {
  /**
   * Default: what the file says (`model.pooling`), else 'mean', as the last token of a model that was not made
   * for it tells what comes next rather than what the text is about.
   */
  pooling?: Pooling
  /** Vectors of length 1, so that a dot product is the cosine. Default true. */
  normalize?: boolean
  /** Cut texts that are longer than the context; by default they are CONTEXT_FULL. Default false. */
  truncate?: boolean
  /** As in GenerateOptions. */
  noBos?: boolean
  /** As in GenerateOptions. */
  priority?: number
  /** As in GenerateOptions. */
  queueTimeoutMs?: number
  /** Cancels it: ABORTED. */
  signal?: AbortSignal
  /** As in GenerateOptions. */
  onQueue?: (event: QueueEvent) => void
}

/** What embed() gives: a vector for each text. */
export interface EmbedResult {
  /** A vector for each text, f32 [model.hidden]: hidden states after the last norm, pooled. */
  embeddings: Float32Array[]
  /** Tokens of each text that were computed, with bos and eos where the model adds them. */
  tokens: number[]
  /** Indices of the texts that were cut. */
  truncated: number[]
  pooling: Pooling
  poolingFrom: 'option' | 'file' | 'default'
  normalized: boolean
}

export interface ScoreOptions {
  /** Also return the raw logits, [tokens][vocab] f32. */
  logits?: boolean
  noBos?: boolean
  /** As in GenerateOptions. */
  priority?: number
  queueTimeoutMs?: number
  signal?: AbortSignal
}

export interface ScoreResult {
  tokens: number[]
  /** log p(tokens[i] | tokens[0..i-1]); entry 0 is 0. */
  logprobs: Float32Array
  /** Row i holds the logits after tokens[0..i]. */
  logits?: Float32Array
  vocabSize: number
}

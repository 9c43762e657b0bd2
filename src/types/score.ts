/** What score() takes. */
export interface ScoreOptions {
  /**
   * The first token that is scored, 1 or more: log-probabilities of tokens[from..] are given, those before are 0. What is
   * before it is not computed again where an earlier call began alike, so one context with many endings is
   * read once. Results are the same bits. Default 1.
   */
  from?: number
  /** Token ids: how likely each would be in the place of tokens[from]. */
  alternatives?: readonly number[]
  /** Also return the raw logits, [tokens - from + 1][vocab] f32. */
  logits?: boolean
  /** As in GenerateOptions; only for a text that is given as a string. */
  noBos?: boolean
  /** As in GenerateOptions. */
  priority?: number
  /** As in GenerateOptions. */
  queueTimeoutMs?: number
  /** Cancels it: ABORTED. */
  signal?: AbortSignal
}

/** What score() gives: how likely the model holds each token of a text. */
export interface ScoreResult {
  /** Ids of the text. */
  tokens: number[]
  /** log p(tokens[i] | tokens[0..i-1]); 0 for those before `from`. */
  logprobs: Float32Array
  /** What greedy sampling takes in the place of tokens[i]; -1 for those before `from`. */
  likeliest: Int32Array
  /** Log-probabilities of the `alternatives`, in their order. */
  alternatives?: Float32Array
  /** Row i holds the logits after tokens[0..from-1+i]; the last row is what follows the text. */
  logits?: Float32Array
  /** Columns of `logits`. */
  vocabSize: number
}

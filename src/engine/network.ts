// What the engine needs of a network: rows in, logits out, and the accounting of its paged KV cache.
// Implemented by model/bitnet.ts and model/kv-cache.ts, and by a fake in the tests.
import type { ModelConfig } from '../model/model-config.ts'
import type { OpTime } from '../types.ts'

/** One sequence of the KV cache. `length` counts the tokens held; forward() moves it on. */
export interface SequenceLike {
  readonly id: number
  length: number
  readonly blocks: readonly number[]
}

/** One token of one sequence in a step; rows of a sequence stand together, in order. */
export interface StepRowLike {
  seq: SequenceLike
  token: number
  wantsLogits: boolean
}

export interface KvCacheLike {
  readonly blocks: number
  readonly usedBlocks: number
  /** Tokens one sequence may hold. */
  readonly contextLength: number
  open(): SequenceLike
  /** Ensures room for `tokens` more; false, and nothing taken, when blocks are short. */
  reserve(seq: SequenceLike, tokens: number): boolean
  truncate(seq: SequenceLike, length: number): void
  close(seq: SequenceLike): void
  blocksFor(tokens: number): number
}

export interface NetworkLike {
  readonly config: Pick<ModelConfig, 'vocab'>
  readonly kv: KvCacheLike
  /** Rows of a step at most. */
  readonly maxRows: number
  /** Rows of a step that may want logits. */
  readonly maxLogitRows: number
  /**
   * Appends the rows to their sequences.
   * @returns logits f32 [k][vocab] of the k rows that want them, in order; valid until the next call
   */
  forward(rows: readonly StepRowLike[]): Promise<Float32Array>
  opTimes(): OpTime[]
  close(): void
}

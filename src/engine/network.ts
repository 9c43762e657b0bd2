// What the engine needs of a network: rows in, logits out, and the accounting of its paged KV cache.
// Implemented by model/network.ts and model/kv-cache.ts, and by a fake in the tests.
import type { ModelConfig } from '../model/model-config.ts'
import type { OpTime } from '../types/index.ts'

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
  /** Held by open sequences. */
  readonly usedBlocks: number
  /** Held by nobody, kept for reuse, given up when blocks are short. */
  readonly cachedBlocks: number
  /** Tokens one sequence may hold. */
  readonly contextLength: number
  open(): SequenceLike
  /** A new sequence that begins with full blocks that others may hold too. */
  openShared(blocks: readonly number[]): SequenceLike
  /** Ensures room for `tokens` more; false, and nothing taken, when blocks are short. */
  reserve(seq: SequenceLike, tokens: number): boolean
  truncate(seq: SequenceLike, length: number): void
  close(seq: SequenceLike): void
  blocksFor(tokens: number): number
  /** Told when so many free blocks are missing, to drop() kept ones that nobody holds. */
  onShort(evict: (blocks: number) => void): void
  /** Keeps a full block when its sequences end, until drop(). */
  keep(block: number): void
  drop(block: number): void
  /** A kept block that nobody holds, for contents from elsewhere. */
  takeKept(): number | undefined
  held(block: number): boolean
  /** Exchanges a full block of a sequence for one with the same contents. */
  substitute(seq: SequenceLike, index: number, block: number): void
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
   * @returns logits f32 [k][vocab] of the k rows that want them, in order, valid until the next call; a
   *          promise of them where the backend or a repair makes it wait
   */
  forward(rows: readonly StepRowLike[]): Float32Array | Promise<Float32Array>
  opTimes(): OpTime[]
  /** Bytes of one KV block in all layers, as backend.ts orders them. */
  readonly blockBytes: number
  readBlock(block: number): Promise<Uint8Array>
  writeBlock(block: number, bytes: Uint8Array): void
  close(): void
}

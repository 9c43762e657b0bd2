// What the engine needs of a network: rows in, logits and hidden states out, and the book of its paged KV
// cache. Implemented by run-network.ts and kv-cache.ts, and by a fake in the tests.
import type { Drawing } from '../backend/backend.ts'
import type { RyzError } from '../errors.ts'
import type { OpTime } from '../types/index.ts'
import type { ModelConfig } from './model-config.ts'

/** One sequence of the KV cache. */
export interface Sequence {
  readonly id: number
  /** Tokens held; forward() moves it on. */
  readonly length: number
  /** Ids of the blocks that hold them, in order. */
  readonly blocks: readonly number[]
}

/** What a row is computed for: its place in the KV cache alone, its logits, or its hidden state. */
export type Wanted = 'nothing' | 'logits' | 'hidden'

/** One token of one sequence in a step; rows of a sequence stand together, in order. */
export interface StepRow {
  readonly seq: Sequence
  readonly token: number
  readonly wants: Wanted
  /** It goes on with an answer, one token a step or a few that were guessed; false for what is read. */
  readonly answers?: boolean
}

/** What a step gave, in the order of the rows that wanted it. */
export interface StepResult {
  /** f32 [k][vocab] */
  readonly logits: Float32Array
  /** f32 [k][hidden], after the last norm: what the head multiplies. */
  readonly hidden: Float32Array
}

/** Which sequence holds which blocks of the KV cache. */
export interface KvBook {
  readonly blocks: number
  /** Held by open sequences. */
  readonly usedBlocks: number
  /** Held by nobody, kept for reuse, given up when blocks are short. */
  readonly cachedBlocks: number
  /** Tokens one sequence may hold. */
  readonly contextLength: number
  open(): Sequence
  /** A new sequence that begins with full blocks that others may hold too. */
  openShared(blocks: readonly number[]): Sequence
  /** Ensures room for `tokens` more; false, and nothing taken, when blocks are short. */
  reserve(seq: Sequence, tokens: number): boolean
  /** Forgets all tokens from `length` on. */
  truncate(seq: Sequence, length: number): void
  close(seq: Sequence): void
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
  substitute(seq: Sequence, index: number, block: number): void
}

/** Draws tokens where the network computes, so that steps need not wait for each other. */
export interface Drawer {
  /**
   * A step whose rows want logits, of which one token each is drawn. A token ~r of a row is the one that the step
   * before drew for its row r. Rows count as appended at once; whoever does not want them truncates.
   * @returns the tokens, -1 where the sampler has to look at the logits
   */
  draw(rows: readonly StepRow[], drawings: readonly Drawing[]): Promise<Int32Array>
  /** Resolves when a question for nothing is answered. */
  answer(): Promise<void>
}

export interface Network {
  readonly config: Pick<ModelConfig, 'vocab' | 'hidden'>
  readonly kv: KvBook
  /** Rows of a step at most. */
  readonly maxRows: number
  /** Rows of a step that may want logits; all may want hidden states. */
  readonly maxWantedRows: number
  /** Milliseconds that a step should take at most, where what computes also draws the page. */
  readonly stepMs?: number
  /** Absent where nothing is gained by it. */
  readonly drawer?: Drawer | undefined
  /** Resolves when it can compute no more; see Backend.lost. */
  readonly lost: Promise<RyzError>
  /**
   * Appends the rows to their sequences, whose blocks must be reserved.
   * @returns valid until the next call; a promise where the backend or a repair makes it wait
   * @throws RyzError BAD_WEIGHTS when a row is not finite and nothing can repair it
   */
  forward(rows: readonly StepRow[]): StepResult | Promise<StepResult>
  /** Of a mixture of experts: rows that each expert computed since the start, by layer. */
  expertRows?(): number[][] | undefined
  /** Milliseconds by op since the start. */
  opTimes(): OpTime[]
  /** Bytes of one KV block in all layers, as kv-layout.ts orders them. */
  readonly blockBytes: number
  readBlock(block: number): Promise<Uint8Array>
  writeBlock(block: number, bytes: Uint8Array): void
  /**
   * Goes on with another backend after what ended this one, where that can be done: `lost` is another promise
   * then, and the blocks of the cache are empty, whatever the book says.
   * @returns undefined where nothing can
   */
  revive?(error: RyzError): Promise<void> | undefined
  close(): void
}

// What a model will need, in bytes, before anything is allocated or the weights are downloaded, and
// how rows of logits, KV type, batch and context are lowered, in that order, until it fits the budget. Pure arithmetic.
import { KV_BLOCK, kvCacheBytes } from '../backend/backend.ts'
import { RyzError } from '../errors.ts'
import { type Placement, placedBytes, type Role } from '../format/placement.ts'
import type { Fallback, KvType } from '../types/index.ts'
import type { ModelConfig } from './model-config.ts'
import { activationBytes } from './run-network.ts'

/**
 * What the renderer has besides weights, KV and scratch: an empty page (120 to 143 MB), code, JavaScript
 * and what loading leaves behind; measured 158 to 170 MB with the 0.7B shape and 2B-4T (docs/PERFORMANCE.md).
 */
export const PAGE_BYTES = 170e6
/** The default of LoadOptions.memoryBudget. */
export const DEFAULT_BUDGET = 500e6
/** Logits of a step, below which their number is not lowered: scoring goes so many rows at once. */
const MIN_WANTED_ROWS = 8
/** A context is never lowered below this. */
const MIN_CONTEXT = 128

export interface PlanRequest {
  readonly budget: number
  /** Fixed by the caller, or to be chosen: f16, then int8. */
  readonly kv: KvType | undefined
  readonly contextLength: number
  /** The caller asked for this context: it is not lowered. */
  readonly contextFixed: boolean
  readonly maxSequences: number
  readonly maxRows: number
  /** Rows of a step that may want logits, as many as would be good. At least maxSequences are planned. */
  readonly wantedRows: number
  /** Bytes the backend needs beside weights, KV and activations, for so many rows that want logits. */
  readonly scratchBytes: (wantedRows: number) => number
  /** Of a draft model; the budget is without them. */
  readonly draftBytes?: number
  /** Of the weights, what is planned for linears that may stay float. */
  readonly floatBytes?: number
}

export interface MemoryPlan {
  readonly kv: KvType
  readonly contextLength: number
  readonly maxSequences: number
  /** Rows of a step that may want logits. */
  readonly wantedRows: number
  readonly kvBlocks: number
  readonly weightBytes: number
  readonly kvBytes: number
  readonly scratchBytes: number
  /** weights + KV + scratch: what the backend may allocate. */
  readonly totalBytes: number
  /** What was lowered, in order. */
  readonly lowered: readonly Fallback[]
}

/** One matrix or vector of the file, as far as the plan is concerned. */
export interface PlannedTensor {
  readonly role: Role
  readonly rows: number
  readonly cols: number
  readonly placement: Placement
}

/** Upper bound of the resident bytes of the weights, 64 bytes of alignment each included. */
export function weightBytes(tensors: Iterable<PlannedTensor>): number {
  let total = 0
  for (const { role, rows, cols, placement } of tensors) {
    // A vector stands as it is, without the padding of a matrix.
    total += 2 * 64 + (role === 'vector' ? 4 * rows * cols : placedBytes(placement, rows, cols))
  }
  return total
}

/**
 * Chooses KV type, batch and context so that everything fits.
 * @throws RyzError MEMORY_BUDGET with the figures when nothing allowed does
 */
export function planMemory(c: ModelConfig, weights: number, request: PlanRequest): MemoryPlan {
  const bytes = (kv: KvType, blocks: number) =>
    kvCacheBytes({ layers: c.layers, kvHeads: c.kvHeads, headDim: c.headDim, blocks, type: kv })
  const blocksOf = (tokens: number) => Math.ceil(tokens / KV_BLOCK)
  const lowered: Fallback[] = []
  const lower = (from: string, to: string, reason: string) => lowered.push({ from, to, reason })
  const { draftBytes = 0 } = request
  const lessDraft = draftBytes > 0 ? `, less ${mb(draftBytes)} for the draft model,` : ''
  const budgetText = `memory budget of ${mb(request.budget + draftBytes)}${lessDraft}`

  let kv = request.kv ?? 'f16'
  let blocks = blocksOf(request.contextLength) * request.maxSequences
  let contextLength = request.contextLength
  let wantedRows = Math.max(request.wantedRows, request.maxSequences)
  const scratchOf = (rows: number) =>
    request.scratchBytes(rows) + activationBytes(c, request.maxRows, rows)
  const leftOf = (rows: number) => request.budget - PAGE_BYTES - weights - scratchOf(rows)

  const fewest = Math.min(wantedRows, Math.max(MIN_WANTED_ROWS, request.maxSequences))
  if (bytes(kv, blocks) > leftOf(wantedRows) && fewest < wantedRows) {
    const text = (rows: number) => `logits of ${rows} rows a step`
    lower(text(wantedRows), text(fewest), `with KV they exceed the ${budgetText}`)
    wantedRows = fewest
  }
  const scratch = scratchOf(wantedRows)
  const left = leftOf(wantedRows)

  if (bytes(kv, blocks) > left && !request.kv) {
    lower('KV f16', 'KV int8', `${mb(bytes(kv, blocks))} of f16 KV exceed the ${budgetText}`)
    kv = 'int8'
  }
  const affordable = Math.max(0, Math.floor(left / bytes(kv, 1)))
  if (blocks > affordable && affordable >= blocksOf(contextLength)) {
    const text = (n: number) => `KV for ${n * KV_BLOCK} tokens in all`
    lower(text(blocks), text(affordable), `${mb(bytes(kv, blocks))} of KV exceed the ${budgetText}`)
    blocks = affordable
  } else if (blocks > affordable) {
    if (affordable * KV_BLOCK < MIN_CONTEXT || request.contextFixed) {
      const needed = request.budget - left + bytes(kv, blocksOf(contextLength))
      throw new RyzError(
        'MEMORY_BUDGET',
        `the model needs ${mb(needed)} (weights ${mb(weights)}${floats(request.floatBytes)}, KV ${mb(bytes(kv, blocksOf(contextLength)))} for ${contextLength} tokens, scratch ${mb(scratch)}, page ${mb(PAGE_BYTES)}) and the ${budgetText} is less; lower contextLength or raise memoryBudget`,
        { needed, budget: request.budget, weights, scratch, contextLength },
      )
    }
    lower(
      `context ${contextLength}`,
      `context ${affordable * KV_BLOCK}`,
      `KV for ${contextLength} tokens exceeds the ${budgetText}`,
    )
    contextLength = affordable * KV_BLOCK
    blocks = affordable
  }

  const kvBytes = bytes(kv, blocks)
  return {
    kv,
    contextLength,
    maxSequences: request.maxSequences,
    wantedRows,
    kvBlocks: blocks,
    weightBytes: weights,
    kvBytes,
    scratchBytes: scratch,
    totalBytes: weights + kvBytes + scratch,
    lowered,
  }
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

/** Matrices whose type is not ternary are what makes a model unexpectedly large. */
function floats(bytes = 0): string {
  return bytes > 0 ? `, of them ${mb(bytes)} for matrices that are not of a ternary type` : ''
}

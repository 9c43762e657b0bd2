// Hands out linear memory above the kernels' own data: 64-byte aligned, never given back one by one.
// Also plans: the scratch that wasm-backend.ts takes for itself. Memory itself is made in instantiate.ts.
import { RyzError } from '../../errors.ts'
import type { BackendLimits } from '../backend.ts'
import { KV_BLOCK, T2_COLS } from '../backend.ts'
import { LINEAR_WORDS, MATRIX_WORDS } from './descriptors.ts'
import { ATTEND_WORDS, LOOKUP_BYTES } from './exports.ts'

const ALIGN = 64
/** Stack of a pool worker; kernels use about 1 KiB. Also the linker's stack of thread 0. */
export const STACK_BYTES = 65536
/** The module's stack and static data below __heap_base, and the last partial page. */
const MODULE_BYTES = 2 * STACK_BYTES + 65536
/** Descriptors of stacked matrices: 128 bytes are three parts, so 512 stacks. */
const DESCRIPTOR_BYTES = 65536
/** Planned for the RoPE tables where the head's rotated width is not known. */
const ROPE_DIM = 256

/** Rounds up to whole cache lines. */
export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGN) * ALIGN
}

/** Bytes of each range that the backend itself needs, in order of allocation. */
export function scratchParts(limits: BackendLimits, threads: number) {
  const { maxRows, maxContext, maxCols, routed = 0 } = limits
  const cols = Math.ceil(maxCols / T2_COLS) * T2_COLS
  return {
    q: maxRows * cols,
    x: maxRows * cols * 4,
    inv: maxRows * 4,
    sums: maxRows * 4,
    tileSums: maxRows * (cols / T2_COLS) * 4,
    lookup: threads * LOOKUP_BYTES,
    ids: maxRows * 4,
    tables: maxRows * Math.ceil(maxContext / KV_BLOCK) * 4,
    attend: ATTEND_WORDS * 4,
    // Gate and up of all experts of a row; rows that one expert computes.
    routed: routed > 0 ? (LINEAR_WORDS + 2 * routed * MATRIX_WORDS) * 4 : 0,
    gathered: routed > 0 ? maxRows * cols * 4 : 0,
  } as const
}

/**
 * Bytes that createWasmBackend needs beside weights, KV cache and the caller's own slots: add them to
 * its memoryBytes.
 */
export function scratchBytes(limits: BackendLimits, threads = 1): number {
  const parts = Object.values(scratchParts(limits, threads)).reduce(
    (sum, bytes) => sum + align(bytes),
    0,
  )
  const stacks = (threads - 1) * (STACK_BYTES + ALIGN)
  const rope = align(limits.maxContext * (limits.ropeDim ?? ROPE_DIM) * 4) + 2 * ALIGN
  return MODULE_BYTES + DESCRIPTOR_BYTES + parts + stacks + rope
}

/** Bump allocation in [base, end). */
export class Arena {
  readonly #end: number
  #next: number

  constructor(base: number, end: number) {
    this.#next = align(base)
    this.#end = end
  }

  /**
   * Address of `bytes` zeroed bytes, aligned to 64.
   * @throws RyzError MEMORY_BUDGET
   */
  alloc(bytes: number, label: string): number {
    const at = this.#next
    const left = this.#end - at
    if (align(bytes) > left) {
      throw new RyzError(
        'MEMORY_BUDGET',
        `${label} needs ${bytes} bytes and ${Math.max(0, left)} are left; lower contextLength or maxSequences, or raise memoryBudget`,
        { label, bytes, left },
      )
    }
    this.#next = at + align(bytes)
    return at
  }
}

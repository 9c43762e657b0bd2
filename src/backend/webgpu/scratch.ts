// How large what a backend makes for itself is: the step block and where its parts begin, the buffers that dispatches
// share, tables, and results on their way back. Arithmetic on limits; steps.ts makes the buffers, the memory plan counts
// them.
import type { BackendLimits } from '../backend.ts'
import { KV_BLOCK, T2_COLS } from '../backend.ts'
import { DRAW_SETTINGS, drawingBytes } from './drawing.ts'
import { stagingBytes } from './read-back.ts'

/** Words of the step block for the counts of ops: a path that has more is sent in parts. */
const COUNT_WORDS = 2048
/** Runs of all rows together that split attention has room for. */
const MAX_RUNS = 64
/** Parameters of 2,048 dispatches, four small staging buffers, and small ones. */
const ALSO_BYTES = 2 ** 20
/** Elements of a head that RoPE turns, where it is not known. */
const ROPE_DIM = 256

/**
 * Bytes beside weights, KV and activations: rounded rows, runs of attention, the step block, RoPE tables, logits on their
 * way back, the best of them, and small buffers.
 * @param wantedRows  rows whose logits may be read or drawn from in a step
 */
export function scratchBytes(limits: BackendLimits, wantedRows = 0): number {
  const s = scratchSizes(limits)
  const { maxContext, ropeDim = ROPE_DIM, vocab = 0 } = limits
  const rope = 4 * maxContext * ropeDim
  const logits = stagingBytes(4 * vocab * wantedRows) + drawingBytes(vocab, wantedRows)
  const own = s.block + s.q + s.marks + s.runs + s.drawn + s.partials + s.cuts
  return own + rope + logits + ALSO_BYTES
}

/** Where the rows of attention begin in the step block: behind counts, ids and gathered rows. */
export function rowsAtOf({ maxRows }: BackendLimits): number {
  return COUNT_WORDS + longestOp(maxRows)
}

/** Behind what is told of all rows, and their positions: how many tiles, and each. */
export function tilesAtOf(limits: BackendLimits): number {
  return rowsAtOf(limits) + 4 + limits.maxRows
}

/** Then the tables of blocks. */
export function tablesAtOf(limits: BackendLimits): number {
  return tilesAtOf(limits) + 1 + limits.maxRows
}

/** Words of the op that has most of them: what tokens are drawn by. */
export function longestOp(maxRows: number): number {
  return 1 + DRAW_SETTINGS * maxRows
}

/** Bytes of each buffer that dispatches share. */
export function scratchSizes(limits: BackendLimits) {
  const { maxRows, maxCols, maxContext, routed = 0 } = limits
  // What the chosen experts of a row read are rows of their own.
  const rounded = maxRows * Math.max(1, routed)
  return {
    block: 4 * (tablesAtOf(limits) + maxRows * Math.ceil(maxContext / KV_BLOCK)),
    q: rounded * Math.ceil(maxCols / T2_COLS) * T2_COLS,
    marks: 8 * rounded,
    cuts: routed > 0 ? 16 * maxRows : 0,
    drawn: 4 * maxRows,
    // One for each 64 columns, in pieces that begin anew.
    partials: 4 * (Math.ceil(maxCols / 64) + 64),
    // Heads together are as wide as an input of the linear behind them; two words for each run besides.
    runs: 4 * MAX_RUNS * (maxCols + 2 * 128),
  }
}

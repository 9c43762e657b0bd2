// Which rows of a step share the KV blocks that they read: neighbours with consecutive positions and, as far as
// they go, the same block table. For attend_tile.wgsl; called by steps.ts.
import type { StepRows } from '../backend.ts'
import { KV_BLOCK } from '../backend.ts'

/** Rows of a tile, at most. */
export const TILE_ROWS = 8

/**
 * Writes a word for each tile: its first row and, in the upper half, how many rows it has.
 * @returns how many tiles
 */
export function tilesOf(rows: StepRows, words: Uint32Array, at: number): number {
  let tiles = 0
  for (let first = 0; first < rows.count; tiles++) {
    let end = first + 1
    while (end < rows.count && end - first < TILE_ROWS && goesOn(rows, end)) end++
    words[at + tiles] = first + (end - first) * 0x10000
    first = end
  }
  return tiles
}

/** Whether a row is the next token of the row before. */
function goesOn({ positions, tables, maxBlocks }: StepRows, row: number): boolean {
  const before = positions[row - 1]!
  if (positions[row] !== before + 1) return false
  const [a, b] = [(row - 1) * maxBlocks, row * maxBlocks]
  for (let i = 0; i <= Math.floor(before / KV_BLOCK); i++) {
    if (tables[a + i] !== tables[b + i]) return false
  }
  return true
}

// Which rows of a step are taken together by the tiled attention: the step as it is made, and what must not be joined.
import { describe, expect, it } from 'vitest'
import { tilesOf } from '../../../src/backend/webgpu/row-tiles.ts'

/** Each row as its position and block table. @returns [first, rows] of each tile */
function tiles(rows: readonly (readonly [number, readonly number[]])[]): number[][] {
  const maxBlocks = Math.max(...rows.map(([, table]) => table.length))
  const step = {
    count: rows.length,
    positions: Int32Array.from(rows, ([position]) => position),
    tables: Int32Array.from(
      rows.flatMap(([, table]) => Array.from({ length: maxBlocks }, (_, i) => table[i] ?? -1)),
    ),
    maxBlocks,
  }
  const words = new Uint32Array(rows.length + 2)
  const found = tilesOf(step, words, 1)
  expect([words[0], words[found + 1] ?? 0]).toEqual([0, 0])
  return Array.from(words.subarray(1, found + 1), word => [word & 0xffff, word >>> 16])
}

function prompt(first: number, count: number, table: readonly number[]) {
  return Array.from({ length: count }, (_, i) => [first + i, table] as const)
}

describe('tiles of rows', () => {
  it('are up to eight tokens of one prompt', () => {
    expect(tiles(prompt(0, 1, [4]))).toEqual([[0, 1]])
    expect(tiles(prompt(5, 8, [4]))).toEqual([[0, 8]])
    expect(tiles(prompt(5, 9, [4]))).toEqual([
      [0, 8],
      [8, 1],
    ])
    // Over the end of a block.
    expect(tiles(prompt(28, 8, [4, 7]))).toEqual([[0, 8]])
  })

  it('do not hold rows of several sequences', () => {
    expect(tiles([...prompt(3, 2, [4]), ...prompt(5, 2, [6])])).toEqual([
      [0, 2],
      [2, 2],
    ])
    // Eight sequences at the same place, as in decoding.
    const batch = Array.from({ length: 8 }, (_, i) => [40, [2 * i, 2 * i + 1]] as const)
    expect(tiles(batch)).toHaveLength(8)
    // Positions that follow each other by chance.
    const chance = Array.from({ length: 3 }, (_, i) => [i, [i]] as const)
    expect(tiles(chance)).toHaveLength(3)
  })

  it('may hold rows of sequences that share the blocks which the earlier one sees', () => {
    // A prompt that two requests have in common: row 1 belongs to the other one.
    expect(tiles([[31, [4, 9]], [32, [4, 8]]])).toEqual([[0, 2]]) // biome-ignore format: a row each
    expect(tiles([[32, [4, 9]], [33, [4, 8]]])).toHaveLength(2) // biome-ignore format: a row each
  })

  it('do not hold a row that goes back, as a prompt that is fed again', () => {
    expect(tiles([...prompt(3, 3, [4]), ...prompt(4, 2, [4])])).toEqual([
      [0, 3],
      [3, 2],
    ])
  })
})

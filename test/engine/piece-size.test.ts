// The size of a prefill piece follows the measured speed, towards 100 ms.
import { describe, expect, it } from 'vitest'
import { PIECE_MS, PieceSize } from '../../src/engine/piece-size.ts'

/** Runs steps that cost `fixed` ms and `each` ms a token. */
function settle(piece: PieceSize, fixed: number, each: number): number[] {
  return Array.from({ length: 12 }, () => {
    const ms = fixed + each * piece.tokens
    piece.learn(piece.tokens, ms)
    return ms
  })
}

describe('PieceSize', () => {
  it('grows until a step takes about 100 ms and stays there', () => {
    const times = settle(new PieceSize(512), 40, 0.5)
    for (const ms of times) expect(ms).toBeLessThanOrEqual(PIECE_MS + 40)
    expect(times.at(-1)).toBeGreaterThan(90)
  })

  it('shrinks to one token where each takes longer', () => {
    const piece = new PieceSize(128)
    settle(piece, 0, 300)
    expect(piece.tokens).toBe(1)
  })

  it('never exceeds its limit, however fast the network is', () => {
    const piece = new PieceSize(128)
    settle(piece, 0, 0)
    expect(piece.tokens).toBe(128)
  })

  it('learns nothing from steps without a prompt but how long they took', () => {
    const piece = new PieceSize(128)
    const before = piece.tokens
    piece.learn(0, 700)
    expect(piece.tokens).toBe(before)
    expect(piece.longestMs).toBe(700)
  })
})

// The size of a prefill piece follows the measured speed, towards 100 ms, or 200 when alone.
import { describe, expect, it } from 'vitest'
import { ALONE_MS, PIECE_MS, PieceSize } from '../../../src/engine/schedule/piece-size.ts'
import { run, start, tokens } from '../driver.ts'

/** Runs steps that cost `fixed` ms and `each` ms a token. */
function settle(piece: PieceSize, fixed: number, each: number, alone = false): number[] {
  return Array.from({ length: 12 }, () => {
    const tokens = piece.tokens(alone)
    const ms = fixed + each * tokens
    piece.learn(tokens, ms)
    return ms
  })
}

describe('PieceSize', () => {
  it('grows until a step takes about 100 ms and stays there', () => {
    const times = settle(new PieceSize(512), 5, 0.5)
    for (const ms of times) expect(ms).toBeLessThanOrEqual(PIECE_MS + 5)
    expect(times.at(-1)).toBeGreaterThan(80)
  })

  it('takes longer pieces when nothing else generates', () => {
    const times = settle(new PieceSize(512), 0, 4, true)
    expect(times.at(-1)).toBeGreaterThan(PIECE_MS)
    expect(Math.max(...times)).toBeLessThanOrEqual(ALONE_MS)
  })

  it('stays below what the network says a step may take', () => {
    const piece = new PieceSize(512)
    for (let i = 0; i < 12; i++) {
      const tokens = piece.tokens(true, 50)
      expect(2 * tokens).toBeLessThanOrEqual(50 * 1.3) // the first whole block is a guess
      piece.learn(tokens, 2 * tokens)
    }
    expect(2 * piece.tokens(true, 50)).toBeLessThanOrEqual(50)
  })

  it('takes whole blocks, where a token costs less, as soon as one fits', () => {
    const piece = new PieceSize(128)
    const cost = (tokens: number) => (tokens < 32 ? 10 * tokens : 4.5 * tokens)
    piece.learn(1, 15)
    for (let i = 0; i < 8; i++) piece.learn(piece.tokens(true), cost(piece.tokens(true)))
    expect(piece.tokens(true)).toBe(32)
    expect(piece.tokens(false)).toBeLessThan(32)
  })

  it('takes a whole block where more than half of one fits, as both take as long', () => {
    const piece = new PieceSize(128)
    piece.learn(1, 30)
    piece.learn(16, 160)
    // 10 and 30 ms mixed: ten tokens.
    expect(piece.tokens(true)).toBe(10)
    piece.learn(10, 80)
    piece.learn(17, 170)
    expect(piece.tokens(true)).toBe(32)
    piece.learn(32, 200)
    expect(piece.tokens(true)).toBe(32)
  })

  it('stays below a block that has turned out to be late', () => {
    const piece = new PieceSize(128)
    piece.learn(16, 160)
    piece.learn(32, 320)
    expect(piece.tokens(true)).toBe(20)
  })

  it('takes a block that is hardly late, whatever small pieces take', () => {
    const piece = new PieceSize(128)
    // A token of a small piece takes 17 ms, so that eleven would fit; a block takes 228 ms of 240.
    piece.learn(8, 136)
    piece.learn(32, 228)
    expect(piece.tokens(true)).toBe(32)
  })

  it('comes back to blocks when a machine that was slow for a moment is faster again', () => {
    const piece = new PieceSize(128)
    const cost = (slow: number) => (tokens: number) => slow * (tokens < 32 ? 8 : 4) * tokens
    const steps = (count: number, of: (tokens: number) => number) => {
      for (let i = 0; i < count; i++) {
        const tokens = piece.tokens(true)
        piece.learn(tokens, of(tokens))
      }
    }
    steps(6, cost(1))
    expect(piece.tokens(true)).toBe(32)
    steps(6, cost(4))
    expect(piece.tokens(true)).toBeLessThan(32)
    steps(16, cost(1))
    expect(piece.tokens(true)).toBe(32)
  })

  it('seldom tries a block again that stays late', () => {
    const piece = new PieceSize(128)
    let late = 0
    for (let i = 0; i < 200; i++) {
      const tokens = piece.tokens(true)
      // Small pieces make it look better than it is.
      piece.learn(tokens, tokens < 32 ? 12 * tokens : 10 * tokens)
      if (tokens >= 32) late++
    }
    expect(late).toBeGreaterThan(1)
    expect(late).toBeLessThan(8)
  })

  it('shrinks to one token where each takes longer', () => {
    const piece = new PieceSize(128)
    settle(piece, 0, 300)
    expect(piece.tokens(false)).toBe(1)
  })

  it('never exceeds its limit, however fast the network is', () => {
    const piece = new PieceSize(128)
    settle(piece, 0, 0)
    expect(piece.tokens(false)).toBe(128)
  })

  it('learns nothing from steps without a prompt but how long they took', () => {
    const piece = new PieceSize(128)
    const before = piece.tokens(false)
    piece.learn(0, 700)
    expect(piece.tokens(false)).toBe(before)
    expect(piece.longestMs).toBe(700)
  })
})

describe('a prompt of 2,048 tokens on a network that may take 50 ms a step', () => {
  it.each([0.1, 0.5, 3])('of %d ms a token holds no step longer', async msPerToken => {
    let now = 0
    const took: number[] = []
    const onStep = ({ length }: { readonly length: number }) => {
      took.push(length * msPerToken)
      now += length * msPerToken
    }
    const fake = { contextLength: 2304, blocks: 80, onStep }
    const { engine, network } = start(fake, { speculation: 'off' }, { now: () => now })
    Object.assign(network, { stepMs: 50 })
    const { result } = await run(engine, tokens(2048), { maxTokens: 2, ignoreEos: true }).ended
    expect(result!.promptTokens).toBe(2048)
    // A first whole block is tried, as it may cost a token less.
    const late = took.filter(ms => ms > 50)
    expect(late.length).toBeLessThanOrEqual(1)
    expect(Math.max(...took)).toBeLessThanOrEqual(100)
    // Neither one by one.
    expect(took.length).toBeLessThan(2048 / Math.min(network.maxRows, 50 / msPerToken) + 24)
  })
})

// The random stream is pinned: a seed means the same text in every version. The numbers come from a
// few lines of Python that follow the two papers.
import { describe, expect, it } from 'vitest'
import { drawSeed, Random } from '../../../src/engine/sampling/random.ts'

describe('Random', () => {
  it.each([
    [0, [1789933344, 44971166, 2521387044, 3848737593, 1138324114]],
    [42, [660444221, 3652823732, 77672526, 910233633, 2297337756]],
    [0xffffffff, [4104197751, 1825856343, 1152209388, 2427537429, 3685145430]],
  ])('gives the pinned numbers for seed %i', (seed, expected) => {
    const random = new Random(seed)
    expect(expected.map(() => random.uint32())).toEqual(expected)
  })

  it('is uniform in [0, 1)', () => {
    const random = new Random(1)
    const bins = new Array<number>(10).fill(0)
    for (let i = 0; i < 10_000; i++) {
      const x = random.uniform()
      expect(x >= 0 && x < 1).toBe(true)
      bins[Math.floor(x * 10)]!++
    }
    const chi = bins.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)
    expect(chi).toBeLessThan(27.9) // 9 degrees of freedom, once in 1000
  })

  it('draws seeds that are unsigned 32-bit integers', () => {
    const seeds = Array.from({ length: 50 }, drawSeed)
    expect(seeds.every(seed => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)).toBe(true)
    expect(new Set(seeds).size).toBeGreaterThan(45)
  })
})

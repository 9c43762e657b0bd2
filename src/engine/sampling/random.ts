// The random numbers of the sampler: xoshiro128** (Blackman & Vigna 2018) with its state filled by
// splitmix32 from a 32-bit seed. Same seed, same numbers, in every browser.

/** A seeded stream of uniform numbers. */
export class Random {
  readonly #state = new Uint32Array(4)

  /** @param seed  an unsigned 32-bit integer */
  constructor(seed: number) {
    let z = seed >>> 0
    for (let i = 0; i < 4; i++) {
      z = (z + 0x9e3779b9) >>> 0
      let t = z ^ (z >>> 16)
      t = Math.imul(t, 0x21f0aaad)
      t ^= t >>> 15
      t = Math.imul(t, 0x735a2d97)
      this.#state[i] = t ^ (t >>> 15)
    }
  }

  /** The next unsigned 32-bit integer. */
  uint32(): number {
    const s = this.#state
    const x = Math.imul(s[1]!, 5)
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0
    const t = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= t
    s[3] = (s[3]! << 11) | (s[3]! >>> 21)
    return result
  }

  /** Uniform in [0, 1), 53 bits from two draws. */
  uniform(): number {
    const high = this.uint32() >>> 5
    const low = this.uint32() >>> 6
    return (high * 0x4000000 + low) / 0x20000000000000
  }
}

/** An unpredictable 32-bit seed; works on plain http too. */
export function drawSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!
}

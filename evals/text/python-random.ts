// Python's random.Random: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded with a whole
// number, and its sample(). Few-shot examples are drawn with it, so a seed gives the same ones as in Python.
// Used by evals/run/shots.ts; test/evals/python-random.test.ts compares with Python's own numbers.

const N = 624
const M = 397

/** random.Random(seed), seed from 0 to 2^32 - 1. */
export class PythonRandom {
  readonly #state = new Uint32Array(N)
  #at = N

  constructor(seed: number) {
    const mt = this.#state
    mt[0] = 19650218
    for (let i = 1; i < N; i++) {
      const last = mt[i - 1]! ^ (mt[i - 1]! >>> 30)
      mt[i] = Math.imul(1812433253, last) + i
    }
    // init_by_array with the one word of the seed.
    let i = 1
    for (let k = 0; k < N; k++) {
      const last = mt[i - 1]! ^ (mt[i - 1]! >>> 30)
      mt[i] = (mt[i]! ^ Math.imul(last, 1664525)) + (seed >>> 0)
      if (++i >= N) {
        mt[0] = mt[N - 1]!
        i = 1
      }
    }
    for (let k = 0; k < N - 1; k++) {
      const last = mt[i - 1]! ^ (mt[i - 1]! >>> 30)
      mt[i] = (mt[i]! ^ Math.imul(last, 1566083941)) - i
      if (++i >= N) {
        mt[0] = mt[N - 1]!
        i = 1
      }
    }
    mt[0] = 0x80000000
  }

  /** getrandbits(bits), 1 to 32. */
  bits(bits: number): number {
    return this.#next() >>> (32 - bits)
  }

  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    const bits = 32 - Math.clz32(n)
    for (;;) {
      const drawn = this.bits(bits)
      if (drawn < n) return drawn
    }
  }

  /** sample(range(n), k): k different numbers below n, in the order drawn. */
  sample(n: number, k: number): number[] {
    if (k > n) throw new RangeError(`${k} of ${n} cannot be drawn`)
    // As Python: a list of all where that is small beside the draws, else draws again what came before.
    const small = 21 + (k > 5 ? 4 ** Math.ceil(Math.log(k * 3) / Math.log(4)) : 0)
    const drawn: number[] = []
    if (n <= small) {
      const pool = Array.from({ length: n }, (_, i) => i)
      for (let i = 0; i < k; i++) {
        const j = this.below(n - i)
        drawn.push(pool[j]!)
        pool[j] = pool[n - i - 1]!
      }
      return drawn
    }
    const seen = new Set<number>()
    while (drawn.length < k) {
      const j = this.below(n)
      if (seen.has(j)) continue
      seen.add(j)
      drawn.push(j)
    }
    return drawn
  }

  #next(): number {
    if (this.#at >= N) this.#twist()
    let y = this.#state[this.#at++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  #twist(): void {
    const mt = this.#state
    for (let i = 0; i < N; i++) {
      const y = (mt[i]! & 0x80000000) | (mt[(i + 1) % N]! & 0x7fffffff)
      mt[i] = mt[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
    }
    this.#at = 0
  }
}

// What a step of n rows costs, measured while it runs: what speculation weighs its guesses against. Numbers
// of rows that were not seen yet lie between their neighbours. Called by speculation.ts.

/** The last so many steps of each number of rows are remembered. */
const KEPT = 9
/** With fewer, its neighbours say more: one hiccup would keep a number of rows from ever being tried again. */
const ENOUGH = 3
/** Steps after which a number of rows that was not seen since is forgotten, and may be tried again. */
const OLD = 1000
/**
 * What a step of so many rows takes, in steps of one, before anything was measured: about what the kernels take (0.7B
 * shape and ryz-chat, with and without relaxed SIMD, one and two threads: 1.7 to 2.4 for 4 rows, 2.6 to 3.3 for 8, 4.0 to
 * 4.8 for 16).
 */
const SHAPE = [
  [1, 1],
  [2, 1.4],
  [4, 2.3],
  [8, 3.2],
  [16, 4.8],
  [32, 9],
] as const
/** Beyond the largest step seen, a row costs at most this share of what rows cost up to there, */
const BEYOND = 0.8
/** and where it has to be certain, this: 17 rows of the 0.7B shape took 1.7 times what 13 take. */
const CERTAIN = 1.25
/**
 * And at least what this power of the rows says: 1.23 for twice as many. Lookup tables take as long for 8 rows as
 * for 4, which only a try can tell; it costs three steps where it was too hopeful.
 */
const HOPE = 0.3

interface Samples {
  readonly ms: number[]
  /** Steps seen so far, and at the last one, on the clock of all. */
  count: number
  seenAt: number
}

/** A step of so many rows. */
export interface Known {
  readonly rows: number
  ms: number
}

/** Milliseconds by number of rows. */
export class StepCosts {
  readonly #samples = new Map<number, Samples>()
  /** Rows that have enough samples, in ascending order, and what they take. */
  #known: Known[] = []
  #clock = 0

  /** A step of so many rows, and nothing else, took this long. */
  learn(rows: number, ms: number): void {
    let samples = this.#samples.get(rows)
    if (samples === undefined) {
      samples = { ms: [], count: 0, seenAt: 0 }
      this.#samples.set(rows, samples)
    }
    samples.ms[samples.count++ % KEPT] = ms
    samples.seenAt = ++this.#clock
    if (this.#clock % OLD === 0) this.#forgetOld()
    const first = this.#samples.size === 1
    if (samples.count < ENOUGH && !first) return
    const typical = middle(samples.ms)
    const known = this.#known.find(k => k.rows === rows)
    if (known !== undefined) known.ms = typical
    else {
      this.#known.push({ rows, ms: typical })
      this.#known.sort((a, b) => a.rows - b.rows)
    }
  }

  /** Other kernels compute from now on. */
  forget(): void {
    this.#samples.clear()
    this.#known = []
  }

  /** What a step of so many rows takes, with some hope where no step was as large; 0 where nothing was measured yet. */
  ms(rows: number): number {
    const typical = this.#typical(rows)
    const last = this.#known.at(-1)
    if (last === undefined || this.#known.length === 1 || rows <= last.rows) return typical
    return Math.min(typical, last.ms * (rows / last.rows) ** HOPE)
  }

  /** The same without hope, and with what was seen once or twice: what a step will not exceed, as far as one can know. */
  most(rows: number): number {
    const typical = this.#typical(rows)
    if (rows <= this.largest) return typical
    const samples = this.#samples.get(rows)
    if (samples !== undefined) return Math.max(typical, Math.min(...samples.ms))
    const last = this.#known.at(-1)
    if (last === undefined) return typical
    const grown = this.#known.length === 1 ? 0 : (typical - last.ms) * (CERTAIN / BEYOND)
    return Math.max(typical * (grown > 0 ? 1 : CERTAIN), last.ms + grown)
  }

  #typical(rows: number): number {
    const known = this.#known
    let above = 0
    while (above < known.length && known[above]!.rows < rows) above++
    const high = known[above]
    const low = known[above - 1]
    if (high === undefined) return low === undefined ? 0 : this.#beyond(low, rows)
    if (high.rows === rows) return high.ms
    if (low === undefined) return (high.ms * shape(rows)) / shape(high.rows)
    return low.ms + ((high.ms - low.ms) * (rows - low.rows)) / (high.rows - low.rows)
  }

  /** What is known: rows, and the milliseconds of a step of as many. */
  get known(): readonly Known[] {
    return this.#known
  }

  /** The largest number of rows that is known; 0 for none. */
  get largest(): number {
    return this.#known.at(-1)?.rows ?? 0
  }

  #beyond(last: Known, rows: number): number {
    const first = this.#known[0]!
    if (first === last) return (last.ms * shape(rows)) / shape(last.rows)
    const row = (last.ms - first.ms) / (last.rows - first.rows)
    return last.ms + Math.max(0, row) * BEYOND * (rows - last.rows)
  }

  #forgetOld(): void {
    for (const [rows, { seenAt }] of this.#samples) {
      if (seenAt > this.#clock - OLD) continue
      this.#samples.delete(rows)
      this.#known = this.#known.filter(k => k.rows !== rows)
    }
  }
}

/** The mean of the middle third: clocks of 0.1 ms make a median jump, and one hiccup moves a mean. */
function middle(ms: readonly number[]): number {
  const sorted = ms.slice().sort((a, b) => a - b)
  const skip = Math.floor(sorted.length / 3)
  const kept = sorted.slice(skip, sorted.length - skip)
  return kept.reduce((sum, one) => sum + one, 0) / kept.length
}

/** Between the points of SHAPE, and on beyond the last. */
function shape(rows: number): number {
  let i = 1
  while (i < SHAPE.length - 1 && SHAPE[i]![0] < rows) i++
  const [low, atLow] = SHAPE[i - 1]!
  const [high, atHigh] = SHAPE[i]!
  return atLow + ((atHigh - atLow) * (rows - low)) / (high - low)
}

// What stats() tells of the pool: how many threads shared the steps, second by second, and whether others use the
// processor. Pure; fed by pool-watch.ts after each step, so it allocates nothing.
import type { PoolStats } from '../../types/index.ts'

/** Seconds that are kept. */
const SECONDS = 60
/** Share of late pieces' time, over so many milliseconds of steps, at which others count as busy; and how long after. */
const BUSY = 0.05
const BUSY_OVER_MS = 250
const BUSY_MS = 1500

// Places in #n: milliseconds of steps and of late pieces, fading; until when others count as busy.
const [SUM_MS, SUM_LATE, BUSY_UNTIL, N] = [0, 1, 2, 3]

export class PoolRecord {
  readonly #msByActive: Float64Array
  /** Rings of SECONDS: which second, its milliseconds of steps, and the same times threads. */
  readonly #second = new Int32Array(SECONDS).fill(-1)
  readonly #ms = new Float64Array(SECONDS)
  readonly #threadMs = new Float64Array(SECONDS)
  // Numbers with a fraction stand in an array: an object's fields would box them anew each time.
  readonly #n = new Float64Array(N)

  /** @param threads  of the pool */
  constructor(threads: number) {
    this.#msByActive = new Float64Array(threads)
    this.#n[BUSY_UNTIL] = Number.NEGATIVE_INFINITY
  }

  /** So many threads have shared a step, or a part of one, of so many milliseconds. */
  worked(now: number, ms: number, active: number): void {
    this.#msByActive[active - 1]! += ms
    const second = Math.floor(now / 1000)
    const at = second % SECONDS
    if (this.#second[at] !== second) {
      this.#second[at] = second
      this.#ms[at] = 0
      this.#threadMs[at] = 0
    }
    this.#ms[at]! += ms
    this.#threadMs[at]! += ms * active
  }

  /**
   * A step has ended.
   * @param lateMs  of it, the first thread waited for threads that did not run
   * @param yielded  threads are set aside because of others
   */
  step(now: number, ms: number, lateMs: number, yielded: boolean): void {
    const n = this.#n
    const fading = Math.exp(-ms / BUSY_OVER_MS)
    n[SUM_MS] = n[SUM_MS]! * fading + ms
    n[SUM_LATE] = n[SUM_LATE]! * fading + lateMs
    if (yielded || n[SUM_LATE]! > BUSY * Math.max(n[SUM_MS]!, BUSY_OVER_MS)) {
      n[BUSY_UNTIL] = now + BUSY_MS
    }
  }

  told(now: number): Pick<PoolStats, 'msByActive' | 'activeBySecond' | 'othersBusy'> {
    const newest = Math.floor(now / 1000)
    const activeBySecond: number[] = []
    for (let second = Math.max(0, newest - SECONDS + 1); second <= newest; second++) {
      const at = second % SECONDS
      const ran = this.#second[at] === second && this.#ms[at]! > 0
      activeBySecond.push(ran ? this.#threadMs[at]! / this.#ms[at]! : 0)
    }
    const first = activeBySecond.findIndex(threads => threads > 0)
    return {
      msByActive: [...this.#msByActive],
      activeBySecond: first < 0 ? [] : activeBySecond.slice(first),
      othersBusy: now < this.#n[BUSY_UNTIL]!,
    }
  }
}

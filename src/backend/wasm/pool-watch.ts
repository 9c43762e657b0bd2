// Watches the pool from step to step: how many threads share the next one (thread-chooser.ts), whether each worker
// still answers, and what stats() tells (pool-record.ts). A step begins with its first op and ends where its results are read. Reads the
// counters of kernels-cpp/pool__threads.cpp. Used by wasm-backend.ts where there are several threads.
import type { PoolStats } from '../../types/index.ts'
import type { KernelExports } from './exports.ts'
import { PoolRecord } from './pool-record.ts'
import { ThreadChooser } from './thread-chooser.ts'

export interface PoolWatchOptions {
  /** Of the pool, the caller included. */
  readonly threads: number
  /** Of the processor, as far as it is known: more threads are tried, not taken. */
  readonly cores: number
  /** Without it, all threads share every step. */
  readonly adapts: boolean
  /** How long a worker that was woken may be silent. */
  readonly limitMs: number
  readonly now: () => number
}

type PoolExports = Pick<KernelExports, 'ryz_pool_use' | 'ryz_pool_done' | 'ryz_pool_waits'>

/** Steps of up to so many rows have a chooser for each number; longer ones are pieces of a prompt. */
const DECODE_ROWS = 8
/** A piece takes as long as its next multiple of this. */
const PIECE_ROWS = 16
/** Words of a thread's counters: pieces, then how often it was seen awake. */
const DONE_WORDS = 16
const [PIECES, SEEN] = [0, 1]
/** The waits: milliseconds, of them late ones, and then the numbers of shared regions and of pieces done again. */
const [WAIT_MS, LATE_MS] = [0, 1]
const REGIONS_BYTE = 16
/** Who lost a piece was off its core, for a time slice or so: others use it, though thread 0 has not waited. */
const OFF_MS = 3
/** What one look may add to a worker's silence: a device that slept did not wait all that time. */
const LONGEST_LOOK_MS = 500

// Places in #n, as in thread-chooser.ts: when the step began and ended, late pieces before it, when workers were looked at.
const [BEGAN, ENDED, LATE, LOOKED, N] = [0, 1, 2, 3, 4]

export class PoolWatch {
  readonly #kernels: PoolExports
  readonly #words: Int32Array
  readonly #waits: Float64Array
  readonly #options: PoolWatchOptions
  readonly #done: number
  readonly #regions: number
  readonly #choosers: (ThreadChooser | undefined)[] = []
  readonly #record: PoolRecord
  /** Of each worker: what it was seen at last, and for how long it has not answered since it was asked. */
  readonly #seen: Int32Array
  readonly #silentMs: Float64Array
  readonly #asked: Uint8Array
  /** Of the step that runs. */
  #rows = 0
  #active: number
  /** Of the step that ran last. */
  #last: ThreadChooser | undefined
  #regionsBefore = 0
  #againBefore = 0
  readonly #n = new Float64Array(N)

  constructor(kernels: PoolExports, memory: ArrayBufferLike, options: PoolWatchOptions) {
    this.#kernels = kernels
    this.#words = new Int32Array(memory)
    this.#options = options
    this.#done = kernels.ryz_pool_done!() / 4
    const waits = kernels.ryz_pool_waits!()
    this.#waits = new Float64Array(memory, waits, 2)
    this.#regions = (waits + REGIONS_BYTE) / 4
    const { threads } = options
    this.#record = new PoolRecord(threads)
    this.#seen = new Int32Array(threads)
    this.#silentMs = new Float64Array(threads)
    this.#asked = new Uint8Array(threads)
    this.#active = this.#first
    kernels.ryz_pool_use!(this.#active)
  }

  /**
   * A step of so many rows begins: the one before is judged, and threads are chosen.
   * @returns false when a worker that was asked has not been heard of within the limit
   */
  begin(rows: number): boolean {
    const now = this.#options.now()
    const answered = this.#judge(now)
    this.#rows = rows
    this.#n[BEGAN] = now
    this.#n[ENDED] = now
    this.#n[LATE] = this.#waits[LATE_MS]!
    this.#regionsBefore = this.#words[this.#regions]!
    this.#againBefore = this.#again
    if (this.#options.adapts) this.#choose(rows)
    return answered
  }

  /** Between two ops of a step: a trial of more threads that has met a taken core goes no further. */
  between(): void {
    const lateMs = this.#waits[LATE_MS]! - this.#n[LATE]!
    if (this.#last?.isHopeless(lateMs) !== true) return
    this.#active = this.#last.giveUp(lateMs)
    this.#kernels.ryz_pool_use!(this.#active)
  }

  /** Results were read: as far as is known, the step ends here. */
  mark(): void {
    this.#n[ENDED] = this.#options.now()
  }

  stats(): PoolStats {
    const { threads, now } = this.#options
    return {
      active: this.#active,
      ...this.#record.told(now()),
      pieces: Array.from({ length: threads }, (_, t) => this.#count(t, PIECES)),
      piecesAgain: this.#again >>> 0,
      waitMs: this.#waits[WAIT_MS]!,
    }
  }

  get #again(): number {
    return this.#words[this.#regions + 1]!
  }

  get #first(): number {
    const { threads, cores, adapts } = this.#options
    return adapts ? Math.max(1, Math.min(threads, cores)) : threads
  }

  #chooserOf(rows: number): ThreadChooser {
    const kind = Math.min(rows, DECODE_ROWS + 1)
    let chooser = this.#choosers[kind]
    if (chooser === undefined) {
      chooser = new ThreadChooser(this.#options.threads, this.#first)
      this.#choosers[kind] = chooser
    }
    return chooser
  }

  #choose(rows: number): void {
    const chooser = this.#chooserOf(rows)
    if (chooser !== this.#last) {
      const fewer = this.#last?.yieldedTo
      if (fewer !== undefined) chooser.follow(fewer)
      this.#last = chooser
    }
    const threads = chooser.next()
    if (threads === this.#active) return
    this.#active = threads
    this.#kernels.ryz_pool_use!(threads)
  }

  /** The step that began last, if its end was seen. */
  #judge(now: number): boolean {
    const n = this.#n
    const ms = n[ENDED]! - n[BEGAN]!
    if (this.#rows > 0 && ms > 0) {
      const lateMs = this.#waits[LATE_MS]! - n[LATE]!
      const yielded = this.#last?.yieldedTo !== undefined
      const offMs = lateMs + OFF_MS * (this.#again - this.#againBefore)
      this.#record.step(n[ENDED]!, ms, this.#active, offMs, yielded)
      if (this.#options.adapts) {
        const units = this.#rows > DECODE_ROWS ? Math.ceil(this.#rows / PIECE_ROWS) : 1
        // Pieces that are done again are no waiting: where they counted, two threads of the embedded model, 1.3 times as fast
        // as one on an idle machine, were set aside for two thirds of the time.
        this.#chooserOf(this.#rows).took(ms, lateMs, units)
      }
    }
    const shared = this.#words[this.#regions] !== this.#regionsBefore
    const sinceMs = Math.min(now - n[LOOKED]!, LONGEST_LOOK_MS)
    n[LOOKED] = now
    return this.#allAnswer(shared, sinceMs)
  }

  /** A worker owes an answer from the step that it should have shared and did not, parked since or not. */
  #allAnswer(shared: boolean, sinceMs: number): boolean {
    let all = true
    for (let t = 1; t < this.#options.threads; t++) {
      const seen = this.#count(t, SEEN)
      if (seen !== this.#seen[t]) {
        this.#seen[t] = seen
        this.#asked[t] = 0
        this.#silentMs[t] = 0
      } else if (this.#asked[t] === 1) {
        this.#silentMs[t]! += sinceMs
        if (this.#silentMs[t]! >= this.#options.limitMs) all = false
      } else if (shared && t < this.#active) this.#asked[t] = 1
    }
    return all
  }

  #count(thread: number, word: number): number {
    return Atomics.load(this.#words, this.#done + DONE_WORDS * thread + word)
  }
}

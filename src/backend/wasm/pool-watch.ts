// Watches the pool from step to step: how many threads share the next one (thread-chooser.ts), whether each worker
// still answers, and what stats() tells (pool-record.ts). A step begins with its first op and ends where its results are read.
// In long steps threads are chosen layer by layer, as all layers take the same time: so one prompt is enough to find out. Reads
// the counters of kernels-cpp/pool__threads.cpp. Used by wasm-backend.ts where there are several threads.
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
  /** For benchmarks: threads of the next step whatever was found; 0 for what was found. */
  readonly fixed?: (() => number) | undefined
  /** How long a worker that was woken may be silent. */
  readonly limitMs: number
  readonly now: () => number
}

type PoolExports = Pick<KernelExports, 'ryz_pool_use' | 'ryz_pool_done' | 'ryz_pool_waits'>

/** Steps of up to so many rows have a chooser for each number; longer ones, pieces of a prompt, one for twice as many each. */
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
/** Steps from this length on are compared layer by layer: a layer is then long enough for the clock, and a step too long. */
const LONG_STEP_MS = 4
const BY_LAYER = 2
/** After a step a token is drawn, which takes as long as a step of a small model: counted up to so many. */
const REST_STEPS = 2
/** What one look may add to a worker's silence: a device that slept did not wait all that time. */
const LONGEST_LOOK_MS = 500

// Places in #n, as in thread-chooser.ts: when the step began and ended, late pieces before it, when workers were looked at.
// Since when so many threads are at work; when the present layer began, 0 for not yet; late pieces before that.
const [BEGAN, ENDED, LATE, LOOKED, SINCE, LAYER, LAYER_LATE, N] = [0, 1, 2, 3, 4, 5, 6, 7]

/** Of steps: their rows, or of more than DECODE_ROWS, how often the rows must be halved to be so few. */
const KINDS = DECODE_ROWS + 32

function kindOf(rows: number): number {
  return rows <= DECODE_ROWS ? rows : DECODE_ROWS + Math.ceil(Math.log2(rows / DECODE_ROWS))
}

export class PoolWatch {
  readonly #kernels: PoolExports
  readonly #words: Int32Array
  readonly #waits: Float64Array
  readonly #options: PoolWatchOptions
  readonly #done: number
  readonly #regions: number
  readonly #choosers: (ThreadChooser | undefined)[] = []
  /** Of the same kinds: long steps in a row, up to BY_LAYER. */
  readonly #long = new Uint8Array(KINDS)
  readonly #record: PoolRecord
  /** Of each worker: what it was seen at last, and for how long it has not answered since it was asked. */
  readonly #seen: Int32Array
  readonly #silentMs: Float64Array
  readonly #asked: Uint8Array
  /** Of the step that runs. */
  #rows = 0
  #kind = 0
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
    this.#kind = kindOf(rows)
    const n = this.#n
    n[BEGAN] = now
    n[ENDED] = now
    n[SINCE] = now
    n[LAYER] = 0
    n[LATE] = this.#waits[LATE_MS]!
    n[LAYER_LATE] = n[LATE]!
    this.#regionsBefore = this.#words[this.#regions]!
    this.#againBefore = this.#again
    if (this.#options.adapts) {
      const fixed = this.#options.fixed?.() ?? 0
      this.#last = fixed > 0 ? undefined : this.#chooser()
      this.#use(this.#last?.next() ?? fixed, now)
    }
    return answered
  }

  /** Between two ops of a step: a trial of more threads that has met a taken core goes no further. */
  between(): void {
    const lateMs = this.#waits[LATE_MS]! - this.#n[LAYER_LATE]!
    if (this.#last?.isHopeless(lateMs) === true) this.#use(this.#last.giveUp(lateMs))
  }

  /** The attention of another layer begins. */
  layer(): void {
    if (this.#last === undefined || !this.#isByLayer) return
    const n = this.#n
    const now = this.#options.now()
    const late = this.#waits[LATE_MS]!
    if (n[LAYER]! > 0 && now > n[LAYER]!) {
      this.#last.took(now - n[LAYER]!, late - n[LAYER_LATE]!, this.#units)
      this.#use(this.#last.next(), now)
    }
    n[LAYER] = now
    n[LAYER_LATE] = late
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

  #chooser(): ThreadChooser {
    let chooser = this.#choosers[this.#kind]
    if (chooser === undefined) {
      chooser = new ThreadChooser(this.#options.threads, this.#first)
      this.#choosers[this.#kind] = chooser
    }
    return chooser
  }

  get #isByLayer(): boolean {
    return this.#long[this.#kind] === BY_LAYER
  }

  /** Steps of different sizes are compared by this. */
  get #units(): number {
    return this.#rows > DECODE_ROWS ? Math.ceil(this.#rows / PIECE_ROWS) : 1
  }

  /** Where several steps in a row are long, layers are compared from then on. */
  #lookAtLength(ms: number): void {
    const seen = ms < LONG_STEP_MS ? 0 : this.#long[this.#kind]! + 1
    this.#long[this.#kind] = seen
    if (seen < BY_LAYER) return
    // What steps took is no measure of layers.
    this.#choosers[this.#kind] = undefined
  }

  #use(threads: number, now = this.#options.now()): void {
    if (threads === this.#active) return
    const n = this.#n
    this.#record.worked(now, now - n[SINCE]!, this.#active)
    n[SINCE] = now
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
      this.#record.worked(n[ENDED]!, n[ENDED]! - n[SINCE]!, this.#active)
      this.#record.step(n[ENDED]!, ms, offMs, yielded)
      if (this.#last !== undefined && !this.#isByLayer) {
        // Pieces that are done again are no waiting: where they counted, two threads of the embedded model, 1.3 times as fast
        // as one on an idle machine, were set aside for two thirds of the time.
        const restMs = Math.min(now - n[ENDED]!, REST_STEPS * ms)
        this.#last.took(ms, lateMs, this.#units, ms + restMs)
        this.#lookAtLength(ms)
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

// How many threads share the steps of one kind (so many rows): found by trying, and tried again, as what other
// programs leave of the processor changes. Fewer are tried when the first thread waits for pieces that others hold, when
// steps have become much slower, and now and then; more are tried after a pause. Pauses double while trials fail, and
// their time is that of the steps: what happens between requests costs nothing and says nothing. A trial that does well
// is made again before it counts, as one slow step before it looks the same. Pure; called by pool-watch.ts.

/** A trial lasts so long, and two steps, unless a step is long itself: a core's time slices are 1 to 4 ms. */
const TRIAL_MS = 8
const TRIAL_STEPS = 2
const LONG_STEP_MS = 60
/** A trial that takes so many times what its steps took before is over at once. */
const HOPELESS = 4
/** So many trials in a row that meet a taken core are no accident. */
const MET = 2
/** How far back a mean reaches, in milliseconds of steps. */
const MEMORY_MS = 50
/**
 * Share of the steps' time that the first thread may wait, and how much slower steps may become: with 1.2, a third of the
 * time of an idle virtual machine went by on one thread, as its own hiccups are as long.
 */
const WAITING = 0.1
const SLOWER = 1.8
/** By how much another number of threads must be faster. Fewer may be slower: they leave more to others. */
const FEWER = 1.02
const MORE = 0.95
/**
 * More threads that are so much faster count at once: a core has become free. Waiting for a second trial of two steps of
 * 50 ms cost a third of the seconds in which it was.
 */
const FREE = 0.7
/** Between trials of more threads, or of fewer for a reason. */
const SHORTEST_PAUSE_MS = 40
const LONGEST_PAUSE_MS = 300
/** What failed trials may cost: one part in so many of the time, but an idle core is used within a second. */
const TRIAL_COST = 30
const LATEST_MS = 900
/** More threads than there are cores are tried as seldom as costs one part in so many, and this seldom. */
const BEYOND_COST = 100
const BEYOND_PAUSE_MS = 5000
/** Fewer are also tried without a reason, as seldom as costs one part in so many. */
const LOOK_MS = 1500
const LOOK_COST = 160
/** More threads that did well for so long did not fail. */
const LASTING_MS = 3000

// Places in #n. Of what runs: milliseconds of steps, of waiting, and units, all fading; milliseconds since it began; the
// length of a step; the least it took a unit. When more, fewer, and fewer without a reason may be tried next, and the
// pauses before; when threads were raised last. Then the trial.
const [TOOK, WAITED, UNITS, SETTLED_MS, STEP_MS, BEST] = [0, 1, 2, 3, 4, 5]
const [UP_AT, UP_PAUSE, DOWN_AT, DOWN_PAUSE, LOOK_AT, RAISED] = [6, 7, 8, 9, 10, 11]
const [TRIAL_TOOK, TRIAL_WAITED, TRIAL_UNITS, TRIAL_COUNT] = [12, 13, 14, 15]
// Milliseconds of all steps so far.
const [CLOCK, N] = [16, 17]

export class ThreadChooser {
  readonly #most: number
  readonly #cores: number
  #threads: number
  /** Of the trial that runs; 0 while none does. */
  #tried = 0
  /** What a trial did well with, until it has done so twice; 0 for none. */
  #won = 0
  /** What a trial of more threads lost before it was given up in the middle of a step. */
  #gaveUpMs = 0
  /** Trials of more threads in a row that met a taken core. */
  #met = 0
  /** Whether others were in the way when threads were lowered. */
  #yielded = false
  // Numbers with a fraction stand in an array: an object's fields would box them anew each time.
  readonly #n = new Float64Array(N)

  /**
   * @param most  threads of the pool
   * @param first  with how many to begin: as many as there are cores, as far as that is known
   */
  constructor(most: number, first: number) {
    this.#most = most
    this.#cores = first
    this.#threads = first
    this.#n[UP_PAUSE] = SHORTEST_PAUSE_MS
    this.#n[DOWN_PAUSE] = SHORTEST_PAUSE_MS
    this.#n[RAISED] = Number.NEGATIVE_INFINITY
    this.#n[UP_AT] = BEYOND_PAUSE_MS
  }

  /** Threads, fewer than there are, because others use the processor; undefined where that is not the reason. */
  get yieldedTo(): number | undefined {
    const others = this.#yielded || this.#met >= MET
    return others && this.#threads < this.#most ? this.#threads : undefined
  }

  /** What another kind of steps has found just now: begins with as few threads. */
  follow(threads: number): void {
    if (threads >= this.#threads) return
    const n = this.#n
    this.#threads = threads
    this.#yielded = true
    this.#endTrial()
    this.#won = 0
    this.#measureAnew()
    n[BEST] = 0
    n[UP_AT] = n[CLOCK]! + n[UP_PAUSE]!
  }

  /** Threads for the next step. */
  next(): number {
    if (this.#tried === 0 && this.#n[SETTLED_MS]! >= TRIAL_MS) this.#tried = this.#worthTrying()
    return this.#tried || this.#threads
  }

  /**
   * In a step that more threads than before share, to see whether they help: the first one has waited for longer than a
   * whole step took before. Less is no reason: where everybody waits for a core, more threads get more of it.
   */
  isHopeless(waitMs: number): boolean {
    return this.#tried > this.#threads && waitMs > Math.max(TRIAL_MS, this.#n[STEP_MS]!)
  }

  /**
   * The trial of more threads is over.
   * @returns threads for the rest of the step
   */
  giveUp(waitMs: number): number {
    this.#gaveUpMs = waitMs
    this.#tried = this.#threads
    return this.#threads
  }

  /**
   * What the step took that next() was asked for.
   * @param waitMs  of it, others were late: the first thread waited for them, or did their work again
   * @param units  by which steps of different sizes are compared
   */
  took(ms: number, waitMs: number, units: number): void {
    const n = this.#n
    n[CLOCK]! += ms
    if (this.#gaveUpMs > 0) {
      this.#won = 0
      this.#failMore(this.#gaveUpMs, false)
      this.#gaveUpMs = 0
      this.#met++
      this.#endTrial()
      return
    }
    if (this.#tried > 0) {
      n[TRIAL_TOOK]! += ms
      n[TRIAL_WAITED]! += waitMs
      n[TRIAL_UNITS]! += units
      n[TRIAL_COUNT]! += 1
      if (this.#trialIsOver(ms)) this.#judgeTrial()
      return
    }
    const fading = Math.exp(-ms / MEMORY_MS)
    n[TOOK] = n[TOOK]! * fading + ms
    n[WAITED] = n[WAITED]! * fading + waitMs
    n[UNITS] = n[UNITS]! * fading + units
    n[SETTLED_MS]! += ms
    n[STEP_MS] = ms
    // The first steps are slow, and a mean of few is no measure.
    if (n[SETTLED_MS]! > MEMORY_MS) n[BEST] = Math.min(n[BEST] || this.#mean, this.#mean)
    if (!this.#suffers()) n[DOWN_PAUSE] = SHORTEST_PAUSE_MS
  }

  /** Milliseconds a unit. */
  get #mean(): number {
    return this.#n[TOOK]! / this.#n[UNITS]!
  }

  /** Whether others seem to be in the way. */
  #suffers(): boolean {
    const n = this.#n
    return n[WAITED]! > WAITING * n[TOOK]! || (n[BEST]! > 0 && this.#mean > SLOWER * n[BEST]!)
  }

  /** The other number of threads to try now; 0 for none. */
  #worthTrying(): number {
    const n = this.#n
    const now = n[CLOCK]!
    if (this.#won > 0) return this.#won
    // One at a time where there are few, an eighth of them where there are many.
    const step = Math.max(1, this.#threads >> 3)
    if (this.#threads > 1) {
      const looks = now >= n[LOOK_AT]! && n[SETTLED_MS]! > MEMORY_MS && n[STEP_MS]! < LONG_STEP_MS
      if (looks || (now >= n[DOWN_AT]! && this.#suffers())) return this.#threads - step
    }
    if (this.#threads < this.#most && now >= n[UP_AT]!) {
      return Math.min(this.#most, this.#threads + step)
    }
    return 0
  }

  #trialIsOver(lastMs: number): boolean {
    const n = this.#n
    const took = n[TRIAL_TOOK]!
    if (took > HOPELESS * this.#mean * n[TRIAL_UNITS]! + TRIAL_MS) return true
    return took >= TRIAL_MS && (n[TRIAL_COUNT]! >= TRIAL_STEPS || lastMs > LONG_STEP_MS)
  }

  #judgeTrial(): void {
    const n = this.#n
    const more = this.#tried > this.#threads
    const before = this.#mean * n[TRIAL_UNITS]!
    const lost = n[TRIAL_TOOK]! - before
    if (n[TRIAL_TOOK]! < (more ? MORE : FEWER) * before) {
      const isFree = this.#tried <= this.#cores && n[TRIAL_TOOK]! < FREE * before
      if (this.#won === this.#tried || (more && isFree)) this.#settle(more)
      else {
        this.#won = this.#tried
        this.#measureAnew()
      }
      this.#endTrial()
      return
    }
    this.#won = 0
    if (more) {
      this.#failMore(lost, this.#tried > this.#cores)
      this.#met = n[TRIAL_WAITED]! > 0 ? this.#met + 1 : 0
    } else {
      const now = n[CLOCK]!
      // As fast as it gets now, whatever was before.
      n[BEST] = this.#mean
      n[DOWN_PAUSE] = Math.min(LONGEST_PAUSE_MS, 2 * n[DOWN_PAUSE]!)
      n[DOWN_AT] = now + Math.max(n[DOWN_PAUSE]!, TRIAL_COST * lost)
      n[LOOK_AT] = now + Math.max(LOOK_MS, LOOK_COST * lost)
    }
    this.#endTrial()
  }

  /** More threads did not help, and cost so many milliseconds. */
  #failMore(lostMs: number, beyond: boolean): void {
    const n = this.#n
    n[UP_PAUSE] = Math.min(LONGEST_PAUSE_MS, 2 * n[UP_PAUSE]!)
    const pause = beyond
      ? Math.max(BEYOND_PAUSE_MS, BEYOND_COST * lostMs)
      : Math.max(n[UP_PAUSE]!, Math.min(LATEST_MS, TRIAL_COST * lostMs))
    n[UP_AT] = n[CLOCK]! + pause
  }

  /** What steps take is not known any more. */
  #measureAnew(): void {
    const n = this.#n
    n[TOOK] = 0
    n[WAITED] = 0
    n[UNITS] = 0
    n[SETTLED_MS] = 0
  }

  #endTrial(): void {
    this.#tried = 0
    this.#n.fill(0, TRIAL_TOOK, CLOCK)
  }

  /** The trial's number of threads from now on. */
  #settle(more: boolean): void {
    const n = this.#n
    const now = n[CLOCK]!
    this.#won = 0
    this.#yielded = more ? this.#yielded : this.#suffers()
    this.#threads = this.#tried
    n[TOOK] = n[TRIAL_TOOK]!
    n[WAITED] = n[TRIAL_WAITED]!
    n[UNITS] = n[TRIAL_UNITS]!
    n[SETTLED_MS] = n[TRIAL_TOOK]!
    n[BEST] = 0
    n[LOOK_AT] = now + LOOK_MS
    if (more) {
      this.#met = 0
      n[RAISED] = now
      n[UP_AT] = this.#threads < this.#cores ? now : now + BEYOND_PAUSE_MS
      return
    }
    const lasted = now - n[RAISED]! > LASTING_MS
    n[UP_PAUSE] = lasted ? SHORTEST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, 2 * n[UP_PAUSE]!)
    n[UP_AT] = now + n[UP_PAUSE]!
  }
}

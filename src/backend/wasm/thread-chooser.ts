// How many threads share the steps of one kind (so many rows): found by trying, and tried again, as what other
// programs leave of the processor changes. Another number runs in blocks between blocks of the present one, and each is
// compared with those before and after it, so that what slows both falls out. It wins only when the differences are clear
// for how much they differ among themselves: a machine that others use is never steady, and one slow step decides nothing.
// Speed is that of steps; pauses are time, but not that between requests, in which nothing is learned. Pure; called by
// pool-watch.ts.

/** A block lasts so long, and two steps, unless a step is long itself: a core's time slices are 1 to 4 ms. */
const BLOCK_MS = 12
const BLOCK_STEPS = 2
const LONG_STEP_MS = 60
/** A block of more threads, and of fewer, that takes so many times what its steps took before is over at once. */
const HOPELESS_MORE = 2
const HOPELESS_FEWER = 1.5
/** How far back a mean reaches, in milliseconds of steps. */
const MEMORY_MS = 50
/**
 * Share of the steps' time that the first thread may wait, and how much slower steps may become, before fewer are tried. A
 * busy process makes two threads of the embedded model 1.5 times as slow, and nobody waits: pieces are done again.
 */
const WAITING = 0.1
const SLOWER = 1.4
/**
 * Of a block, log(present / other time): no single one counts for more than a factor of two. They are taken to scatter
 * by SCATTER until they say otherwise.
 */
const MOST_OF_ONE = 0.7
const SCATTER = 0.2
/** So many standard errors make a difference clear: for fewer threads, for more, for more than cores, and to give up. */
const CLEAR_FEWER = 2.5
const CLEAR_MORE = 1.2
const CLEAR_BEYOND = 3
const CLEAR_LOSS = 1
/** More threads than cores must be so much faster. */
const BEYOND_GAIN = 0.05
/** Where threads are late, fewer may be so much slower, as long as they are surely no slower than by the second. */
const LATE_LOSS = -0.02
const LATE_DOUBT = -0.16
const CLEAR_LATE = 1.5
const LEAST_BLOCKS = 2
const MOST_BLOCKS = 12
/** More threads, up to the cores, that are so much faster in two blocks on end count at once: a core has become free. */
const FREE = 0.8
/** So many attempts in a row that meet a taken core are no accident. */
const MET = 2
/** Between attempts at more threads, or at fewer for a reason. */
const SHORTEST_PAUSE_MS = 40
const LONGEST_PAUSE_MS = 300
/**
 * What failed attempts may cost: one part in so many of the time, but an idle core is used within a second. Of fewer threads
 * half of that, where steps are only slow and nobody is late.
 */
const COST = 30
const SLOW_COST = 60
const LATEST_MS = 800
/** While a load has been there for no longer than this, it may be over as soon: more threads are then tried after this at the latest. */
const NEW_MS = 2500
const LATEST_OF_NEW_MS = 250
/** More threads than there are cores are tried as seldom as costs one part in so many, and this seldom. */
const BEYOND_COST = 100
const BEYOND_PAUSE_MS = 5000
/**
 * Fewer are also tried without a reason, as seldom as costs one part in so many, and not in the first so many steps; soon
 * after there have been more, in case that was luck.
 */
const LOOK_MS = 1500
const LOOK_COST = 160
const LOOK_STEPS = 40
const LOOK_BACK_MS = 60
/** More threads that did well for so long did not fail. */
const LASTING_MS = 300

// Places in #n. Of what runs: milliseconds of steps, of waiting, and units, all fading; milliseconds since it began; the
// length of a step; the least it took a unit. When more, fewer, and fewer without a reason may be tried next, and the
// pauses before; when threads were raised last.
const [TOOK, WAITED, UNITS, SETTLED_MS, STEP_MS, BEST] = [0, 1, 2, 3, 4, 5]
const [UP_AT, UP_PAUSE, DOWN_AT, DOWN_PAUSE, LOOK_AT, LOOK_PAUSE, RAISED] = [6, 7, 8, 9, 10, 11, 12]
// The block that runs, of the other number or, between its blocks, of the present one.
const [BLOCK_TOOK, BLOCK_WAITED, BLOCK_UNITS, BLOCK_COUNT] = [13, 14, 15, 16]
// The comparison: milliseconds a unit in the present one's last block and in the other's; blocks compared, sums of their
// differences and of the squares; what the other's blocks lost, and waited.
const [BEFORE, OTHER, BLOCKS, SUM, SQUARES, LOST, OTHER_WAITED] = [17, 18, 19, 20, 21, 22, 23]
// Milliseconds so far, and of all steps; when threads that had done well were lowered last.
const [CLOCK, WORKED, LOWERED, N] = [24, 25, 26, 27]

export class ThreadChooser {
  readonly #most: number
  readonly #cores: number
  #threads: number
  /** The number of threads that the present one is compared with; 0 for none. */
  #other = 0
  /** Whether its block runs, not one of the present number. */
  #othersTurn = false
  /** Whether the block before said that a core has become free. */
  #isFree = false
  /** What a block of more threads lost before it was given up in the middle of a step. */
  #gaveUpMs = 0
  /** Attempts at more threads in a row that met a taken core. */
  #met = 0
  /** Whether fewer are tried because others seem to be in the way. */
  #hasReason = false
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
    this.#n[LOOK_PAUSE] = LOOK_MS
    this.#n[RAISED] = Number.NEGATIVE_INFINITY
    this.#n[LOWERED] = Number.NEGATIVE_INFINITY
    this.#n[UP_AT] = BEYOND_PAUSE_MS
  }

  /** Threads, fewer than there are, because others use the processor; undefined where that is not the reason. */
  get yieldedTo(): number | undefined {
    const others = this.#yielded || this.#met >= MET
    return others && this.#threads < this.#most ? this.#threads : undefined
  }

  /** Threads for the next step. */
  next(): number {
    if (this.#other === 0 && this.#n[SETTLED_MS]! >= BLOCK_MS) {
      this.#other = this.#worthTrying()
      if (this.#other > 0) {
        this.#n[BEFORE] = this.#mean
        this.#startBlock(true)
      }
    }
    return this.#othersTurn ? this.#other : this.#threads
  }

  /**
   * In a step that more threads than before share, to see whether they help: the first one has waited for longer than a
   * whole step took before. Less is no reason: where everybody waits for a core, more threads get more of it.
   */
  isHopeless(waitMs: number): boolean {
    const isMore = this.#othersTurn && this.#other > this.#threads
    return isMore && waitMs > Math.max(BLOCK_MS, this.#n[STEP_MS]!)
  }

  /**
   * The attempt at more threads is over.
   * @returns threads for the rest of the step
   */
  giveUp(waitMs: number): number {
    this.#gaveUpMs = waitMs
    this.#other = this.#threads
    return this.#threads
  }

  /**
   * What the step took that next() was asked for.
   * @param waitMs  of it, others were late: the first thread waited for them
   * @param units  by which steps of different sizes are compared
   * @param elapsedMs  with what passed until the next step, as far as that belongs to the same answer
   */
  took(ms: number, waitMs: number, units: number, elapsedMs = ms): void {
    const n = this.#n
    n[CLOCK]! += elapsedMs
    n[WORKED]! += ms
    if (this.#gaveUpMs > 0) {
      this.#failMore(Math.min(LATEST_MS, COST * this.#gaveUpMs))
      this.#gaveUpMs = 0
      this.#met++
      this.#endComparison()
      return
    }
    if (!this.#othersTurn) this.#learn(ms, waitMs, units)
    if (this.#other === 0) return
    n[BLOCK_TOOK]! += ms
    n[BLOCK_WAITED]! += waitMs
    n[BLOCK_UNITS]! += units
    n[BLOCK_COUNT]! += 1
    if (this.#blockIsOver(ms)) this.#endBlock()
  }

  /** Of the present number. */
  #learn(ms: number, waitMs: number, units: number): void {
    const n = this.#n
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

  /** Whether others are in the way: they are late. */
  get #waits(): boolean {
    return this.#n[WAITED]! > WAITING * this.#n[TOOK]!
  }

  /** Whether others seem to be in the way. */
  #suffers(): boolean {
    const n = this.#n
    return this.#waits || (n[BEST]! > 0 && this.#mean > SLOWER * n[BEST]!)
  }

  /** The other number of threads to try now; 0 for none. */
  #worthTrying(): number {
    const n = this.#n
    const now = n[CLOCK]!
    // One at a time where there are few, a quarter of them where there are many.
    const step = Math.max(1, this.#threads >> 2)
    if (this.#threads > 1) {
      const isSettled = n[SETTLED_MS]! > MEMORY_MS && n[WORKED]! > LOOK_STEPS * n[STEP_MS]!
      this.#hasReason = now >= n[DOWN_AT]! && this.#suffers()
      if (this.#hasReason || (now >= n[LOOK_AT]! && isSettled)) return this.#threads - step
    }
    if (this.#threads < this.#most && now >= n[UP_AT]!) {
      return Math.min(this.#most, this.#threads + step)
    }
    return 0
  }

  #blockIsOver(lastMs: number): boolean {
    const n = this.#n
    const took = n[BLOCK_TOOK]!
    const hopeless = this.#other > this.#threads ? HOPELESS_MORE : HOPELESS_FEWER
    if (took > hopeless * n[BEFORE]! * n[BLOCK_UNITS]! + BLOCK_MS) return true
    return took >= BLOCK_MS && (n[BLOCK_COUNT]! >= BLOCK_STEPS || lastMs > LONG_STEP_MS)
  }

  #endBlock(): void {
    const n = this.#n
    const each = n[BLOCK_TOOK]! / n[BLOCK_UNITS]!
    if (!this.#othersTurn) {
      this.#isFree = false
      const present = Math.sqrt(n[BEFORE]! * each)
      const difference = Math.log(present / n[OTHER]!)
      const counted = Math.max(-MOST_OF_ONE, Math.min(MOST_OF_ONE, difference))
      n[BEFORE] = each
      n[BLOCKS]! += 1
      n[SUM]! += counted
      n[SQUARES]! += counted * counted
      this.#judge()
      return
    }
    n[OTHER] = this.#isFree ? Math.sqrt(n[OTHER]! * each) : each
    n[OTHER_WAITED]! += n[BLOCK_WAITED]!
    n[LOST]! += n[BLOCK_TOOK]! - n[BEFORE]! * n[BLOCK_UNITS]!
    const wasFree = this.#isFree
    const isWithin = this.#other > this.#threads && this.#other <= this.#cores
    this.#isFree = isWithin && each < FREE * n[BEFORE]!
    if (this.#isFree && wasFree) this.#settle()
    else this.#startBlock(this.#isFree)
  }

  /** Whether what was compared so far decides. */
  #judge(): void {
    const n = this.#n
    const blocks = n[BLOCKS]!
    const mean = n[SUM]! / blocks
    const squares = n[SQUARES]! - blocks * mean * mean + SCATTER * SCATTER
    const error = Math.sqrt(squares / blocks / blocks)
    const isMore = this.#other > this.#threads
    const isBeyond = isMore && this.#other > this.#cores
    // Who is late gets no benefit of the doubt.
    const isLate = !isMore && this.#waits
    const clear = isLate ? CLEAR_LATE : isBeyond ? CLEAR_BEYOND : isMore ? CLEAR_MORE : CLEAR_FEWER
    const asked = isBeyond ? BEYOND_GAIN : isLate ? LATE_LOSS : 0
    const isClear = mean > asked && mean - clear * error > (isLate ? LATE_DOUBT : asked)
    if (blocks >= LEAST_BLOCKS && isClear) this.#settle()
    else if (blocks >= MOST_BLOCKS || mean + CLEAR_LOSS * error < asked) this.#fail()
    else this.#startBlock(true)
  }

  /** The other number is no better. */
  #fail(): void {
    const n = this.#n
    const lost = n[LOST]!
    if (this.#other > this.#threads) {
      const latest = n[CLOCK]! - n[LOWERED]! < NEW_MS ? LATEST_OF_NEW_MS : LATEST_MS
      const isBeyond = this.#other > this.#cores
      this.#failMore(
        isBeyond ? Math.max(BEYOND_PAUSE_MS, BEYOND_COST * lost) : Math.min(latest, COST * lost),
      )
      this.#met = n[OTHER_WAITED]! > 0 ? this.#met + 1 : 0
    } else {
      const now = n[CLOCK]!
      // As fast as it gets now, whatever was before.
      n[BEST] = this.#mean
      if (this.#hasReason) {
        n[DOWN_PAUSE] = Math.min(LONGEST_PAUSE_MS, 2 * n[DOWN_PAUSE]!)
        n[DOWN_AT] = now + Math.max(n[DOWN_PAUSE]!, (this.#waits ? COST : SLOW_COST) * lost)
      }
      n[LOOK_PAUSE] = Math.min(LOOK_MS, 4 * n[LOOK_PAUSE]!)
      n[LOOK_AT] = now + Math.max(n[LOOK_PAUSE]!, LOOK_COST * lost)
    }
    this.#endComparison()
  }

  /** More threads did not help: they are tried again after so long, and no sooner the more often they failed. */
  #failMore(pauseMs: number): void {
    const n = this.#n
    n[UP_PAUSE] = Math.min(LONGEST_PAUSE_MS, 2 * n[UP_PAUSE]!)
    n[UP_AT] = n[CLOCK]! + Math.max(n[UP_PAUSE]!, pauseMs)
  }

  #startBlock(othersTurn: boolean): void {
    this.#othersTurn = othersTurn
    this.#n.fill(0, BLOCK_TOOK, BEFORE)
  }

  #endComparison(): void {
    this.#other = 0
    this.#isFree = false
    this.#startBlock(false)
    this.#n.fill(0, BEFORE, CLOCK)
  }

  /** The other number of threads from now on. */
  #settle(): void {
    const n = this.#n
    const now = n[CLOCK]!
    const more = this.#other > this.#threads
    this.#yielded = more ? this.#yielded : this.#suffers()
    this.#threads = this.#other
    n[TOOK] = n[OTHER]!
    n[WAITED] = 0
    n[UNITS] = 1
    n[SETTLED_MS] = 0
    n[BEST] = 0
    this.#endComparison()
    if (more) {
      n[LOOK_PAUSE] = LOOK_BACK_MS
      n[LOOK_AT] = now + LOOK_BACK_MS
      this.#met = 0
      n[RAISED] = now
      n[UP_AT] = this.#threads < this.#cores ? now : now + BEYOND_PAUSE_MS
      return
    }
    // Perhaps still fewer are better.
    n[LOOK_AT] = now
    const lasted = now - n[RAISED]! > LASTING_MS
    if (lasted) n[LOWERED] = now
    n[UP_PAUSE] = lasted ? SHORTEST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, 2 * n[UP_PAUSE]!)
    n[UP_AT] = now + n[UP_PAUSE]!
  }
}

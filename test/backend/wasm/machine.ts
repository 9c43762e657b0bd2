// A simulated processor that other programs share, for tests of the thread chooser: cores of any speed, busy processes that come
// and go, time slices, a hypervisor that takes cores away, steps whose length scatters. Everything is drawn from a seed and the
// time, so that any number of threads meets the same hindrances at the same time.
import type { ThreadChooser } from '../../../src/backend/wasm/thread-chooser.ts'

export interface MachineOptions {
  /** Of each core, 1 being the fastest. */
  readonly speeds: readonly number[]
  /** Busy processes at this time. */
  readonly busy?: (now: number) => number
  /** Each step takes up to so much more or less of its time. */
  readonly scatter?: number
  /** Of all cores over seconds, whoever uses them: how much slower at most. */
  readonly drift?: number
  /** How many times a second all of a core is taken away, for 2 to 20 ms. */
  readonly stolen?: number
  readonly seed?: number
}

export interface Work {
  /** Of one thread on the fastest core. */
  readonly ms: number
  /** What each further thread costs a step: waking it, handing out. */
  readonly handOverMs?: number
  /** Of the work, what cannot be done twice: thread 0 waits for who was stopped in it. */
  readonly waited?: number
}

const SLICE_MS = 3
/** What thread 0 does again when a worker is stopped in the middle of a piece, and until it notices. */
const AGAIN_MS = 0.6
/** Questions of #draw; each is followed by room for a number. */
const [STEP, WAITED, RUNS, STOLEN, PUT] = [1, 2, 1000, 2000, 3000]

export class Machine {
  readonly #options: MachineOptions
  readonly #seed: number
  /** Who ran in the slice that was asked for last. */
  #last = { slice: -1, threads: 0, running: [] as readonly number[] }

  constructor(options: MachineOptions) {
    this.#options = options
    this.#seed = options.seed ?? 1
  }

  /** One step from `now` on; `chooser` hears when the first thread has waited. */
  step(work: Work, threads: number, from: number, chooser?: ThreadChooser) {
    let count = threads
    const { scatter = 0, drift = 0 } = this.#options
    const slower =
      (1 + scatter * (2 * this.#draw(STEP, from) - 1)) *
      (1 + (drift * (1 + Math.sin(from / 1700 + this.#seed))) / 2)
    let left = work.ms * slower
    let now = from + (work.handOverMs ?? 0) * (threads - 1)
    let waitMs = 0
    let before: readonly number[] = []
    while (left > 1e-9) {
      const slice = Math.floor(now / SLICE_MS)
      const end = (slice + 1) * SLICE_MS + 1e-6
      const running = this.#running(slice, count)
      const stopped =
        before.length > 1 && before.some((speed, t) => t > 0 && speed > 0 && running[t] === 0)
      before = running
      if (stopped && this.#draw(WAITED, slice) < (work.waited ?? 0)) {
        waitMs += end - now
        now = end
        if (chooser?.isHopeless(waitMs)) count = chooser.giveUp(waitMs)
        continue
      }
      if (stopped) left += AGAIN_MS
      const speed = running[0] === 0 ? 0 : running.reduce((sum, s) => sum + s, 0)
      if (speed === 0) {
        now = end
        continue
      }
      const part = Math.min(left / speed, end - now)
      left -= part * speed
      now += part
    }
    return { now, waitMs }
  }

  /** The speed of each of our threads in this slice; 0 for who does not run. */
  #running(slice: number, threads: number): readonly number[] {
    if (this.#last.slice !== slice || this.#last.threads !== threads) {
      this.#last = { slice, threads, running: this.#drawn(slice, threads) }
    }
    return this.#last.running
  }

  #drawn(slice: number, threads: number): number[] {
    const { speeds, busy, stolen = 0 } = this.#options
    const cores = speeds.length
    const others = busy?.(slice * SLICE_MS) ?? 0
    // Whom the scheduler has put where, for a tenth of a second: each to the emptiest core.
    const era = Math.floor((slice * SLICE_MS) / 100)
    const queues: number[][] = speeds.map(() => [])
    const put = (who: number, salt: number) => {
      const least = Math.min(...queues.map(q => q.length))
      const empty = queues.flatMap((q, c) => (q.length === least ? [c] : []))
      // The first thread finds the fastest core; the rest is luck.
      const pick = who === 0 ? 0 : Math.floor(this.#draw(PUT + salt, era) * empty.length)
      queues[empty[pick]!]!.push(who)
    }
    for (let t = 0; t < threads; t++) put(t, t)
    for (let o = 0; o < others; o++) put(-1 - o, 100 + o)
    const running = new Array<number>(threads).fill(0)
    for (let core = 0; core < cores; core++) {
      const queue = queues[core]!
      if (queue.length === 0) continue
      const isStolen =
        this.#draw(STOLEN + core, Math.floor(slice / 3)) < (stolen * 3 * SLICE_MS) / 1000
      if (isStolen) continue
      const who = queue[Math.floor(this.#draw(RUNS + core, slice) * queue.length)]!
      if (who >= 0) running[who] = speeds[core]!
    }
    return running
  }

  /** From 0 to 1: the same for the same question at the same time. */
  #draw(what: number, when: number): number {
    let hash = Math.imul(this.#seed + 1, 0x27d4eb2f) ^ Math.imul(what + 1, 0x165667b1)
    hash = Math.imul(hash ^ Math.floor(when * 1000), 0x9e3779b1)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x85ebca6b)
    hash ^= hash >>> 13
    hash = Math.imul(hash, 0xc2b2ae35)
    return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
  }
}

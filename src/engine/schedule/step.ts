// Runs one step: rows to the network, its results to the tasks, in the order of the shares. A step that
// fails is run again request by request, so that only the one at fault ends. Which rows run is the
// scheduler's. Called by scheduler.ts.
import { asRyzError, endsEngine } from '../../errors.ts'
import type { Network, StepResult } from '../../model/network.ts'
import type { Speculation } from '../draft/speculation.ts'
import { RunAhead } from './ahead.ts'
import { type Job, type Share, StepRows, tokensOf, wantedOf } from './job.ts'
import type { Room } from './kv-room.ts'
import type { StepEvents } from './step-events.ts'
import type { Next } from './task.ts'

export class StepRunner {
  readonly #network: Network
  readonly #room: Room
  readonly #now: () => number
  readonly #events: StepEvents
  readonly #rows = new StepRows()
  readonly #speculation: Speculation
  #began = 0
  /** What computing the last step took; NaN where it had to be done again. */
  computedMs = 0

  readonly #ahead: RunAhead

  /** @param ahead  see RunAhead */
  constructor(
    network: Network,
    room: Room,
    speculation: Speculation,
    now: () => number,
    events: StepEvents,
    ahead?: number,
  ) {
    this.#network = network
    this.#room = room
    this.#speculation = speculation
    this.#now = now
    this.#events = events
    this.#ahead = new RunAhead(network, room, now, events, ahead)
  }

  /** What is drawn where the network computes, and how far ahead. */
  get ahead(): RunAhead {
    return this.#ahead
  }

  /** @returns a promise where the network makes it wait */
  run(shares: readonly Share[]): Promise<void> | undefined {
    const guesses = this.#speculation.off === undefined
    return this.#ahead.run(shares, guesses) ?? this.#runRead(shares)
  }

  /** A step whose results are read and looked at. */
  #runRead(shares: readonly Share[]): Promise<void> | undefined {
    const rows = this.#rows.fill(shares)
    let result: StepResult | Promise<StepResult>
    this.#room.stepBegins()
    this.#began = this.#now()
    try {
      result = this.#network.forward(rows)
    } catch (caught) {
      return this.#retry(shares, caught)
    }
    if (result instanceof Promise) return this.#runLater(shares, result)
    this.#ends(shares, result)
    return undefined
  }

  async #runLater(shares: readonly Share[], step: Promise<StepResult>): Promise<void> {
    let result: StepResult
    try {
      result = await step
    } catch (caught) {
      return this.#retry(shares, caught)
    }
    this.#ends(shares, result)
  }

  #ends(shares: readonly Share[], result: StepResult): void {
    this.computedMs = this.#now() - this.#began
    this.#room.stepEnds()
    this.#hand(shares, result)
  }

  /**
   * A failure that is not the network's end concerns one request: each is then run by itself, and only
   * the one that fails again ends. What was guessed is left out: it may be what failed.
   */
  async #retry(shares: readonly Share[], caught: unknown): Promise<void> {
    this.#room.stepEnds()
    const error = asRyzError(caught, 'KERNEL_TRAP', 'a step failed')
    if (endsEngine(error.code)) return this.#events.fatal(error)
    const guessed = this.#dropGuesses(shares)
    if (shares.length === 1 && !guessed) return this.#events.failed(shares[0]!.job, error)
    for (const { job } of shares) if (!job.over) this.#room.rewind(job)
    for (const share of shares) if (!share.job.over) await this.#runRead([share])
    this.computedMs = Number.NaN
  }

  /** @returns whether there were any */
  #dropGuesses(shares: readonly Share[]): boolean {
    let guessed = 0
    for (const share of shares) {
      guessed += share.job.guessed.length
      share.count -= share.job.guessed.length
      share.job.guessed.length = 0
    }
    if (guessed > 0) this.#speculation.drop()
    return guessed > 0
  }

  /** Hands each task what it wants. */
  #hand(shares: readonly Share[], { logits, hidden }: StepResult): void {
    const { vocab, hidden: width } = this.#network.config
    let logitsAt = 0
    let hiddenAt = 0
    for (let s = 0; s < shares.length; s++) {
      const { job, count } = shares[s]!
      const wanted = wantedOf(job, count)
      const known = count - job.guessed.length
      const whole = job.fed + known === tokensOf(job.task)
      job.fed += known
      if (whole && !job.decoding) {
        job.decoding = job.task.grows
        if (job.times.prefilled === 0) job.times.prefilled = this.#now()
      }
      if (job.task.wants === 'logits') {
        this.#handRows(job, logits, logitsAt, vocab, wanted)
        logitsAt += wanted * vocab
      } else {
        this.#handRows(job, hidden, hiddenAt, width, wanted)
        hiddenAt += wanted * width
      }
    }
  }

  #handRows(job: Job, values: Float32Array, from: number, width: number, rows: number): void {
    const { task, guessed } = job
    /** The row of the first guess, should the draw before it be that. */
    const first = rows - guessed.length
    let right = 0
    let next: Next = 'more'
    try {
      for (let r = 0; r < rows && next === 'more' && !job.over; r++) {
        if (r >= first) {
          if (task.answer.at(-1) !== guessed[r - first]) break
          job.fed++
          right++
        }
        next = task.accept(values, from + r * width)
      }
    } catch (caught) {
      this.#events.failed(job, asRyzError(caught, 'INTERNAL', 'a request failed'))
    }
    if (guessed.length > 0) this.#speculation.accept(right)
    if (job.over) return
    if (right < guessed.length) this.#room.cut(job)
    // Only what the task took is offered to others; its keys are of its tokens, so not after 'again'.
    if (next === 'again') {
      this.#events.again(job)
      return
    }
    this.#room.index(job)
    if (next === 'end') this.#events.ended(job)
  }
}

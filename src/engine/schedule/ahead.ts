// Decoding without waiting for each token: where the network can draw tokens by itself, steps are sent before the
// ones before them are read, and their tokens are taken as they come. What was sent and is not wanted any more
// (a stop, a cancel, an eviction, another request) is forgotten: its rows stand behind what a sequence holds, and
// the network computes in order, so that whoever gets those blocks writes them later. Called by step.ts.
import type { Drawing } from '../../backend/backend.ts'
import { asRyzError, endsEngine } from '../../errors.ts'
import type { Network, StepRow } from '../../model/network.ts'
import type { DrawStats } from '../../types/index.ts'
import { type Job, type Share, tokenAt } from './job.ts'
import type { Room } from './kv-room.ts'
import { Pace } from './pace.ts'
import type { StepEvents } from './step-events.ts'
import type { Next } from './task.ts'

/** A step that was sent and is not read yet. */
interface Flight {
  readonly jobs: readonly Job[]
  readonly tokens: Promise<Int32Array>
  readonly sent: number
  /** Steps that were under way when it was sent. */
  readonly before: number
}

const ASKED = 3
const UNDRAWN = 'a token that could not be drawn'

export class RunAhead {
  readonly #network: Network
  readonly #room: Room
  readonly #now: () => number
  readonly #events: StepEvents
  readonly #pace = new Pace()
  readonly #steps: number | undefined
  #flights: Flight[] = []
  /** The next step is read whole: a token of this one could not be drawn. */
  #readNext = false
  #drawn = 0
  readonly #reads = new Map<string, number>()

  /** @param steps  ahead, for tests; by default as many as the measured wait is worth */
  constructor(
    network: Network,
    room: Room,
    now: () => number,
    events: StepEvents,
    steps: number | undefined,
  ) {
    this.#network = network
    this.#room = room
    this.#now = now
    this.#events = events
    this.#steps = steps
  }

  /** Measures what an answer takes; before any request. */
  async measure(): Promise<void> {
    const { drawer } = this.#network
    for (let i = 0; drawer !== undefined && i < ASKED; i++) {
      const began = this.#now()
      await drawer.answer()
      this.#pace.learnWait(this.#now() - began)
    }
  }

  /** Absent where the network draws nothing. */
  get stats(): DrawStats | undefined {
    if (this.#network.drawer === undefined) return undefined
    return {
      ahead: this.#steps ?? this.#pace.steps,
      waitMs: this.#pace.waitMs,
      tokenMs: this.#pace.tokenMs,
      drawn: this.#drawn,
      read: [...this.#reads].map(([reason, tokens]) => ({ reason, tokens })),
    }
  }

  /**
   * One token of each job, drawn by the network.
   * @param guesses  tokens may be guessed, which are computed in one step instead
   * @returns undefined where that cannot be; nothing is under way then
   */
  run(shares: readonly Share[], guesses: boolean): Promise<void> | undefined {
    if (this.#network.drawer === undefined) return undefined
    const { jobs } = this.#flights[0] ?? {}
    const same = jobs?.length === shares.length && shares.every(({ job }, i) => job === jobs[i])
    if (!same) this.discard()
    const why = this.#readNext ? UNDRAWN : guesses ? 'speculation' : whyRead(shares)
    this.#readNext = false
    if (why !== undefined) {
      this.discard()
      this.#note(why, shares)
      return undefined
    }
    try {
      const most = this.#steps ?? this.#pace.steps
      while (this.#flights.length <= most && this.#send(shares));
    } catch (caught) {
      return this.#failed(caught)
    }
    return this.#take()
  }

  /** Forgets what is under way; the sequences are as the tasks know them. */
  discard(): void {
    if (this.#flights.length === 0) return
    this.#rewind(this.#flights[0]!.jobs)
  }

  /** Nothing of what is under way will come, and no sequence is left. */
  forget(): void {
    this.#flights = []
    this.#pace.forget()
  }

  #note(why: string, shares: readonly Share[]): void {
    let count = 0
    for (const { job } of shares) if (job.decoding) count++
    if (count > 0) this.#reads.set(why, (this.#reads.get(why) ?? 0) + count)
  }

  /** @returns whether there was a step to send */
  #send(shares: readonly Share[]): boolean {
    const ahead = this.#flights.length
    const rows: StepRow[] = []
    const drawings: Drawing[] = []
    for (const { job } of shares) {
      const drawing = job.task.drawing?.(ahead)
      if (typeof drawing !== 'object') return false
      drawings.push(drawing)
    }
    const { kv } = this.#network
    for (const [r, { job }] of shares.entries()) {
      const seq = job.seq!
      if (seq.length >= kv.contextLength || !kv.reserve(seq, 1)) return false
      rows.push({ seq, token: ahead === 0 ? tokenAt(job.task, job.fed) : ~r, wants: 'logits' })
    }
    const tokens = this.#network.drawer!.draw(rows, drawings)
    tokens.catch(() => undefined) // told by who takes it, unless it is forgotten
    const jobs = shares.map(({ job }) => job)
    this.#flights.push({ jobs, tokens, sent: this.#now(), before: ahead })
    return true
  }

  async #take(): Promise<void> {
    const flight = this.#flights[0]!
    let tokens: Int32Array
    try {
      tokens = await flight.tokens
    } catch (caught) {
      if (this.#flights[0] === flight) await this.#failed(caught)
      return
    }
    if (this.#flights[0] !== flight) return
    this.#flights.shift()
    this.#pace.learnStep(this.#now() - flight.sent, flight.before)
    let undisturbed = true
    for (const [r, job] of flight.jobs.entries()) {
      const more = !job.over && job.seq !== undefined && this.#hand(job, tokens[r]!)
      undisturbed &&= more
    }
    if (!undisturbed) this.#rewind(flight.jobs)
  }

  /** @returns whether its next token may be the one that is under way */
  #hand(job: Job, token: number): boolean {
    // What came before may have changed how this one is chosen.
    if (token < 0 || typeof job.task.drawing?.(0) !== 'object') {
      this.#readNext = true
      return false
    }
    let next: Next
    try {
      job.fed++
      this.#drawn++
      next = job.task.acceptDrawn!(token)
    } catch (caught) {
      this.#events.failed(job, asRyzError(caught, 'INTERNAL', 'a request failed'))
      return false
    }
    if (job.over) return false
    if (next === 'again') {
      this.#events.again(job)
      return false
    }
    this.#room.index(job)
    if (next === 'end') this.#events.ended(job)
    return next === 'more'
  }

  /** Of what is under way nothing is wanted. */
  #rewind(jobs: readonly Job[]): void {
    this.#flights = []
    for (const job of jobs) if (job.seq !== undefined && !job.over) this.#room.rewind(job)
  }

  async #failed(caught: unknown): Promise<void> {
    const error = asRyzError(caught, 'KERNEL_TRAP', 'a step failed')
    if (endsEngine(error.code)) {
      this.#flights = []
      await this.#events.fatal(error)
      return
    }
    this.discard()
    this.#readNext = true
  }
}

/** Why these tokens cannot be drawn by the network; undefined where they can. */
function whyRead(shares: readonly Share[]): string | undefined {
  for (const { job, count } of shares) {
    if (!job.decoding || count !== 1) return 'a prompt beside it'
    const drawing = job.task.drawing?.(0) ?? 'scores'
    if (typeof drawing === 'string') return drawing
  }
  return undefined
}

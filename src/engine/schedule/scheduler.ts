// Decides which rows run in the next step: queue, admission, time limits, cancel, memory. A step is
// one piece of a prompt, or several of short ones (they take turns), plus one row of every sequence that generates;
// between steps the event loop gets a turn. Knows no sampling and no text. Called by engine.ts.
//
// Memory: a prompt's KV blocks are taken when it is admitted, the answer's as it grows. When blocks
// run short the youngest generation gives its blocks back, waits, and is computed again later: results
// do not depend on how rows are grouped, so its text is the same. It ends as 'context' (or slides) only
// when it is alone and still finds no block. Full blocks stay for prompts that begin alike, until
// memory is short: prefix-index.ts. Who waits, and in which order: queue.ts.
import { asRyzError, RyzError } from '../../errors.ts'
import type { Network } from '../../model/network.ts'
import type { DrawStats } from '../../types/index.ts'
import { Speculation } from '../draft/speculation.ts'
import { type Job, newJob, type Share, shareOf, tokensOf } from './job.ts'
import { Room } from './kv-room.ts'
import { measureToken, PieceSize } from './piece-size.ts'
import type { PrefixIndex } from './prefix-index.ts'
import { type PromptRoom, pauseFor, sharePrompts } from './prompts.ts'
import { orderOf, WaitingQueue } from './queue.ts'
import { closedAfter, contextFull, queueTimeout } from './refusals.ts'
import { Revival } from './revival.ts'
import type { SchedulerOptions } from './scheduler-options.ts'
import { Counters, type Outcome } from './stats.ts'
import { StepRunner } from './step.ts'
import type { Placed, SubmitOptions, Task } from './task.ts'
import { createTurn, type Turn } from './turn.ts'
import { Walk } from './walk.ts'

export type { SchedulerOptions } from './scheduler-options.ts'
export type { SubmitOptions, Submitted } from './task.ts'

/** Steps that only decode may follow each other for so long before the event loop gets its turn. */
const TURN_MS = 4

export class Scheduler {
  readonly counters = new Counters()
  readonly #network: Network
  readonly #options: SchedulerOptions
  readonly #now: () => number
  readonly #turn: Turn
  readonly #piece: PieceSize
  readonly #seats: number
  readonly #waiting: WaitingQueue
  readonly #room: Room
  readonly #runner: StepRunner
  readonly #revival: Revival
  readonly #speculation: Speculation
  /** Lost their memory to older ones; resumed before anything that waits. */
  #paused: Job[] = []
  /** In order of admission. */
  #active: Job[] = []
  readonly #shares: Share[] = []
  readonly #promptRoom: PromptRoom = { step: 0, rows: 0, logits: 0 }
  /** Took their last logits in this step; completed when its time is on the books. */
  readonly #finished: Job[] = []
  #steps = 0
  /** The last step held a prompt, or ended a request: what it gave should be seen at once. */
  #turnNow = false
  readonly walk: Walk
  #closed: RyzError | undefined

  constructor(network: Network, options: SchedulerOptions) {
    this.#network = network
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#turn = options.turn ?? createTurn()
    this.#piece = new PieceSize(Math.min(options.prefillPiece, network.maxRows))
    // Every live sequence must find room for its row and its logits in each step.
    this.#seats = Math.min(options.maxSequences, network.maxRows, network.maxWantedRows)
    this.#waiting = new WaitingQueue(this.#seats)
    this.#room = new Room(network.kv)
    this.#revival = new Revival(network, {
      startOver: () => this.#startOver(),
      giveUp: error => this.#giveUp(error),
    })
    this.#speculation = options.speculation ?? new Speculation(undefined, () => true)
    this.#runner = new StepRunner(
      network,
      this.#room,
      this.#speculation,
      this.#now,
      {
        ended: job => this.#finished.push(job),
        again: job => this.#again(job),
        failed: (job, error) => this.#end(job, 'failed', error),
        fatal: error => this.#revival.after(error),
      },
      options.ahead,
    )
    this.walk = new Walk(this.#turn, this.#now, {
      pending: () => this.#waiting.length + this.running > 0,
      step: () => this.#step(),
      turnDue: () => this.#turnDue(),
      failed: caught => this.#giveUp(asRyzError(caught, 'KERNEL_TRAP', 'the scheduler failed')),
    })
  }

  /** Sequences that can be live at once: maxSequences, or fewer if the network takes fewer rows. */
  get seats(): number {
    return this.#seats
  }

  /** Runs one token before any request, so that the first piece of the first prompt has the right size. */
  async measure(): Promise<void> {
    const ms = await measureToken(this.#network, this.#now)
    this.#piece.learn(1, ms)
    this.#speculation.measured(ms)
    await this.#runner.ahead.measure()
  }

  get prefixes(): PrefixIndex {
    return this.#room.prefixes
  }

  /** Absent where the sampler draws all tokens. */
  get drawing(): DrawStats | undefined {
    return this.#runner.ahead.stats
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get running(): number {
    return this.#active.length + this.#paused.length
  }

  /** Something runs or waits, or the network is being exchanged. */
  get busy(): boolean {
    return this.waiting + this.running > 0 || this.#revival.running !== undefined
  }

  /** A request could start now. */
  get idle(): boolean {
    return this.waiting + this.running < this.#seats
  }

  /** The longest step so far; a silence of the engine shorter than this is no bad sign. */
  get longestStepMs(): number {
    return this.#piece.longestMs
  }

  /** @throws RyzError QUEUE_FULL | CLOSED, counted as refused, without a place; `prepared` have theirs */
  requirePlace(options: SubmitOptions = {}, prepared: readonly number[] = []): void {
    if (this.#closed !== undefined) throw this.#refused(this.#closed)
    this.#admit()
    const full = this.#full(options, prepared, this.#seats - this.#active.length)
    if (full) throw this.#refused(full)
  }

  /**
   * Takes a task: it starts at once when there is room, else it waits.
   * @throws RyzError QUEUE_FULL | CONTEXT_FULL | CLOSED; nothing is called on the task then
   */
  submit(task: Task, options: SubmitOptions = {}): Placed {
    const { submitted = this.#now(), priority = 0, part } = options
    if (part !== 'later') this.requirePlace(options)
    else if (this.#closed !== undefined) throw this.#closed
    this.#requireFit(task)
    const deadline = submitted + (options.queueTimeoutMs ?? this.#options.queueTimeoutMs)
    const job = newJob(task, submitted, deadline, orderOf(submitted, priority), part)
    this.#waiting.insert(job)
    this.#admit(job)
    if (part !== 'later' && !options.resent && this.#waiting.length > this.#options.queueLimit) {
      this.#waiting.remove(job) // a seat is free, but memory is short
      throw this.#refused(this.#full(options, [], 0)!)
    }
    this.#waiting.announce()
    this.walk.begin()
    return {
      cancel: () =>
        this.#end(job, 'cancelled', new RyzError('ABORTED', 'the request was cancelled')),
      fail: error => this.#end(job, 'failed', error),
    }
  }

  /** Ends everything with this error; resolves when no step runs any more. May be called twice. */
  async close(
    error = new RyzError('CLOSED', 'the engine was closed during this call'),
  ): Promise<void> {
    this.#closed ??= error
    this.#failAll(error)
    await this.walk.end
    this.#turn.close()
  }

  /** A turn costs as much as a third of a small model's step, so those share one. */
  #turnDue(): boolean {
    if (this.#turnNow || this.#waiting.length + this.#paused.length > 0) return true
    if (this.#now() - this.walk.turnedAt >= TURN_MS) return true
    for (let i = 0; i < this.#active.length; i++) if (!this.#active[i]!.decoding) return true
    return this.#active.length === 0
  }

  /** @returns a promise where the network makes it wait */
  #step(): Promise<void> | undefined {
    if (this.#revival.running !== undefined) return this.#revival.running
    this.#admit()
    this.#waiting.announce()
    const shares = this.#shares
    const decode = this.#shareDecode(shares)
    shares.length = decode // set to 0 first, it would lose its memory
    const prefill = this.#sharePrefill(shares)
    this.#speculation.begin(decode)
    this.#speculation.propose(shares, this.#network, this.#room)
    this.#turnNow = true
    if (shares.length === 0) return pauseFor(this.#active, TURN_MS)
    this.#steps++
    const began = this.#now()
    const computing = this.#runner.run(shares)
    if (computing !== undefined) return computing.then(() => this.#book(prefill, decode, began))
    this.#book(prefill, decode, began)
    return undefined
  }

  /** Books the time of a step that is over and completes whom it finished. */
  #book(prefill: number, decode: number, began: number): void {
    const ms = this.#now() - began
    this.#piece.learn(prefill, ms)
    this.counters.step(prefill, decode + this.#speculation.right, ms)
    if (prefill === 0) this.#speculation.learn(this.#runner.computedMs)
    this.#turnNow = prefill > 0 || this.#finished.length > 0
    if (this.#finished.length === 0) return
    for (const job of this.#finished.splice(0)) if (!job.over) this.#complete(job)
  }

  /**
   * One row for every sequence that generates, oldest first, so that the youngest yields its memory.
   * @returns how many; the shares behind them are old
   */
  #shareDecode(shares: Share[]): number {
    let count = 0
    for (let i = 0; i < this.#active.length; i++) {
      const job = this.#active[i]!
      if (!job.decoding) continue
      this.#findBlock(job)
      if (job.seq !== undefined) shares[count++] = shareOf(job, 1)
      else i-- // it left #active
    }
    return count
  }

  /** @returns tokens of prompts in this step */
  #sharePrefill(shares: Share[]): number {
    const { maxRows, maxWantedRows, stepMs } = this.#network
    const decoding = shares.length
    const piece = this.#piece.tokens(decoding === 0, stepMs)
    const room = this.#promptRoom
    room.step = this.#steps + 1
    room.rows = Math.min(piece, maxRows - decoding)
    room.logits = maxWantedRows - decoding
    return sharePrompts(this.#active, shares, room)
  }

  /** Reserves one token for `job`, pausing younger ones if need be; its seq is gone if it had to yield. */
  #findBlock(job: Job): void {
    while (!this.#room.grow(job)) {
      const victim = this.#active.findLast(other => other.task.grows) ?? job
      if (victim === job && this.#active.length === 1) {
        if (job.task.cutShort() === 'again') this.#again(job)
        else this.#complete(job)
        return
      }
      this.#pause(victim)
      if (victim === job) return
    }
  }

  /** Takes its memory; it is computed again when there is room, before anything that waits. */
  #pause(job: Job): void {
    this.#leave(job)
    job.fed = 0
    job.decoding = false
    this.#paused.unshift(job)
  }

  /** Its tokens were replaced by fewer: it starts over with those, in the next step if it can. */
  #again(job: Job): void {
    job.keys.length = 0
    this.#pause(job)
  }

  #complete(job: Job): void {
    this.#leave(job)
    job.over = true
    job.times.ended = this.#now()
    if (job.part === undefined) this.#waiting.learn(job.times.ended - job.times.started)
    try {
      job.task.complete(job.times)
      this.#count(job, 'served')
    } catch (caught) {
      this.#count(job, 'failed')
      job.task.fail(asRyzError(caught, 'INTERNAL', 'a result could not be delivered'))
    }
  }

  #end(job: Job, outcome: Outcome, error: RyzError): void {
    if (job.over) return
    job.over = true
    this.#waiting.remove(job)
    this.#paused = this.#paused.filter(other => other !== job)
    // What failed may have left numbers behind that nobody should begin with.
    if (outcome === 'failed') this.#room.distrust(job)
    this.#leave(job)
    this.#count(job, outcome)
    job.task.fail(error)
  }

  #count(job: Job, outcome: Outcome): void {
    if (job.part === undefined) this.counters.count(outcome)
  }

  /** Takes a job out of the running ones and gives its memory back, after the step if one runs. */
  #leave(job: Job): void {
    const i = this.#active.indexOf(job)
    if (i >= 0) this.#active.splice(i, 1)
    this.#room.leave(job)
  }

  /** Ends whoever waited too long; nobody starts after his time. */
  #expire(fresh: Job | undefined): void {
    if (this.#waiting.length === 0) return
    const now = this.#now()
    for (;;) {
      const job = this.#waiting.expired(now, fresh)
      if (job === undefined) return
      this.#end(job, 'timedOut', queueTimeout(Math.round(now - job.times.submitted)))
    }
  }

  /** @param fresh  a job that has just come: if it can start at once it does, whatever its limit */
  #admit(fresh?: Job): void {
    this.#expire(fresh)
    while (this.#active.length < this.#seats) {
      const paused = this.#paused[0]
      const job = paused ?? this.#waiting.first
      if (job === undefined || !this.#open(job)) return
      if (paused !== undefined) this.#paused.shift()
      else this.#waiting.shift()
      if (job.times.started === 0) {
        job.times.started = this.#now()
        job.times.reusedTokens = job.fed
        if (job.fed > 0) this.counters.reuse.requests++
      }
      this.counters.reuse.tokens += job.fed
      job.turnAt = this.#steps
      this.#active.push(job)
    }
  }

  /** Takes its memory, leaving one block for each sequence that grows. */
  #open(job: Job): boolean {
    let growing = 0
    for (const other of this.#active) if (other.task.grows) growing++
    return this.#room.open(job, growing)
  }

  #requireFit(task: Task): void {
    const { kv } = this.#network
    const tokens = tokensOf(task)
    const limit = kv.contextLength - (task.grows ? 1 : 0)
    if (tokens <= limit && kv.blocksFor(tokens) <= kv.blocks) return
    throw this.#refused(contextFull(tokens, kv.contextLength), 'failed')
  }

  #full(options: SubmitOptions, prepared: readonly number[], seats: number): RyzError | undefined {
    const { submitted = this.#now(), priority = 0, resent } = options
    const { queueLimit } = this.#options
    if (resent) return undefined
    return this.#waiting.refusal(orderOf(submitted, priority), prepared, seats, queueLimit)
  }

  #refused(error: RyzError, outcome: Outcome = 'refused'): RyzError {
    this.counters.count(outcome)
    return error
  }

  /** Nothing of the KV cache is left. Who runs waits, streams and all, and goes on where it was. */
  #startOver(): void {
    for (const job of this.#active.slice().reverse()) {
      this.#pause(job)
      job.times.reusedTokens = 0 // what was found is computed after all
    }
    this.#room.prefixes.clear()
    this.#piece.forget()
    this.#speculation.forget()
    this.#runner.ahead.forget()
  }

  #giveUp(error: RyzError): void {
    this.#closed ??= closedAfter(error)
    this.#failAll(error)
    this.#options.onFatal?.(error)
  }

  #failAll(error: RyzError): void {
    const all = [...this.#active, ...this.#paused, ...this.#waiting.jobs]
    for (const job of all) this.#end(job, 'failed', error)
  }
}

// Decides which rows run in the next step: queue, admission, time limits, cancel, memory. A step is
// one piece of one prompt (the prompts take turns) plus one row of every sequence that generates;
// between steps the event loop gets a turn. Knows no sampling and no text. Called by engine.ts.
//
// Memory: a prompt's KV blocks are taken when it is admitted, the answer's as it grows. When blocks
// run short the youngest generation gives its blocks back, waits, and is computed again later: results
// do not depend on how rows are grouped, so its text is the same. It ends as 'context' only when it is
// alone and still finds no block.
import { asRyzError, RyzError } from '../errors.ts'
import { FATAL, type Job, newJob, type Share, StepRows, shareOf, tokensOf } from './job.ts'
import type { NetworkLike, SequenceLike } from './network.ts'
import { measureToken, PieceSize } from './piece-size.ts'
import { closedAfter, contextFull, queueFull, queueTimeout } from './refusals.ts'
import { Counters, type Outcome } from './stats.ts'
import type { Task } from './task.ts'
import { createTurn, type Turn } from './turn.ts'

export interface SchedulerOptions {
  /** Sequences live at once. */
  maxSequences: number
  /** Requests that may wait. */
  queueLimit: number
  queueTimeoutMs: number
  /** Prompt tokens of one step at most. */
  prefillPiece: number
  /** Milliseconds; a test may hand in its own. */
  now?: () => number
  turn?: Turn
  /** Called once when a failure leaves the network unusable; everything open has failed by then. */
  onFatal?: (error: RyzError) => void
}

/** A request that was accepted. */
export interface Submitted {
  /** Fails it with ABORTED and frees its memory, at the latest when the step that runs is over. */
  cancel(): void
}

export class Scheduler {
  readonly counters = new Counters()
  readonly #network: NetworkLike
  readonly #options: SchedulerOptions
  readonly #now: () => number
  readonly #turn: Turn
  readonly #piece: PieceSize
  readonly #seats: number
  #waiting: Job[] = []
  /** Lost their memory to older ones; resumed before anything that waits. */
  #paused: Job[] = []
  /** In order of admission. */
  #active: Job[] = []
  readonly #rows = new StepRows()
  readonly #shares: Share[] = []
  /** Took their last logits in this step; completed when its time is on the books. */
  readonly #finished: Job[] = []
  /** Sequences ended while a step used them. */
  #orphans: SequenceLike[] = []
  #inStep = false
  #steps = 0
  #loop: Promise<void> | undefined
  #closed: RyzError | undefined

  constructor(network: NetworkLike, options: SchedulerOptions) {
    this.#network = network
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#turn = options.turn ?? createTurn()
    this.#piece = new PieceSize(Math.min(options.prefillPiece, network.maxRows))
    // Every live sequence must find room for its row and its logits in each step.
    this.#seats = Math.min(options.maxSequences, network.maxRows, network.maxLogitRows)
  }

  /** Sequences that can be live at once: maxSequences, or fewer if the network takes fewer rows. */
  get seats(): number {
    return this.#seats
  }

  /**
   * Runs one token, so that the first piece of the first prompt has the right size already.
   * Called before any request.
   */
  async measure(): Promise<void> {
    this.#piece.learn(1, await measureToken(this.#network, this.#now))
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get running(): number {
    return this.#active.length + this.#paused.length
  }

  /** The longest step so far; a silence of the engine shorter than this is no bad sign. */
  get longestStepMs(): number {
    return this.#piece.longestMs
  }

  /** @throws RyzError QUEUE_FULL | CLOSED, counted as refused, when a request would not get a place */
  requirePlace(): void {
    if (this.#closed !== undefined) throw this.#refused(this.#closed)
    this.#admit()
    const waiting = this.#waiting.length
    const starts = waiting === 0 && this.#seatFree()
    if (!starts && waiting >= this.#options.queueLimit)
      throw this.#refused(queueFull(this.#waiting.length, this.#options.queueLimit))
  }

  /**
   * Takes a task: it starts at once when there is room, else it waits.
   * @param submitted  when the caller asked, on the scheduler's clock
   * @throws RyzError QUEUE_FULL | CONTEXT_FULL | CLOSED; nothing is called on the task then
   */
  submit(
    task: Task,
    queueTimeoutMs = this.#options.queueTimeoutMs,
    submitted = this.#now(),
  ): Submitted {
    this.requirePlace()
    this.#requireFit(task)
    const job = newJob(task, submitted, submitted + queueTimeoutMs)
    this.#waiting.push(job)
    this.#admit()
    if (this.#waiting.length > this.#options.queueLimit) {
      this.#waiting.pop() // a seat is free, but memory is short
      throw this.#refused(queueFull(this.#waiting.length, this.#options.queueLimit))
    }
    this.#loop ??= this.#run()
    return {
      cancel: () =>
        this.#end(job, 'cancelled', new RyzError('ABORTED', 'the request was cancelled')),
    }
  }

  /** Ends everything with this error; resolves when no step runs any more. May be called twice. */
  async close(
    error = new RyzError('CLOSED', 'the engine was closed during this call'),
  ): Promise<void> {
    this.#closed ??= error
    this.#failAll(error)
    await this.#loop
    this.#turn.close()
  }

  async #run(): Promise<void> {
    await this.#turn.next()
    while (this.#waiting.length + this.running > 0) {
      try {
        await this.#step()
      } catch (caught) {
        this.#fatal(asRyzError(caught, 'KERNEL_TRAP', 'the scheduler failed'))
      }
      await this.#turn.next()
    }
    this.#loop = undefined
  }

  async #step(): Promise<void> {
    this.#expire()
    this.#admit()
    const shares = this.#shares
    shares.length = 0
    this.#shareDecode(shares)
    const decode = shares.length
    const prefill = this.#sharePrefill(shares)
    if (shares.length === 0) return
    this.#steps++
    const began = this.#now()
    await this.#compute(shares)
    const ms = this.#now() - began
    this.#piece.learn(prefill, ms)
    this.counters.step(prefill, decode, ms)
    for (const job of this.#finished) if (!job.over) this.#complete(job)
    this.#finished.length = 0
  }

  /** One row for every sequence that generates, oldest first, so that the youngest yields its memory. */
  #shareDecode(shares: Share[]): void {
    for (let i = 0; i < this.#active.length; i++) {
      const job = this.#active[i]!
      if (!job.decoding) continue
      this.#findBlock(job)
      if (job.seq !== undefined) shares.push(shareOf(job, 1))
      else i-- // it left #active
    }
  }

  /** A piece of the prompt whose last turn is longest ago. @returns its tokens */
  #sharePrefill(shares: Share[]): number {
    let next: Job | undefined
    for (const job of this.#active) {
      if (!job.decoding && (next === undefined || job.turnAt < next.turnAt)) next = job
    }
    if (next === undefined) return 0
    const left = tokensOf(next.task) - next.fed
    const { maxRows, maxLogitRows } = this.#network
    let count = Math.min(left, this.#piece.tokens, maxRows - shares.length)
    if (next.task.everyLogits) count = Math.min(count, maxLogitRows - shares.length)
    next.turnAt = this.#steps + 1
    shares.push(shareOf(next, count))
    return count
  }

  /** Reserves one token for `job`, pausing younger ones if need be; its seq is gone if it had to yield. */
  #findBlock(job: Job): void {
    while (!this.#network.kv.reserve(job.seq!, 1)) {
      const victim = this.#active.findLast(other => !other.task.everyLogits) ?? job
      if (victim === job && this.#active.length === 1) {
        job.task.cutShort()
        this.#complete(job)
        return
      }
      this.#pause(victim)
      if (victim === job) return
    }
  }

  #pause(job: Job): void {
    this.#leave(job)
    job.fed = 0
    job.decoding = false
    this.#paused.unshift(job)
  }

  /**
   * Runs one step. A failure that is not the network's end concerns one request: each is then run by
   * itself, and only the one that fails again ends.
   */
  async #compute(shares: readonly Share[]): Promise<void> {
    const rows = this.#rows.fill(shares)
    let logits: Float32Array
    this.#inStep = true
    try {
      logits = await this.#network.forward(rows)
    } catch (caught) {
      this.#inStep = false
      this.#closeOrphans()
      const error = asRyzError(caught, 'KERNEL_TRAP', 'a step failed')
      if (FATAL.has(error.code)) return this.#fatal(error)
      if (shares.length === 1) return this.#end(shares[0]!.job, 'failed', error)
      for (const { job } of shares) if (!job.over) this.#rewind(job)
      for (const share of shares) if (!share.job.over) await this.#compute([share])
      return
    }
    this.#inStep = false
    this.#closeOrphans()
    this.#hand(shares, logits)
  }

  /** Forgets what a failed step may have written; the blocks of the tokens to come are kept. */
  #rewind(job: Job): void {
    const { kv } = this.#network
    kv.truncate(job.seq!, job.fed)
    kv.reserve(job.seq!, tokensOf(job.task) - job.fed)
  }

  /** Hands each task its logits. */
  #hand(shares: readonly Share[], logits: Float32Array): void {
    const vocab = this.#network.config.vocab
    let at = 0
    for (const { job, count } of shares) {
      const whole = job.fed + count === tokensOf(job.task)
      const rows = job.task.everyLogits ? count : whole ? 1 : 0
      const end = at + rows * vocab
      job.fed += count
      if (whole && !job.decoding) {
        job.decoding = !job.task.everyLogits
        if (job.times.prefilled === 0) job.times.prefilled = this.#now()
      }
      let more = true
      try {
        for (; at < end && more && !job.over; at += vocab) more = job.task.accept(logits, at)
      } catch (caught) {
        this.#end(job, 'failed', asRyzError(caught, 'KERNEL_TRAP', 'a request failed'))
      }
      at = end
      if (!more && !job.over) this.#finished.push(job)
    }
  }

  #complete(job: Job): void {
    this.#leave(job)
    job.over = true
    job.times.ended = this.#now()
    try {
      job.task.complete(job.times)
      this.counters.count('served')
    } catch (caught) {
      this.counters.count('failed')
      job.task.fail(asRyzError(caught, 'KERNEL_TRAP', 'a result could not be delivered'))
    }
  }

  #end(job: Job, outcome: Outcome, error: RyzError): void {
    if (job.over) return
    job.over = true
    this.#waiting = this.#waiting.filter(other => other !== job)
    this.#paused = this.#paused.filter(other => other !== job)
    this.#leave(job)
    this.counters.count(outcome)
    job.task.fail(error)
  }

  /** Takes a job out of the running ones and gives its memory back, after the step if one runs. */
  #leave(job: Job): void {
    const i = this.#active.indexOf(job)
    if (i >= 0) this.#active.splice(i, 1)
    if (job.seq === undefined) return
    if (this.#inStep) this.#orphans.push(job.seq)
    else this.#network.kv.close(job.seq)
    job.seq = undefined
  }

  #closeOrphans(): void {
    for (const seq of this.#orphans) this.#network.kv.close(seq)
    this.#orphans = []
  }

  #expire(): void {
    const now = this.#now()
    for (const job of this.#waiting.filter(waiting => now >= waiting.deadline)) {
      const waited = Math.round(now - job.times.submitted)
      this.#end(job, 'timedOut', queueTimeout(waited))
    }
  }

  #admit(): void {
    while (this.#seatFree()) {
      const from = this.#paused.length > 0 ? this.#paused : this.#waiting
      const job = from[0]
      if (job === undefined || !this.#open(job)) return
      from.shift()
      if (job.times.started === 0) job.times.started = this.#now()
      job.turnAt = this.#steps
      this.#active.push(job)
    }
  }

  #seatFree(): boolean {
    return this.#active.length < this.#seats
  }

  /** Takes the blocks of all tokens known so far, leaving one for each sequence that grows. */
  #open(job: Job): boolean {
    const { kv } = this.#network
    const growing = this.#active.filter(other => !other.task.everyLogits).length
    const tokens = tokensOf(job.task)
    if (kv.blocksFor(tokens) + growing > kv.blocks - kv.usedBlocks) return false
    const seq = kv.open()
    if (!kv.reserve(seq, tokens)) {
      kv.close(seq)
      return false
    }
    job.seq = seq
    return true
  }

  #requireFit(task: Task): void {
    const { kv } = this.#network
    const tokens = task.prompt.length
    const limit = kv.contextLength - (task.everyLogits ? 0 : 1)
    if (tokens <= limit && kv.blocksFor(tokens) <= kv.blocks) return
    throw this.#refusedAs('failed', contextFull(tokens, kv.contextLength))
  }

  #refused(error: RyzError): RyzError {
    return this.#refusedAs('refused', error)
  }

  #refusedAs(outcome: Outcome, error: RyzError): RyzError {
    this.counters.count(outcome)
    return error
  }

  #fatal(error: RyzError): void {
    this.#closed ??= closedAfter(error)
    this.#failAll(error)
    this.#options.onFatal?.(error)
  }

  #failAll(error: RyzError): void {
    for (const job of [...this.#active, ...this.#paused, ...this.#waiting])
      this.#end(job, 'failed', error)
  }
}

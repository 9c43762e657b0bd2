// The requests that wait, in the order in which they will start, and what they are told: position and
// estimated wait. Priorities are head starts: a request of priority p stands where it would stand had it
// been sent p seconds earlier, so it passes those of lower priority, is first come first served among
// its equals, and nobody waits for ever. Called by scheduler.ts.

import type { RyzError } from '../../errors.ts'
import type { Job } from './job.ts'
import { queueFull, type WaitFacts } from './refusals.ts'

/** Milliseconds of head start that one level of priority is worth. */
export const PRIORITY_MS = 1000

/** Where a request stands among others: lower goes first. */
export function orderOf(submitted: number, priority: number): number {
  return submitted - priority * PRIORITY_MS
}

export class WaitingQueue {
  readonly #jobs: Job[] = []
  readonly #seats: number
  /** Running average of how long a request keeps its seat; undefined until one has ended. */
  #serviceMs: number | undefined

  constructor(seats: number) {
    this.#seats = seats
  }

  get length(): number {
    return this.#jobs.length
  }

  /** The one that starts next. */
  get first(): Job | undefined {
    return this.#jobs[0]
  }

  /** All, in order; for ending them. */
  get jobs(): readonly Job[] {
    return this.#jobs
  }

  insert(job: Job): void {
    this.#jobs.splice(this.#place(job.order), 0, job)
  }

  shift(): void {
    this.#jobs.shift()
  }

  remove(job: Job): void {
    const i = this.#jobs.indexOf(job)
    if (i >= 0) this.#jobs.splice(i, 1)
  }

  /** One whose time to start is over, or undefined; `fresh` has its first chance now. */
  expired(now: number, fresh?: Job): Job | undefined {
    for (let i = 0; i < this.#jobs.length; i++) {
      const job = this.#jobs[i]!
      if (now >= job.deadline && job !== fresh) return job
    }
    return undefined
  }

  /** A request kept its seat for `ms`. */
  learn(ms: number): void {
    // Half old, half new: the estimate follows a change of load within a few requests.
    this.#serviceMs = this.#serviceMs === undefined ? ms : (this.#serviceMs + ms) / 2
  }

  /**
   * Why a request with this order gets no place, if so.
   * @param prepared  orders of those that have a place and do not wait yet: free seats are theirs first
   */
  refusal(
    order: number,
    prepared: readonly number[],
    freeSeats: number,
    limit: number,
  ): RyzError | undefined {
    const seats = this.#jobs.length === 0 ? freeSeats : 0
    const waits = this.#jobs.length + Math.max(0, prepared.length - seats)
    if (prepared.length < seats || waits < limit) return undefined
    const earlier = prepared.filter(other => other <= order).length
    const position = this.#place(order) + Math.max(0, earlier - seats) + 1
    return queueFull(waits, limit, this.#factsAt(position))
  }

  /** Tells every request whose position has changed since it was told. */
  announce(): void {
    for (let i = 0; i < this.#jobs.length; i++) {
      const job = this.#jobs[i]!
      if (job.toldPosition === i + 1) continue
      job.toldPosition = i + 1
      job.task.queued?.({ ...this.#factsAt(i + 1), waiting: this.#jobs.length })
    }
  }

  /** A seat is free every serviceMs / seats on average. */
  #factsAt(position: number): WaitFacts {
    const ms = this.#serviceMs
    const estimatedWaitMs = ms === undefined ? null : Math.round((ms * position) / this.#seats)
    return { position, estimatedWaitMs }
  }

  /** Behind all that go before it and behind its equals. */
  #place(order: number): number {
    let i = this.#jobs.length
    while (i > 0 && this.#jobs[i - 1]!.order > order) i--
    return i
  }
}

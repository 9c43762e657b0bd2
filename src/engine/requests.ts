// A request from its call to the queue: its place is taken first, then it is prepared (a prompt is rendered and
// tokenized), then it is submitted. Cancel is heard all the way. Called by engine.ts.
import { asRyzError, type RyzError, throwIfAborted } from '../errors.ts'
import { GENERATE_DEFAULTS, GENERATE_RULES } from '../options/generate.ts'
import { check } from '../options/rules.ts'
import type { GenerateOptions } from '../types/index.ts'
import { orderOf } from './schedule/queue.ts'
import type { Scheduler } from './schedule/scheduler.ts'
import type { Placed, SubmitOptions, Submitted } from './schedule/task.ts'

export type PlaceOptions = Pick<GenerateOptions, 'queueTimeoutMs' | 'priority'> &
  Pick<SubmitOptions, 'resent'>

/** What a request is when it is prepared. */
export interface Prepared {
  submit(place: SubmitOptions): Placed
  /** Work that goes on while it waits and is read; its failure ends the request. */
  beside?(signal: AbortSignal): Promise<void>
}

export interface RequestsSpec {
  readonly scheduler: Scheduler
  readonly queueTimeoutMs: number
  readonly now: () => number
  /** @throws RyzError CLOSED when the engine is */
  requireOpen(): void
}

export class Requests {
  readonly #spec: RequestsSpec
  /** Requests that are being prepared, with their order in the queue. */
  readonly #preparing = new Map<AbortController, number>()
  #closed = false

  constructor(spec: RequestsSpec) {
    this.#spec = spec
  }

  /** Whether there are requests that are not with the scheduler yet. */
  get preparing(): boolean {
    return this.#preparing.size > 0
  }

  /** Whatever happens, a request that does not get as far as the queue is told by `events`. */
  start(
    options: PlaceOptions,
    events: { error(error: RyzError): void },
    prepare: (signal: AbortSignal) => Promise<Prepared>,
  ): Submitted {
    const { scheduler, now, requireOpen } = this.#spec
    const submitted = now()
    const abort = new AbortController()
    const { signal } = abort
    let running: Placed | undefined
    const begin = async (): Promise<void> => {
      const place = this.#placeOf(options, submitted)
      // The place is taken before the prompt is made: a burst of chats is refused before any is rendered.
      scheduler.requirePlace(place, [...this.#preparing.values()])
      this.#preparing.set(abort, orderOf(submitted, place.priority))
      let prepared: Prepared
      try {
        prepared = await prepare(signal)
        requireOpen()
        throwIfAborted(signal, 'the request')
      } catch (caught) {
        scheduler.counters.count(signal.aborted && !this.#closed ? 'cancelled' : 'failed')
        requireOpen()
        throw caught
      } finally {
        this.#preparing.delete(abort)
      }
      running = prepared.submit(place)
      try {
        await prepared.beside?.(signal)
      } catch (caught) {
        running.fail(asRyzError(caught, 'INTERNAL', 'the request could not start'))
      }
    }
    begin().catch((caught: unknown) => {
      events.error(asRyzError(caught, 'INTERNAL', 'the request could not start'))
    })
    return {
      cancel() {
        abort.abort()
        running?.cancel()
      },
    }
  }

  /** Ends those that are being prepared; the others are the scheduler's. */
  close(): void {
    this.#closed = true
    for (const abort of this.#preparing.keys()) abort.abort()
  }

  /** @throws RyzError BAD_OPTION, counted as failed */
  #placeOf(options: PlaceOptions, submitted: number) {
    try {
      const { queueTimeoutMs = this.#spec.queueTimeoutMs, priority = GENERATE_DEFAULTS.priority } =
        options
      check('queueTimeoutMs', queueTimeoutMs, GENERATE_RULES.queueTimeoutMs)
      check('priority', priority, GENERATE_RULES.priority)
      return { submitted, queueTimeoutMs, priority, resent: options.resent === true }
    } catch (caught) {
      this.#spec.scheduler.counters.count('failed')
      throw caught
    }
  }
}

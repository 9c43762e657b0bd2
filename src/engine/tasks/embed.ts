// One embed request: several texts, each of which becomes a vector from its hidden states. Texts run side by side
// in seats that nobody else wants; one seat is theirs. Called by engine.ts.
import { asRyzError, RyzError } from '../../errors.ts'
import type { EmbedResult, Pooling, QueueEvent } from '../../types/index.ts'
import type { Scheduler } from '../schedule/scheduler.ts'
import type { Outcome } from '../schedule/stats.ts'
import type { Next, Part, Placed, SubmitOptions, Task } from '../schedule/task.ts'

/** Where a request's events go; after embedded or error nothing follows. */
export interface EmbedEvents {
  queue?(event: QueueEvent): void
  embedded(result: EmbedResult): void
  error(error: RyzError): void
}

export interface EmbedSpec extends Omit<EmbedResult, 'embeddings' | 'tokens'> {
  /** Ids of each text. */
  readonly texts: readonly (readonly number[])[]
  /** Values of a hidden state. */
  readonly hidden: number
  readonly events: EmbedEvents
}

type Parts = Pick<Scheduler, 'submit' | 'idle' | 'counters'>

/** The texts of a request on their way through the scheduler. */
export class Embedding implements Placed {
  readonly #spec: EmbedSpec
  readonly #scheduler: Parts
  readonly #place: SubmitOptions
  readonly #vectors: Float32Array[] = []
  readonly #running = new Set<Placed>()
  #begun = 0
  #over = false

  /** Submits what can start. @throws RyzError what submit() throws of the first text; nothing is told then */
  constructor(spec: EmbedSpec, scheduler: Parts, place: SubmitOptions) {
    this.#spec = spec
    this.#scheduler = scheduler
    this.#place = place
    this.#submit('first')
    this.#fill()
  }

  cancel(): void {
    this.fail(new RyzError('ABORTED', 'the request was cancelled'))
  }

  fail(error: RyzError): void {
    if (this.#over) return
    this.#over = true
    for (const part of this.#running) {
      if (error.code === 'ABORTED') part.cancel()
      else part.fail(error)
    }
    this.#scheduler.counters.count(outcomeOf(error))
    this.#spec.events.error(error)
  }

  /** One text at least, and more while a seat is free and nobody waits. */
  #fill(): void {
    const { texts } = this.#spec
    try {
      while (!this.#over && this.#begun < texts.length) {
        if (this.#running.size > 0 && !this.#scheduler.idle) return
        this.#submit('later')
      }
    } catch (caught) {
      this.fail(asRyzError(caught, 'INTERNAL', 'the next text could not start'))
    }
  }

  #submit(part: Part): void {
    const { texts, pooling, hidden, events } = this.#spec
    const index = this.#begun++
    const pooled = new PooledText(texts[index]!, pooling, hidden, {
      queued: part === 'first' ? event => events.queue?.(event) : undefined,
      pooled: vector => {
        this.#vectors[index] = this.#spec.normalized ? normalize(vector) : vector
        this.#running.delete(placed)
        this.#fill()
        if (this.#running.size === 0 && !this.#over) this.#done()
      },
      failed: error => this.fail(error),
    })
    // Who waits for memory or a seat in the middle of a request is not sent away.
    const queueTimeoutMs = part === 'first' ? this.#place.queueTimeoutMs : Number.POSITIVE_INFINITY
    const placed = this.#scheduler.submit(pooled, { ...this.#place, queueTimeoutMs, part })
    this.#running.add(placed)
  }

  #done(): void {
    this.#over = true
    this.#scheduler.counters.count('served')
    const { texts, truncated, pooling, poolingFrom, normalized, events } = this.#spec
    events.embedded({
      embeddings: this.#vectors,
      tokens: texts.map(ids => ids.length),
      truncated,
      pooling,
      poolingFrom,
      normalized,
    })
  }
}

interface PooledEvents {
  queued: ((event: QueueEvent) => void) | undefined
  pooled(vector: Float32Array): void
  failed(error: RyzError): void
}

/** One text. Sums are taken in f64 in the order of the tokens, so the bits do not depend on pieces. */
class PooledText implements Task {
  readonly prompt: readonly number[]
  readonly answer: readonly number[] = []
  readonly wants = 'hidden'
  readonly grows = false
  /** A mean needs the hidden state of every token, so every token is computed. */
  readonly reuse: boolean
  readonly queued: Task['queued']
  readonly #mean: boolean
  readonly #sum: Float64Array
  readonly #events: PooledEvents
  #taken = 0

  constructor(ids: readonly number[], pooling: Pooling, hidden: number, events: PooledEvents) {
    // The first token does not see those behind it.
    this.prompt = pooling === 'cls' ? ids.slice(0, 1) : ids
    this.#mean = pooling === 'mean'
    this.reuse = !this.#mean
    this.#sum = new Float64Array(hidden)
    this.#events = events
    this.queued = events.queued
  }

  /** After the loss of a network its tokens are fed again; what was summed stays. */
  get wantedFrom(): number {
    return this.#mean ? this.#taken : this.prompt.length - 1
  }

  accept(row: Float32Array, at: number): Next {
    const sum = this.#sum
    for (let i = 0; i < sum.length; i++) sum[i]! += row[at + i]!
    this.#taken++
    return this.#mean && this.#taken < this.prompt.length ? 'more' : 'end'
  }

  cutShort(): 'end' {
    return 'end'
  }

  complete(): void {
    const count = this.#taken
    this.#events.pooled(Float32Array.from(this.#sum, value => value / count))
  }

  fail(error: RyzError): void {
    this.#events.failed(error)
  }
}

/** The same direction with length 1; a vector of zeros has none and stays. */
function normalize(vector: Float32Array): Float32Array {
  let squares = 0
  for (const value of vector) squares += value * value
  const length = Math.sqrt(squares)
  return length > 0 ? vector.map(value => value / length) : vector
}

function outcomeOf({ code }: RyzError): Outcome {
  if (code === 'QUEUE_TIMEOUT') return 'timedOut'
  return code === 'ABORTED' ? 'cancelled' : 'failed'
}

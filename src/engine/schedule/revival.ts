// What follows when the network is lost: it goes on with another backend, and everybody's tokens are fed again,
// or everything ends. Called by scheduler.ts, which does either.
import { asRyzError, RyzError } from '../../errors.ts'
import type { Network } from '../../model/network.ts'

export interface RevivalEvents {
  /** It computes again; nothing of the KV cache is left. */
  startOver(): void
  giveUp(error: RyzError): void
}

export class Revival {
  readonly #network: Network
  readonly #events: RevivalEvents
  #running: Promise<void> | undefined

  constructor(network: Network, events: RevivalEvents) {
    this.#network = network
    this.#events = events
    this.#watch()
  }

  /** Resolves when it is decided; undefined while nothing is lost. */
  get running(): Promise<void> | undefined {
    return this.#running
  }

  /**
   * The network ended with this error.
   * @returns a promise where it may go on
   */
  after(error: RyzError): void | Promise<void> {
    if (this.#running !== undefined) return this.#running
    const reviving = this.#network.revive?.(error)
    if (reviving === undefined) return this.#events.giveUp(error)
    this.#running = reviving.then(
      () => {
        this.#running = undefined
        this.#events.startOver()
        this.#watch()
      },
      (caught: unknown) => {
        this.#running = undefined
        const { message } = asRyzError(caught, error.code, 'nothing else could be opened')
        const why = `${error.message}, and ${message}`
        this.#events.giveUp(new RyzError(error.code, why, error.detail, { cause: caught }))
      },
    )
    return this.#running
  }

  /** A network that is lost between two steps; in a step, the step fails as well. */
  #watch(): void {
    const { lost } = this.#network
    lost.then(error => {
      // What was exchanged meanwhile is no loss.
      if (lost === this.#network.lost) void this.after(error)
    })
  }
}

// Engines of one tab, one after the other: after a trap or a death the next call loads the model again in a new
// worker, past the kernels that trapped. Never in a loop: whoever was started again must have served
// something before it is done once more. The provider of ryzanstein.ts.
import { type ErrorCode, endsEngine, RyzError } from '../../errors.ts'
import type { Avoided, Opened } from './open-connection.ts'
import { avoidAfter, causeOf, type Provider } from './reviving-link.ts'

/** Loads the model again; `avoid` names the paths that failed. */
export type Reopen = (avoid: readonly Avoided[]) => Promise<Opened>

export class Respawn implements Provider {
  /** What met an engine that was gone is sent to the next one, and no further. */
  readonly tries = 2
  readonly restarts: { code: ErrorCode; message: string }[] = []
  readonly #reopen: Reopen | undefined
  readonly #avoid: Avoided[] = []
  #opened: Opened
  /** What ended the engine that stands in #opened. */
  #fault: RyzError | undefined
  #reopening: Promise<Opened> | undefined
  /** The engine in #opened has done what it was asked for once. */
  #served = true
  #closed = false

  /** @param reopen  absent: what is gone stays gone */
  constructor(opened: Opened, reopen?: Reopen) {
    this.#opened = opened
    this.#reopen = reopen
  }

  engine(): Opened | Promise<Opened> {
    const { endedBy } = this.#opened.connection
    if (endedBy !== undefined) this.lost(this.#opened, endedBy)
    const reopen = this.#closed ? undefined : this.#reopen
    if (this.#fault === undefined || reopen === undefined) return this.#opened
    // Once for all who ask.
    this.#reopening ??= this.#start(this.#fault, reopen).finally(() => {
      this.#reopening = undefined
    })
    return this.#reopening
  }

  served(opened: Opened): void {
    if (opened === this.#opened) this.#served = true
  }

  lost(opened: Opened, error: RyzError): boolean {
    if (this.#closed || causeOf(error) === 'CLOSED') return false
    if (opened === this.#opened && this.#fault === undefined) {
      this.#fault = error
      if (this.#reopen !== undefined) opened.connection.abandon(error)
    }
    return this.#reopen !== undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#opened.connection.close()
  }

  /** @throws RyzError what ended the last engine, when another is in vain; what keeps this one from loading */
  async #start(fault: RyzError, reopen: Reopen): Promise<Opened> {
    if (!this.#served) {
      const { code, message } = fault
      throw new RyzError(code, `${message} (it was started again once, in vain)`, fault.detail)
    }
    const code = causeOf(fault)
    const avoid = avoidAfter(fault, this.#opened.path)
    if (avoid) this.#avoid.push(avoid)
    const without = avoid ? ` without ${avoid.name}` : ''
    console.warn(
      `ryzanstein: the engine is gone (${code}: ${fault.message}); it is loaded again${without}`,
    )
    this.#served = false
    const opened = await reopen(this.#avoid).catch((caught: unknown) => {
      // Not the engine's fault (offline, for one): the next call may try again.
      if (!(caught instanceof RyzError && endsEngine(caught.code))) this.#served = true
      throw caught
    })
    this.restarts.push({ code, message: fault.message })
    if (this.#closed) await opened.connection.close()
    this.#opened = opened
    this.#fault = undefined
    return opened
  }
}

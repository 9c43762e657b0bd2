// Calls back while nothing is to be done: a while after the last work, then again and again in longer pauses, as long
// as nothing else happens. One timer at a time, and none that keeps a process. Owned by engine.ts.

/** Milliseconds of the first pause, and of the longest. */
const FIRST_MS = 60_000
const LONGEST_MS = 30 * 60_000

export interface IdleParts {
  /** Whether something runs or waits. */
  busy(): boolean
  /** Changes with what was done. */
  done(): number
  /** Never rejects. @param stopped  whether something is to be done now, or all is over */
  work(stopped: () => boolean): Promise<void>
  readonly firstMs?: number
}

export class Idle {
  readonly #parts: IdleParts
  readonly #firstMs: number
  #pauseMs: number
  #seen: number
  #timer: ReturnType<typeof setTimeout> | undefined
  #over = false
  readonly #stopped = (): boolean => this.#over || this.#parts.busy()

  constructor(parts: IdleParts) {
    this.#parts = parts
    this.#firstMs = parts.firstMs ?? FIRST_MS
    this.#pauseMs = this.#firstMs
    this.#seen = parts.done()
    this.#wait()
  }

  /** What runs is told that it should end. */
  close(): void {
    this.#over = true
    clearTimeout(this.#timer)
  }

  #wait(): void {
    if (this.#over) return
    this.#timer = setTimeout(() => void this.#tick(), this.#pauseMs)
    // In Node a timer keeps the process.
    ;(this.#timer as { unref?(): void }).unref?.()
  }

  async #tick(): Promise<void> {
    const { done, work } = this.#parts
    let active = done() !== this.#seen
    if (!this.#stopped()) await work(this.#stopped)
    active ||= this.#stopped() || done() !== this.#seen
    this.#seen = done()
    this.#pauseMs = active ? this.#firstMs : Math.min(2 * this.#pauseMs, LONGEST_MS)
    this.#wait()
  }
}

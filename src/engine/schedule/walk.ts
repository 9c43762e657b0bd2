// Step after step, until nothing is left to do: between two of them the event loop gets a turn when it is
// due, and a step that makes it wait is waited for. Without a promise between two tokens otherwise.
// Called by scheduler.ts.
import type { Turn } from './turn.ts'

export interface WalkSteps {
  /** Whether there is anything to do. */
  pending(): boolean
  /** @returns a promise where the step makes it wait */
  step(): Promise<void> | undefined
  /** Whether the event loop should have its turn before the next step. */
  turnDue(): boolean
  failed(caught: unknown): void
}

export class Walk {
  /** When the event loop had its last turn, on the clock given. */
  turnedAt = 0
  readonly #turn: Turn
  readonly #now: () => number
  readonly #steps: WalkSteps
  #end: Promise<void> | undefined
  #resolveEnd: () => void = () => undefined
  /** One function for all turns. */
  readonly #afterTurn = (): void => {
    this.turnedAt = this.#now()
    this.#walk()
  }

  constructor(turn: Turn, now: () => number, steps: WalkSteps) {
    this.#turn = turn
    this.#now = now
    this.#steps = steps
  }

  /** Resolves when nothing is left to do; undefined while there is nothing. */
  get end(): Promise<void> | undefined {
    return this.#end
  }

  /** Goes on until nothing is left to do, if it does not go on already. */
  begin(): void {
    if (this.#end !== undefined) return
    this.#end = new Promise(resolve => {
      this.#resolveEnd = resolve
    })
    this.#turn.next(this.#afterTurn)
  }

  /**
   * Work while nothing is to be done; steps that come meanwhile wait for it.
   * @returns whether it was done; not where there was something to do
   */
  async between(work: () => Promise<void>): Promise<boolean> {
    // With nothing to do it may still be waiting for its last turn.
    while (this.#end !== undefined && !this.#steps.pending()) await this.#end
    if (this.#end !== undefined || this.#steps.pending()) return false
    const working = work()
    // Who waits for the end of all steps hears of no failure.
    const over = working
      .catch(() => undefined)
      .then(() => {
        this.#end = undefined
        if (this.#steps.pending()) this.begin()
      })
    this.#end = over
    await over
    await working
    return true
  }

  /** Steps until one makes it wait or the event loop is due its turn. */
  #walk(): void {
    while (this.#steps.pending()) {
      try {
        const step = this.#steps.step()
        if (step !== undefined) {
          void this.#walkLater(step)
          return
        }
      } catch (caught) {
        this.#steps.failed(caught)
      }
      if (this.#steps.turnDue()) {
        this.#turn.next(this.#afterTurn)
        return
      }
    }
    this.#end = undefined
    this.#resolveEnd()
  }

  async #walkLater(step: Promise<void>): Promise<void> {
    try {
      await step
    } catch (caught) {
      this.#steps.failed(caught)
    }
    if (this.#steps.turnDue()) this.#turn.next(this.#afterTurn)
    else this.#walk()
  }
}

// The end of a backend: its first failure, which every later call throws. Makes the errors of traps and of workers that
// trapped or fell silent. Used by wasm-backend.ts.
import { RyzError } from '../../errors.ts'
import { STATUS_OK, STATUS_WORKER_TRAPPED } from './exports.ts'

export class Failure {
  /** Settles with the first failure, unless that is the close. */
  readonly lost: Promise<RyzError>
  readonly #limitMs: number
  #lose: (error: RyzError) => void = () => undefined
  #first: RyzError | undefined

  /** @param limitMs  how long a pool worker may be silent */
  constructor(limitMs: number) {
    this.#limitMs = limitMs
    this.lost = new Promise(resolve => {
      this.#lose = resolve
    })
  }

  /** @throws RyzError the first failure, if there was one */
  check(): void {
    if (this.#first) throw this.#first
  }

  /** @returns the first failure, which is `error` where there was none */
  set(error: RyzError): RyzError {
    if (this.#first === undefined) {
      this.#first = error
      if (error.code !== 'CLOSED') this.#lose(error)
    }
    return this.#first
  }

  /**
   * After an op.
   * @throws RyzError KERNEL_TRAP | WORKER_DIED
   */
  done(status: number): void {
    if (status === STATUS_OK) return
    throw status === STATUS_WORKER_TRAPPED
      ? this.set(
          new RyzError('KERNEL_TRAP', 'a kernel trapped in a pool worker; load the model again'),
        )
      : this.silent()
  }

  /** A pool worker was asked and has not answered. */
  silent(): RyzError {
    const limitMs = this.#limitMs
    return this.set(
      new RyzError(
        'WORKER_DIED',
        `a pool worker did not answer within ${limitMs} ms; load the model again`,
        { limitMs },
      ),
    )
  }

  /** What an op threw. */
  trapped(caught: unknown, op: string): RyzError {
    if (caught instanceof RyzError) return caught
    const text = caught instanceof Error ? caught.message : String(caught)
    return this.set(
      new RyzError('KERNEL_TRAP', `${op} trapped: ${text}; load the model again`, { op }),
    )
  }
}

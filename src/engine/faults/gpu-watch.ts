// A GPU that computed right and fast when it was loaded, looked at again while nothing runs: a sample of its proof, the
// logits of one token with the model's own weights, and, where it wrote slower than the CPU would, its speed. One that
// differs is refused by name, and the CPU goes on; so is one that became slow. A look ends when a request comes. Made by
// open-parts.ts, called by engine.ts.
import { type ErrorCode, RyzError } from '../../errors.ts'
import type { BackendChoice } from '../../types/index.ts'
import type { Contest } from '../load/arrange.ts'
import { measureDecode } from '../load/measure-speed.ts'
import { logitsOfFirst, type OpenNetwork, type Proven } from '../load/open-network.ts'
import { Stopped } from './self-test.ts'

/** Rms over the deviation of the first logits: one activation that rounds the other way moves that much. */
const SAME = 0.03
/** Fewer tokens say nothing of a speed. */
const ENOUGH = 32
/** Of a device that computes no more, or not what it should. */
const WRONG: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'DEVICE_LOST',
  'KERNEL_TRAP',
  'BAD_WEIGHTS',
])

export interface Written {
  readonly tokens: number
  readonly ms: number
}

/** The engine while nothing runs. */
export interface Quiet {
  /** Whether there is something else to do: the look ends. */
  stopped(): boolean
  /** Runs work while nothing else does; false where something does. */
  between(work: () => Promise<void>): Promise<boolean>
  /** Tokens of answers since the start. */
  written(): Written
}

export class GpuWatch {
  /** What was decided last. */
  choice: BackendChoice | undefined
  /** Proofs that were repeated, all right. */
  proofs = 0
  readonly #open: () => OpenNetwork
  readonly #contest: Contest | undefined
  #before: Written = { tokens: 0, ms: 0 }
  /** Whether the page was in sight since. */
  #inSight: (() => boolean) | undefined

  /**
   * @param open  what computes now
   * @param contest  where the CPU may take over for being faster
   */
  constructor(
    open: () => OpenNetwork,
    choice: BackendChoice | undefined,
    contest: Contest | undefined,
  ) {
    this.#open = open
    this.choice = choice
    this.#contest = contest
    this.#inSight = contest?.watch?.()
  }

  /** Whether there is a GPU to look at. */
  get needed(): boolean {
    return this.#open().proven !== undefined
  }

  /** Never rejects; what it finds ends the GPU, see Backend.lost. */
  async look(quiet: Quiet): Promise<void> {
    const { proven } = this.#open()
    if (proven === undefined) return
    try {
      const wrong = await proven.sample(quiet.stopped)
      if (wrong !== undefined) return proven.condemn(differs(wrong))
      if (!(await this.#lookAtWeights(quiet, proven))) return
      await this.#lookAtSpeed(quiet, proven)
    } catch (caught) {
      if (caught instanceof Stopped || !(caught instanceof RyzError)) return
      // What is lost already has told so itself.
      if (WRONG.has(caught.code)) proven.condemn(differs(caught.message))
    }
  }

  /** @returns whether it is to be looked at further */
  async #lookAtWeights(quiet: Quiet, proven: Proven): Promise<boolean> {
    let off = Number.NaN
    const done = await quiet.between(async () => {
      const logits = await logitsOfFirst(proven.network)
      if (logits !== undefined) off = deviation(logits, proven.logits)
    })
    if (!done) return false
    if (off < SAME) {
      this.proofs++
      return true
    }
    // NaN is no small number.
    const told = `the logits of one token moved by ${off.toFixed(3)} deviations`
    proven.condemn(differs(told))
    return false
  }

  async #lookAtSpeed(quiet: Quiet, { network, condemn }: Proven): Promise<void> {
    const contest = this.#contest
    const { backend, gpu: before, cpu, cpuSource } = this.choice ?? {}
    if (backend !== 'webgpu' || before === undefined || cpu === undefined || !contest) return
    const written = quiet.written()
    const tokens = written.tokens - this.#before.tokens
    const ms = written.ms - this.#before.ms
    if (tokens < ENOUGH) return
    // What was written while nobody looked says nothing of the GPU.
    if (this.#inSight?.() === false) return this.#begin(written)
    const reached = (1000 * tokens) / ms
    if (reached < cpu.decodeTokensPerSecond) {
      let measured: number | undefined
      await quiet.between(async () => {
        const { measure } = contest
        measured = measure
          ? (await measure(network, 'webgpu')).decodeTokensPerSecond
          : await measureDecode(network, ms / tokens, quiet.stopped)
      })
      // Taken up with the next look.
      if (measured === undefined || this.#inSight?.() === false) return
      // What was reached can be reached, whatever hindered it now.
      const gpu = { ...before, decodeTokensPerSecond: Math.max(measured, reached) }
      const noRoom = 'both are opened by a load alone'
      const next = contest.decide({ gpu, cpu, measured: cpuSource === 'measured', noRoom })
      const reason = `it wrote ${reached.toFixed(1)} tokens a second and was measured again: ${next.reason}`
      this.choice = { ...next, reason }
      if (next.backend !== 'webgpu') {
        condemn(new RyzError('DEVICE_LOST', `the GPU became slow: ${reason}`))
      }
    }
    this.#begin(written)
  }

  /** Counts from here on. */
  #begin(written: Written): void {
    this.#before = written
    this.#inSight = this.#contest?.watch?.()
  }
}

/** With a reason, by which later loads are told. */
function differs(what: string): RyzError {
  return new RyzError('DEVICE_LOST', `the GPU began to differ: ${what}`, { reason: 'differs' })
}

/** Rms difference over the standard deviation of what is right. */
function deviation(got: Float32Array, want: Float32Array): number {
  let [sum, squares, difference] = [0, 0, 0]
  for (let i = 0; i < want.length; i++) {
    sum += want[i]!
    squares += want[i]! ** 2
    difference += (got[i]! - want[i]!) ** 2
  }
  const n = want.length
  const variance = squares / n - (sum / n) ** 2
  return Math.sqrt(difference / n / Math.max(variance, 1e-30))
}

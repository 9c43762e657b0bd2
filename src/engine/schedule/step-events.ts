// What step.ts and ahead.ts tell the scheduler of the jobs of a step.
import type { RyzError } from '../../errors.ts'
import type { Job } from './job.ts'

/** What becomes of the jobs of a step. */
export interface StepEvents {
  /** Took what it wanted last. */
  ended(job: Job): void
  /** Its tokens were replaced by fewer. */
  again(job: Job): void
  failed(job: Job, error: RyzError): void
  /** The network is of no more use. */
  fatal(error: RyzError): void | Promise<void>
}

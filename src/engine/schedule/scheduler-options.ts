// What a scheduler is told once. Taken by scheduler.ts.
import type { RyzError } from '../../errors.ts'
import type { Speculation } from '../draft/speculation.ts'
import type { Turn } from './turn.ts'

export interface SchedulerOptions {
  /** Sequences live at once. */
  maxSequences: number
  /** Requests that may wait. */
  queueLimit: number
  queueTimeoutMs: number
  /** Prompt tokens of one step at most. */
  prefillPiece: number
  /** What guesses tokens; without it, nothing does. */
  speculation?: Speculation
  /** Milliseconds; a test may hand in its own. */
  now?: () => number
  turn?: Turn
  /** Steps that run ahead of what is read, for tests; measured otherwise. */
  ahead?: number
  /** Called once when a failure leaves the network unusable; everything open has failed by then. */
  onFatal?: (error: RyzError) => void
}

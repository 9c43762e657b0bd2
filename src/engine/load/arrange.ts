// What puts the ways to run in order for one model, before it is loaded: calibrate.ts and contest.ts make it,
// open-parts.ts and forecast.ts ask it.
import type { BackendFactory } from '../../backend/factory.ts'
import type { BackendChoice, Calibration, ExpectedSpeed } from '../../types/index.ts'
import type { ModelWork } from './plan.ts'

/** The factories in the order to try, and why. */
export interface Arranged {
  readonly factories: readonly BackendFactory[]
  readonly calibration?: Calibration
  /** Whether the GPU computes, where that is decided already. */
  readonly choice?: BackendChoice
  /** Decides it, once the GPU in front of the factories was measured. */
  readonly contest?: Contest
}

/** @param gpu  of the model on the GPU */
export type Contest = (gpu: ExpectedSpeed) => Promise<BackendChoice>

/** Puts the factories in order for the work of one model; see calibrate.ts. */
export type Arrange = (factories: readonly BackendFactory[], work: ModelWork) => Promise<Arranged>

// What puts the ways to run in order for one model, before it is loaded: calibrate.ts and contest.ts make it,
// open-parts.ts and forecast.ts ask it.
import type { BackendFactory } from '../../backend/factory.ts'
import type { Network } from '../../model/network.ts'
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

/** GPU, CPU or both, for a model that is loaded on the GPU. */
export interface Contest {
  /** Of the CPU: measured on this model in an earlier load, or expected of its kernels. */
  readonly cpu?: { readonly speed: ExpectedSpeed; readonly measured: boolean }
  /** What was decided last time here; it is measured again. */
  readonly before?: BackendChoice
  /** Measures a loaded network; measureSpeed() where it is absent. */
  measure?(network: Network, side: 'webgpu' | 'wasm'): Promise<ExpectedSpeed>
  decide(figures: Figures): BackendChoice
  /** Tells later whether the page was in sight meanwhile; it was, where this is absent. See page-view.ts. */
  watch?(): () => boolean
  /** Remembers it. */
  keep(choice: BackendChoice): Promise<void>
}

export interface Figures {
  readonly gpu: ExpectedSpeed
  readonly cpu: ExpectedSpeed | undefined
  /** Whether the CPU's is of the loaded model. */
  readonly measured: boolean
  /** Why the model cannot be on both; absent where it can. */
  readonly noRoom: string | undefined
}

/** Puts the factories in order for the work of one model; see calibrate.ts. */
export type Arrange = (factories: readonly BackendFactory[], work: ModelWork) => Promise<Arranged>

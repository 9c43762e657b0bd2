// What stats().gpu tells of a backend: the device and its variants, what steps are made of, what stands in its memory.
// Called by webgpu-backend.ts.
import type { GpuStats } from '../../types/index.ts'
import { featuresOf, type Gpu } from './device.ts'
import type { Form } from './forms.ts'
import type { Profiler } from './profiler.ts'
import type { Steps } from './steps.ts'

export interface BackendFigures extends Pick<GpuStats, 'waits' | 'buffers' | 'bytes'> {
  readonly form: Form
  readonly profiler: Profiler | undefined
}

export function gpuStatsOf(gpu: Gpu, steps: Steps, figures: BackendFigures): GpuStats {
  const { info, pipelines, tuning } = gpu
  const { submits, dispatches, stepDispatches, layerDispatches, tokenBytes, plans } = steps
  const { profiler, ...told } = figures
  const { choice } = pipelines
  return {
    ...info,
    features: featuresOf(choice),
    innerLoop: choice.inner,
    submits,
    dispatches,
    stepDispatches,
    layerDispatches,
    tokenBytes,
    plans,
    ...told,
    ...(tuning && { tuning }),
    ...(profiler && { profile: profiler.method }),
  }
}

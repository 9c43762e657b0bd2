// backend: 'auto': GPU or CPU for this model here. The GPU is asked for where a token costs enough to matter; the
// model is poured into it and measured, and the CPU's figure is that of its calibrated kernels, so that the weights
// are poured a second time only where the CPU wins. What was found is remembered by browser, adapter and
// model. Called by worker/main.ts and open-parts.ts.
import type { BackendFactory } from '../../backend/factory.ts'
import type { Remembered } from '../../cache/remembered.ts'
import { PACKAGE_VERSION } from '../../features.ts'
import type { BackendChoice, ExpectedSpeed } from '../../types/index.ts'
import type { Arrange, Arranged, Contest } from './arrange.ts'
import { WORTH_BYTES } from './calibrate.ts'
import type { ModelWork } from './plan.ts'

export interface ContestParts {
  /** The factory of the GPU; fetches what it takes, asks for no adapter. */
  gpu(): Promise<BackendFactory>
  readonly remembered: Remembered
  /** The browser and its version. */
  readonly machine: string
}

/** The GPU must be this much faster, or noise would choose. */
const MUST_WIN = 0.9
/** A token read and one written: prompts and answers are about as long. */
const costOf = (s: ExpectedSpeed): number =>
  1 / s.decodeTokensPerSecond + 1 / s.prefillTokensPerSecond

/** What `arrange` arranges, with the GPU in front where it may be faster. */
export function withContest(arrange: Arrange, parts: ContestParts): Arrange {
  return async (factories, work) => {
    const arranged = await arrange(factories, work)
    const { gpu, choice, key } = await candidate(parts, arranged, work)
    if (gpu === undefined) return { ...arranged, choice }
    const cpu = arranged.calibration!.expected!
    const contest: Contest = async measured => {
      const chosen = decide(measured, cpu)
      await parts.remembered.set(key!, chosen)
      return chosen
    }
    return { ...arranged, factories: [gpu, ...arranged.factories], contest }
  }
}

async function candidate(
  parts: ContestParts,
  { calibration, factories }: Arranged,
  work: ModelWork,
): Promise<{ gpu?: BackendFactory; key?: string; choice: BackendChoice }> {
  const cpu = (reason: string) => ({ choice: skipped(reason) })
  const bytes = work.ternaryBytes + work.headBytes + work.floatBytes
  if (bytes < WORTH_BYTES) {
    return cpu(`a token reads ${(bytes / 1e6).toFixed(1)} MB, too little for a GPU to matter`)
  }
  if (calibration?.expected === undefined) {
    return cpu(`the CPU's speed is not known (${calibration?.reason ?? 'it was not measured'})`)
  }
  const gpu = await parts.gpu()
  const why = gpu.unavailable ?? (await gpu.whyNot?.())
  if (why !== undefined) return cpu(why)
  const device = await gpu.identity?.()
  const ladder = factories.map(f => `${f.path.backend}`).join(' ')
  const key = ['choice', PACKAGE_VERSION, parts.machine, device, work.key, ladder].join('|')
  const known = await parts.remembered.get(key)
  if (isChoice(known) && known.backend === 'wasm') {
    return { choice: { ...known, source: 'remembered' } }
  }
  // One that won is measured again: each load proves it anyway, and a slower driver shows.
  return { gpu, key, choice: skipped('') }
}

function skipped(reason: string): BackendChoice {
  return { backend: 'wasm', source: 'skipped', reason }
}

/** @param cpu  of the calibrated kernels */
export function decide(gpu: ExpectedSpeed, cpu: ExpectedSpeed): BackendChoice {
  const wins = costOf(gpu) < MUST_WIN * costOf(cpu)
  const rate = (s: ExpectedSpeed) =>
    `${s.decodeTokensPerSecond.toFixed(1)} tokens a second written and ${s.prefillTokensPerSecond.toFixed(0)} read`
  const reason = `the GPU reached ${rate(gpu)}, the CPU is expected to reach ${rate(cpu)}`
  return { backend: wins ? 'webgpu' : 'wasm', source: 'measured', reason, gpu, cpu }
}

function isChoice(value: unknown): value is BackendChoice {
  const choice = value as Partial<BackendChoice> | null | undefined
  return (
    (choice?.backend === 'wasm' || choice?.backend === 'webgpu') &&
    typeof choice.reason === 'string'
  )
}

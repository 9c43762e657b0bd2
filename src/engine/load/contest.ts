// backend: 'auto': GPU or CPU for this model here, or both. The GPU is asked for where a token costs enough to matter;
// the model is poured into it and measured, and once on the CPU, where the budget has room for both. What was
// found is remembered by browser, adapter and model. Made by worker/main.ts, asked by open-contested.ts.
import type { BackendFactory } from '../../backend/factory.ts'
import type { Remembered } from '../../cache/remembered.ts'
import { PACKAGE_VERSION } from '../../features.ts'
import type { BackendChoice, ExpectedSpeed } from '../../types/index.ts'
import type { Arrange, Arranged, Contest, Figures } from './arrange.ts'
import { WORTH_BYTES } from './calibrate.ts'
import type { ModelWork } from './plan.ts'

export interface ContestParts {
  /** The factory of the GPU; fetches what it takes, asks for no adapter. */
  gpu(): Promise<BackendFactory>
  readonly remembered: Remembered
  /** See Contest. */
  readonly watch?: Contest['watch']
  /** The browser and its version. */
  readonly machine: string
}

/** Another choice than the CPU, and both instead of one, must be this much faster, or noise would choose. */
const MUST_WIN = 0.9

/** What `arrange` arranges, with the GPU in front where it may be faster. */
export function withContest(arrange: Arrange, parts: ContestParts): Arrange {
  return async (factories, work) => {
    const arranged = await arrange(factories, work)
    const { gpu, key, choice, before } = await candidate(parts, arranged, work)
    if (gpu === undefined || key === undefined) return { ...arranged, choice }
    const expected = arranged.calibration?.expected
    const measured = before?.cpuSource === 'measured' ? before.cpu : undefined
    const speed = measured ?? expected
    const contest: Contest = {
      ...(speed && { cpu: { speed, measured: measured !== undefined } }),
      before,
      decide,
      ...(parts.watch && { watch: parts.watch }),
      keep: async chosen => {
        if (chosen.source === 'measured') await parts.remembered.set(key, chosen)
      },
    }
    return { ...arranged, factories: [gpu, ...arranged.factories], contest }
  }
}

async function candidate(
  parts: ContestParts,
  { factories }: Arranged,
  work: ModelWork,
): Promise<{
  gpu?: BackendFactory
  key?: string
  choice?: BackendChoice
  before?: BackendChoice
}> {
  const cpu = (reason: string) => ({ choice: skipped(reason) })
  const bytes = work.ternaryBytes + work.headBytes + work.floatBytes
  if (bytes < WORTH_BYTES) {
    return cpu(`a token reads ${(bytes / 1e6).toFixed(1)} MB, too little for a GPU to matter`)
  }
  const gpu = await parts.gpu()
  const why = gpu.unavailable ?? (await gpu.whyNot?.())
  if (why !== undefined) return cpu(why)
  const device = await gpu.identity?.()
  // A forecast may have measured another build than the load that wrote this.
  const ladder = [...new Set(factories.map(f => f.path.backend))].join(' ')
  const key = ['choice', PACKAGE_VERSION, parts.machine, device, work.key, ladder].join('|')
  const known = await parts.remembered.get(key)
  const before = isChoice(known) ? known : undefined
  if (before?.backend === 'wasm') return { choice: { ...before, source: 'remembered' } }
  // One that won is measured again: each load proves it anyway, and a slower driver shows.
  return { gpu, key, before }
}

function skipped(reason: string): BackendChoice {
  return { backend: 'wasm', source: 'skipped', reason }
}

/** A token read and one written, by whom: prompts and answers are about as long. */
const costOf = (reads: ExpectedSpeed, writes: ExpectedSpeed): number =>
  1 / reads.prefillTokensPerSecond + 1 / writes.decodeTokensPerSecond

/** The faster for reading and for writing; one of them for both, where the other is hardly faster or has no room. */
export function decide({ gpu, cpu, measured, noRoom }: Figures): BackendChoice {
  if (cpu === undefined) {
    const why = noRoom === undefined ? '' : `, as ${noRoom}`
    return { ...skipped(`the CPU's speed is not known${why}`), gpu }
  }
  const alone = costOf(gpu, gpu) < MUST_WIN * costOf(cpu, cpu) ? 'webgpu' : 'wasm'
  const least = alone === 'webgpu' ? costOf(gpu, gpu) : costOf(cpu, cpu)
  const both = costOf(gpu, cpu) < MUST_WIN * least
  const rate = (s: ExpectedSpeed) =>
    `${s.decodeTokensPerSecond.toFixed(1)} tokens a second written and ${s.prefillTokensPerSecond.toFixed(0)} read`
  const verb = measured ? 'reached' : 'is expected to reach'
  const apart =
    both && noRoom !== undefined
      ? `; prompts on the GPU and answers on the CPU would be faster, but ${noRoom}`
      : ''
  return {
    backend: both && noRoom === undefined ? 'hybrid' : alone,
    source: 'measured',
    reason: `the GPU reached ${rate(gpu)}, the CPU ${verb} ${rate(cpu)}${apart}`,
    gpu,
    cpu,
    cpuSource: measured ? 'measured' : 'expected',
  }
}

function isChoice(value: unknown): value is BackendChoice {
  const choice = value as Partial<BackendChoice> | null | undefined
  return (
    ['wasm', 'webgpu', 'hybrid'].includes(choice?.backend ?? '') &&
    typeof choice?.reason === 'string'
  )
}

// Measures on a device which variants it runs fastest: the inner loop of integer dot products, where norm and rounding
// happen before the linears of one token, reductions by halves or by subgroups, halves unpacked or as f16. In small
// steps (tune-bench.ts), once a device, before its shaders are compiled. A variant that does not start, or gives another
// result than the plain one, is left out by name. Called by webgpu-factory.ts.
import type { GpuTuning } from '../../types/index.ts'
import { randomWeights } from '../cases.ts'
import type { Gpu } from './device.ts'
import { FORMS, type Form, rowRoom } from './forms.ts'
import type { ShaderChoice } from './shaders.ts'
import { benchOf, kindOf, numbers, REPEATS, type TuneOptions, type Work } from './tune-bench.ts'

export type { TuneOptions } from './tune-bench.ts'

/** Wider matrices tell no more, and take long to make. */
const MOST_COLS = 2048
/** As the self-test has it: what rounds the other way at a tie is off by 1e-3 of the largest value. */
const INEXACT = 5e-3
/** What another variant must gain over the one that is taken without measuring. */
const GUARD = 0.97

/** Also sets the variants of the device's pipelines. */
export async function tune(gpu: Gpu, options: TuneOptions): Promise<GpuTuning> {
  const { pipelines, info, can } = gpu
  const first = pipelines.choice
  const skip = (reason: string): GpuTuning => ({
    form: 'once',
    ...told(first),
    source: 'skipped',
    reason,
    ms: {},
  })
  const kind = kindOf(options)
  if (kind === undefined) return skip('the model has no ternary matrices with rounded rows')
  if (info.software && options.anyAdapter !== true) return skip('the adapter computes on the CPU')

  const side = Math.min(options.cols, MOST_COLS)
  const weights = randomWeights(kind.layout, side, side, numbers())
  const ms: Record<string, number> = {}
  const differ: string[] = []

  /** The fastest of some variants, of which the first one is taken at its word. */
  const contest = async <T extends string>(
    names: readonly T[],
    work: Work,
    set: (name: T) => { choice: ShaderChoice; form: Form },
  ): Promise<T> => {
    const able: T[] = []
    let want: Float32Array | undefined
    for (const name of names) {
      if (options.isOver?.() === true) throw new Error('it took too long')
      try {
        const { choice, form } = set(name)
        pipelines.choose(choice)
        const bench = await benchOf(gpu, options, weights, form, work)
        try {
          const result = await bench.result()
          want ??= result
          const off = difference(result, want)
          if (off > INEXACT) differ.push(`${name} is off by ${off.toPrecision(2)} and left out`)
          else able.push(name)
          ms[name] = await bench.time()
        } finally {
          bench.close()
        }
      } catch (caught) {
        // Without the first one there is nothing to compare with, and a device that ended runs none.
        if (want === undefined || gpu.failure !== undefined) throw caught
        differ.push(`${name} does not start and is left out: ${caught}`)
      }
    }
    const best = fastest(able, ms)
    pipelines.choose(set(best).choice)
    return best
  }

  const loops = (['packed', 'i32', 'f32'] as const).filter(
    inner => inner !== first.inner && (inner !== 'packed' || can.packed),
  )
  const inner = await contest([first.inner, ...loops], 'layers', name => ({
    choice: { ...first, inner: name },
    form: 'once',
  }))
  const looped = { ...first, inner }
  const forms = rowRoom(options.cols) === undefined ? [] : FORMS.slice(1)
  const form = await contest(['once', ...forms], 'layers', name => ({ choice: looped, form: name }))
  let choice: ShaderChoice = looped
  if (can.subgroups) {
    const set = (name: 'tree' | 'subgroups') => ({
      choice: { ...looped, subgroups: name === 'subgroups' },
      form,
    })
    choice = set(await contest(['tree', 'subgroups'], 'all', set)).choice
  }
  if (can.f16 && options.kv === 'f16') {
    const reduced = choice
    const set = (name: 'unpacked' | 'f16') => ({
      choice: { ...reduced, f16: name === 'f16' },
      form,
    })
    choice = set(await contest(['unpacked', 'f16'], 'attention', set)).choice
  }
  const times = Object.entries(ms).map(([name, time]) => `${name} ${time.toFixed(2)}`)
  const reason = `milliseconds of ${REPEATS} small layers: ${times.join(', ')}`
  return { form, ...told(choice), source: 'measured', reason: [reason, ...differ].join('; '), ms }
}

/** What is told of variants. */
export function told({ inner, subgroups, f16 }: ShaderChoice) {
  return {
    innerLoop: inner,
    reductions: subgroups ? 'subgroups' : 'tree',
    halves: f16 ? 'f16' : 'unpacked',
  } as const
}

/** The first one, unless another is faster by more than the noise. */
export function fastest<T extends string>(names: readonly T[], ms: Record<string, number>): T {
  let best = names[0]!
  for (const name of names.slice(1)) {
    const bar = best === names[0] ? GUARD * ms[best]! : ms[best]!
    if (ms[name]! < bar) best = name
  }
  return best
}

/** Largest difference over the largest value; infinite where one is no number. */
function difference(got: Float32Array, want: Float32Array): number {
  let [most, worst] = [0, 0]
  for (const [i, value] of want.entries()) {
    most = Math.max(most, Math.abs(value))
    worst = Math.max(worst, Math.abs(got[i]! - value))
    if (!Number.isFinite(got[i]! - value)) return Number.POSITIVE_INFINITY
  }
  return worst / most
}

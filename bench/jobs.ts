// What `make bench` measures: a list of runs of the bench page. Quick jobs are the same on a tiny model
// with few repetitions; they prove that everything works.
import { type BenchSettings, DEFAULTS } from '../demo/bench/settings.ts'
import type { BenchModel } from './models.ts'

export interface Job {
  readonly name: string
  /** Made by the synth; absent for the embedded model. */
  readonly model?: BenchModel
  readonly settings: BenchSettings
  /** One browser per value: memory is to be seen of each alone. */
  readonly apart: boolean
  readonly limitSeconds: number
}

const LARGE: BenchModel = {
  file: 'bitnet-large-tq2_0.gguf',
  synth: ['--shape', 'bitnet-large', '--type', 'tq2_0'],
}
/** The same shape with weights that no ternary code can hold, as an ordinary network. */
const LARGE_F16: BenchModel = {
  file: 'bitnet-large-f16.gguf',
  synth: ['--shape', 'bitnet-large', '--arch', 'llama', '--type', 'f16', '--values', 'normal'],
}
const LARGE_LLAMA: BenchModel = {
  file: 'bitnet-large-llama-tq2_0.gguf',
  synth: ['--shape', 'bitnet-large', '--arch', 'llama', '--type', 'tq2_0'],
}
const TWO_B: BenchModel = {
  file: 'bitnet-2b-4t-i2_s.gguf',
  synth: ['--shape', 'bitnet-2b-4t', '--type', 'i2_s'],
}
/** MB for models that are not meant for the budget of 500. */
const NO_LIMIT = 4000
const MINUTES = 60

/** @param cores of this machine; the sweep of threads ends there and the others use them all */
export function allJobs(cores: number): Job[] {
  const job = (
    name: string,
    settings: Partial<BenchSettings>,
    // null is the embedded model.
    model: BenchModel | null = LARGE,
    apart = false,
  ): Job => ({
    name,
    ...(model ? { model } : {}),
    settings: {
      ...DEFAULTS,
      threads: cores,
      ...settings,
      model: model ? `/synth/${model.file}` : DEFAULTS.model,
      shape: model ? model.synth[1] : 'ryz-tales',
    },
    apart,
    limitSeconds: 20 * MINUTES,
  })
  const twoB = { budget: 1600, repeat: 3 }
  return [
    job('bandwidth', { sweep: 'bandwidth' }, null),
    job('threads', { sweep: 'threads', kv: 'f16' }),
    job('empty', { sweep: 'threads', kv: 'f16', prompt: 4 }),
    job('variant', { sweep: 'variant', kv: 'f16' }),
    job('context-int8', { sweep: 'context', kv: 'int8', budget: 900 }, LARGE, true),
    job('context-f16', { sweep: 'context', kv: 'f16', budget: 900 }, LARGE, true),
    job('kv-512', { sweep: 'kv', prompt: 448, budget: 900 }, LARGE, true),
    job('batch', { sweep: 'batch', prompt: 64, kv: 'int8' }, LARGE, true),
    job('batch-8x192', { sweep: 'batch', values: ['8'], kv: 'int8' }, LARGE, true),
    job('prompt', { sweep: 'prompt', generate: 8 }),
    job('requests', { sweep: 'requests', prompt: 64, generate: 100, kv: 'int8', repeat: 3 }),
    job('breakdown', { sweep: 'breakdown', prompt: 448, kv: 'f16' }),
    job('load', { sweep: 'load' }, LARGE, true),
    job('soak', { sweep: 'soak', values: ['40'], prompt: 16, generate: 256, kv: 'int8' }),
    job(
      'matrix-ternary',
      { sweep: 'context', values: ['512'], budget: NO_LIMIT },
      LARGE_LLAMA,
      true,
    ),
    job(
      'matrix-f16',
      { sweep: 'context', values: ['512'], budget: NO_LIMIT, repeat: 3 },
      LARGE_F16,
      true,
    ),
    job('2b-threads', { sweep: 'threads', ...twoB }, TWO_B),
    job('2b-context', { sweep: 'context', values: ['128', '2048'], ...twoB }, TWO_B, true),
    job('embedded', { sweep: 'threads', generate: 128 }, null),
  ]
}

const TINY: BenchModel = { file: 'tiny-tq2_0.gguf', synth: ['--shape', 'tiny', '--type', 'tq2_0'] }
const TINY_F16: BenchModel = {
  file: 'tiny-f16.gguf',
  synth: ['--shape', 'tiny', '--arch', 'llama', '--type', 'f16', '--values', 'normal'],
}

/** The same jobs, each over in seconds. */
export function quickJobs(cores: number): Job[] {
  return allJobs(cores).map(job => {
    const model = job.model && (job.name === 'matrix-f16' ? TINY_F16 : TINY)
    const { sweep, values } = job.settings
    const small: Record<string, readonly string[]> = {
      context: ['64', '128'],
      batch: ['1', '4'],
      requests: ['1', '3'],
      prompt: ['16', '64'],
      soak: ['3'],
    }
    const settings: BenchSettings = {
      ...job.settings,
      values: small[sweep] ?? values,
      prompt: Math.min(job.settings.prompt, 64),
      generate: Math.min(job.settings.generate, 16),
      repeat: 2,
      ...(model ? { model: `/synth/${model.file}`, shape: 'tiny' } : {}),
    }
    return { ...job, model, settings, limitSeconds: 60 }
  })
}

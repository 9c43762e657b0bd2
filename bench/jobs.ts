// What `make bench` measures: a list of runs of the bench page. Quick jobs are the same on a tiny model
// with few repetitions; they prove that everything works.
import { type BenchSettings, DEFAULTS } from '../demo/bench/settings.ts'
import type { BenchModel } from './models.ts'

export interface Job {
  readonly name: string
  /** Made by the synth; absent for the embedded model. */
  readonly model?: BenchModel
  readonly settings: BenchSettings
  /** Node instead of a browser; 'allocation' counts the bytes that a token allocates there. */
  readonly where?: 'node' | 'allocation'
  /** Of one value. */
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
const LARGE_F32: BenchModel = {
  file: 'bitnet-large-f32.gguf',
  synth: ['--shape', 'bitnet-large', '--arch', 'llama', '--type', 'f32', '--values', 'normal'],
}
const LARGE_LLAMA: BenchModel = {
  file: 'bitnet-large-llama-tq2_0.gguf',
  synth: ['--shape', 'bitnet-large', '--arch', 'llama', '--type', 'tq2_0'],
}
const TWO_B: BenchModel = {
  file: 'bitnet-2b-4t-i2_s.gguf',
  synth: ['--shape', 'bitnet-2b-4t', '--type', 'i2_s'],
}
/** MB for what is not meant for the budget of 500, or shows how far from it it is. */
const NO_LIMIT = 4000
const DEEP = 900
const TWO_B_LIMIT = 1600

/** @param cores of this machine; the sweep of threads ends there and the others use them all */
export function allJobs(cores: number): Job[] {
  const job = (
    name: string,
    settings: Partial<BenchSettings>,
    // null is the embedded model.
    model: BenchModel | null = LARGE,
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
    limitSeconds: 180,
  })
  const deep = { sweep: 'context', budget: DEEP, repeat: 3 } as const
  const variants = ['relaxed', 'relaxed-i32', 'simd128', 'relaxed@1', 'relaxed-i32@1', 'simd128@1']
  // Node's rows are compared with the browser's.
  const nodeLike = { kv: 'f16', prompt: 64, repeat: 3 } as const
  // At 64 tokens all three types are compared; F32 is nearly all that wasm can address.
  const types = { sweep: 'context', kv: 'f16', budget: NO_LIMIT, generate: 32 } as const
  const matrix = { ...types, values: ['64', '512'] } as const
  const batch = { sweep: 'batch', prompt: 32, generate: 32, kv: 'int8', repeat: 3 } as const
  const eight = { sweep: 'batch', values: ['8'], budget: DEEP, repeat: 3 } as const
  const eight192 = { ...eight, prompt: 128, kv: 'int8' } as const
  const eight384 = { ...eight, prompt: 320, kv: 'int4' } as const
  const twoB = { budget: TWO_B_LIMIT, kv: 'int8', generate: 48 } as const
  return [
    job('bandwidth', { sweep: 'bandwidth' }, null),
    job('empty', { sweep: 'threads', kv: 'f16', prompt: 4 }),
    job('head', { sweep: 'head', kv: 'f16', prompt: 4 }),
    job('head@1', { sweep: 'head', kv: 'f16', prompt: 4, threads: 1 }),
    job('threads', { sweep: 'threads', kv: 'f16' }),
    job('variant', { sweep: 'variant', values: variants, ...nodeLike }),
    {
      ...job('node', { sweep: 'variant', values: [`simd128@${cores}`, 'simd128@1'], ...nodeLike }),
      where: 'node',
    },
    {
      ...job('allocation', { values: [String(cores)], kv: 'f16', prompt: 32, generate: 128 }),
      where: 'allocation',
      limitSeconds: 600, // 12 s where nothing else runs
    },
    job('prompt', { sweep: 'prompt', kv: 'f16', generate: 8 }),
    job('prompt-int8', { sweep: 'prompt', values: ['128', '512'], kv: 'int8', generate: 8 }),
    job('context-int8', { ...deep, kv: 'int8' }),
    job('context-f16', { ...deep, kv: 'f16', values: ['128', '512', '2048'], repeat: 2 }),
    job('context-int4', { ...deep, kv: 'int4', values: ['512', '2048'], repeat: 2 }),
    job('kv-512', { sweep: 'kv', prompt: 448, budget: DEEP, repeat: 3 }),
    job('batch', batch),
    job('batch-8x192', eight192),
    job('batch-8x384', eight384),
    // The smaller head, wherever a target is near.
    job('context-int8-head4', { ...deep, kv: 'int8', head: 'int4', values: ['2048', '512'] }),
    job('context-int4-head4', { ...deep, kv: 'int4', head: 'int4', values: ['2048'] }),
    job('batch-head4', { ...batch, values: ['4', '8'], head: 'int4' }),
    job('batch-8x192-head4', { ...eight192, head: 'int4' }),
    job('batch-8x384-head4', { ...eight384, head: 'int4' }),
    job('requests', { sweep: 'requests', prompt: 64, generate: 100, kv: 'int8', repeat: 2 }),
    job('breakdown', { sweep: 'breakdown', prompt: 448, kv: 'f16' }),
    job('breakdown-empty', { sweep: 'breakdown', prompt: 4, kv: 'f16' }),
    job('load', { sweep: 'load', kv: 'int8', repeat: 3 }),
    job('matrix-ternary', { ...matrix, repeat: 3 }, LARGE_LLAMA),
    {
      ...job('matrix-f16', { ...matrix, repeat: 1 }, LARGE_F16),
      limitSeconds: 400, // its prompt is slow
    },
    {
      ...job('matrix-f32', { ...types, values: ['64'], repeat: 1 }, LARGE_F32),
      limitSeconds: 400, // its file is 2.9 GB
    },
    job('2b-empty', { sweep: 'threads', ...twoB, prompt: 4, repeat: 3 }, TWO_B),
    job('2b-context', { sweep: 'context', values: ['128', '2048'], ...twoB, repeat: 2 }, TWO_B),
    job(
      '2b-head4',
      { sweep: 'threads', values: [String(cores)], ...twoB, head: 'int4', prompt: 4, repeat: 3 },
      TWO_B,
    ),
    job(
      '2b-context-head4',
      { sweep: 'context', values: ['2048'], ...twoB, head: 'int4', repeat: 2 },
      TWO_B,
    ),
    // Small and fast: more repetitions, as the browser still optimises during the first ones.
    job('embedded', { sweep: 'threads', prompt: 64, generate: 256, repeat: 9 }, null),
    job('embedded-prompt', { sweep: 'prompt', values: ['128'], generate: 8, repeat: 15 }, null),
  ]
}

/** What a run on one thread, of kernel builds or in Node has no counterpart for. */
const CPU_SWEEPS = ['variant', 'bandwidth', 'requests', 'soak']

/**
 * The same jobs on a named backend. A GPU has no threads and no kernel builds: jobs about those are left out, and a
 * sweep of threads is one row.
 */
export function jobsOn(
  jobs: readonly Job[],
  backend: string,
  cores: number,
  quick: boolean,
): Job[] {
  if (backend === 'auto' || backend === 'wasm') {
    return jobs.map(job => ({ ...job, settings: { ...job.settings, backend } }))
  }
  return jobs
    .filter(
      ({ name, where, settings }) =>
        !CPU_SWEEPS.includes(settings.sweep) && !where && !name.endsWith('@1'),
    )
    .map(job => {
      const { sweep, values } = job.settings
      const one = sweep === 'threads' ? [String(cores)] : values
      // A quick run proves that the rows work: any adapter will do.
      return { ...job, settings: { ...job.settings, backend, values: one, software: quick } }
    })
}

const TINY: BenchModel = { file: 'tiny-tq2_0.gguf', synth: ['--shape', 'tiny', '--type', 'tq2_0'] }
const TINY_F16: BenchModel = {
  file: 'tiny-f16.gguf',
  synth: ['--shape', 'tiny', '--arch', 'llama', '--type', 'f16', '--values', 'normal'],
}

/** The same jobs, each over in seconds. */
export function quickJobs(cores: number): Job[] {
  return allJobs(cores).map(job => {
    const model = job.model && (/^matrix-f(16|32)$/.test(job.name) ? TINY_F16 : TINY)
    const { sweep, values } = job.settings
    const small: Record<string, readonly string[]> = {
      context: ['64', '128'],
      batch: ['1', '4'],
      requests: ['1', '3'],
      prompt: ['16', '64'],
    }
    const settings: BenchSettings = {
      ...job.settings,
      values: small[sweep] ?? values,
      prompt: Math.min(job.settings.prompt, 64),
      // One decode step in 16 is timed.
      generate: Math.min(job.settings.generate, sweep === 'breakdown' ? 32 : 16),
      repeat: 2,
      ...(model ? { model: `/synth/${model.file}`, shape: 'tiny' } : {}),
    }
    return { ...job, model, settings, limitSeconds: 60 }
  })
}

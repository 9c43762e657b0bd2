// What a benchmark run consists of, and its form as a query string: the link that reproduces a run.
// Pure; the form and the driver both speak it.

export const SWEEPS = [
  'threads',
  'variant',
  'context',
  'batch',
  'kv',
  'head',
  'prompt',
  'requests',
  'breakdown',
  'load',
  'soak',
  'bandwidth',
] as const
export type SweepKind = (typeof SWEEPS)[number]

export const EMBEDDED = 'embedded'

export interface BenchSettings {
  /** 'embedded' or a URL (relative to the page). A local file has no link. */
  readonly model: string
  /** Name of the shape, for the rows only. */
  readonly shape: string
  readonly sweep: SweepKind
  /** Values of the sweep; empty takes the sweep's own. */
  readonly values: readonly string[]
  readonly backend: string
  readonly variant: string
  /** 0 is automatic. */
  readonly threads: number
  readonly kv: string
  readonly head: string
  readonly batch: number
  readonly prompt: number
  readonly generate: number
  readonly repeat: number
  readonly strict: boolean
  /** A GPU adapter that computes on the CPU will do: proves that the rows work, and is no speed. */
  readonly software: boolean
  /** Memory budget in MB; 0 is the engine's own. */
  readonly budget: number
}

export const DEFAULTS: BenchSettings = {
  model: EMBEDDED,
  shape: '',
  sweep: 'threads',
  values: [],
  backend: 'auto',
  variant: 'auto',
  threads: 0,
  kv: 'auto',
  head: 'auto',
  batch: 1,
  prompt: 128,
  generate: 64,
  repeat: 5,
  strict: false,
  software: false,
  budget: 0,
}

/** Reads settings from a query string; what is missing or not usable takes its default. */
export function settingsFrom(query: URLSearchParams): BenchSettings {
  const text = (key: 'model' | 'shape' | 'backend' | 'variant' | 'kv' | 'head') =>
    query.get(key) || DEFAULTS[key]
  const number = (key: 'threads' | 'batch' | 'prompt' | 'generate' | 'repeat' | 'budget') => {
    const value = Number(query.get(key) ?? Number.NaN)
    const least = key === 'threads' || key === 'budget' ? 0 : 1
    return Number.isInteger(value) && value >= least ? value : DEFAULTS[key]
  }
  const sweep = SWEEPS.find(kind => kind === query.get('sweep')) ?? DEFAULTS.sweep
  return {
    model: text('model'),
    shape: text('shape'),
    sweep,
    values: splitValues(query.get('values') ?? ''),
    backend: text('backend'),
    variant: text('variant'),
    threads: number('threads'),
    kv: text('kv'),
    head: text('head'),
    batch: number('batch'),
    prompt: number('prompt'),
    generate: number('generate'),
    repeat: number('repeat'),
    strict: query.get('strict') === '1',
    software: query.get('software') === '1',
    budget: number('budget'),
  }
}

/** '128, 256 512' -> three values. */
export function splitValues(text: string): string[] {
  return text.split(/[\s,]+/).filter(value => value !== '')
}

/** The query string of settings; defaults are left out. */
export function queryOf(settings: BenchSettings): URLSearchParams {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(settings)) {
    const standard: unknown = DEFAULTS[key as keyof BenchSettings]
    if (Array.isArray(value)) {
      if (value.length > 0) query.set(key, value.join(','))
    } else if (value !== standard) {
      query.set(key, value === true ? '1' : String(value))
    }
  }
  return query
}

// From settings to the cells of a sweep: one cell is one engine, loaded with certain options, and what
// is measured on it. Pure.
import type { LoadOptions } from 'ryzanstein'
import type { BenchSettings, SweepKind } from './settings.ts'

export interface Cell {
  readonly sweep: SweepKind
  /** As it stands on the x axis. */
  readonly value: string
  readonly measure: 'speed' | 'breakdown' | 'load' | 'soak' | 'bandwidth'
  readonly load: LoadOptions
  /** Tokens of each sequence's prompt, and new ones. */
  readonly prompt: number
  readonly generate: number
  /** Sequences at the same time. */
  readonly batch: number
  readonly repeat: number
  /** The site's stored models are deleted before each load. */
  readonly cold: boolean
}

/** Live requests in a sweep of requests: what an engine has by default. */
const SEATS = 4

/** The values a sweep takes when none are given. */
export function standardValues(sweep: SweepKind, cores: number): string[] {
  switch (sweep) {
    case 'threads':
    case 'bandwidth':
      return threadCounts(cores).map(String)
    case 'variant':
      return ['relaxed', 'relaxed-i32', 'simd128', 'relaxed@1', 'simd128@1', 'scalar@1']
    case 'context':
      return ['128', '256', '512', '1024', '2048']
    case 'batch':
      return ['1', '2', '4', '8']
    case 'kv':
      return ['f32', 'f16', 'int8', 'int4']
    case 'head':
      return ['int8', 'int4']
    case 'prompt':
      return ['16', '64', '128', '512']
    case 'requests':
      return ['1', '2', '3', '4', '8']
    case 'breakdown':
      return ['token']
    case 'load':
      return ['cold', 'warm']
    case 'soak':
      return ['16']
    default:
      return sweep satisfies never
  }
}

/** 1, 2, 4, 8 .. and the number of cores itself. */
function threadCounts(cores: number): number[] {
  const counts: number[] = []
  for (let n = 1; n < cores; n *= 2) counts.push(n)
  return [...counts, cores]
}

/**
 * The cells of a run, in order.
 * @throws Error that names a value which the sweep cannot take
 */
export function planCells(settings: BenchSettings, cores: number): Cell[] {
  const { sweep } = settings
  const values = settings.values.length > 0 ? settings.values : standardValues(sweep, cores)
  return values.map(value => cellOf(settings, value))
}

function cellOf(settings: BenchSettings, value: string): Cell {
  const { sweep } = settings
  const size = () => wholeNumber(sweep, value)
  let { threads, variant, kv, head, batch, prompt, generate } = settings
  let measure: Cell['measure'] = 'speed'
  if (sweep === 'threads') threads = size()
  else if (sweep === 'bandwidth') [threads, measure] = [size(), sweep]
  else if (sweep === 'variant') [variant, threads] = variantAndThreads(value, threads)
  else if (sweep === 'kv') kv = value
  else if (sweep === 'head') head = value
  else if (sweep === 'batch' || sweep === 'requests') batch = size()
  else if (sweep === 'prompt') prompt = size()
  else if (sweep === 'context') {
    // The last tokens before the context is full are the ones measured.
    generate = Math.min(generate, size() >> 1)
    prompt = size() - generate
  } else measure = sweep
  const cell = { sweep, value, measure, prompt, generate, batch, cold: value === 'cold' }
  // More requests than seats wait in the queue.
  const seats = sweep === 'requests' ? Math.min(SEATS, batch) : batch
  // The breakdown asks for one token more, the warm-up for sixteen.
  const context = Math.max(16, prompt + generate + (measure === 'breakdown' ? 1 : 0))
  // Where a GPU computes, only it knows where a token's time goes.
  const profile = measure === 'breakdown'
  const load = loadOptions(settings, { variant, threads, kv, head, seats, context, profile })
  return { ...cell, load, repeat: measure === 'soak' ? size() : settings.repeat }
}

interface Chosen {
  variant: string
  threads: number
  kv: string
  head: string
  seats: number
  context: number
  profile: boolean
}

function loadOptions(
  { backend, strict, software, budget }: BenchSettings,
  chosen: Chosen,
): LoadOptions {
  return {
    ...(backend === 'auto' ? {} : { backend: backend as LoadOptions['backend'] }),
    ...(chosen.variant === 'auto' ? {} : { variant: chosen.variant as LoadOptions['variant'] }),
    ...(chosen.threads === 0 ? {} : { threads: chosen.threads }),
    ...(chosen.kv === 'auto' ? {} : { kv: chosen.kv as LoadOptions['kv'] }),
    ...(chosen.head === 'auto' ? {} : { head: chosen.head as LoadOptions['head'] }),
    ...(strict ? { strict } : {}),
    ...(software ? { allowSoftwareAdapter: true } : {}),
    ...(chosen.profile ? { profileGpu: true } : {}),
    ...(budget === 0 ? {} : { memoryBudget: budget * 1e6 }),
    contextLength: chosen.context,
    maxSequences: chosen.seats,
  }
}

/** 'simd128@1' is a kernel variant and a number of threads. */
function variantAndThreads(value: string, threads: number): [string, number] {
  const [variant, count] = value.split('@')
  return [variant, count === undefined ? threads : wholeNumber('variant', count)]
}

function wholeNumber(sweep: SweepKind, value: string): number {
  const number = Number(value)
  if (Number.isInteger(number) && number > 0) return number
  throw new Error(`the ${sweep} sweep cannot take "${value}"; give whole numbers above 0`)
}

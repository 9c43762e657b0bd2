// The JSON of a benchmark run: what the page exports, the driver collects and the report reads. Snake
// case, because it is a file format and not an API. Sizes are in MB of 1e6 bytes, times in milliseconds.
import type { Spread } from './statistics.ts'

/** Raised when a field changes its meaning. */
export const RESULTS_VERSION = 1

export interface BenchHead {
  version: number
  /** CPU, cores and memory, as far as they can be known. */
  machine: string
  browser: string
  /** Of the repository; 'unknown' when the page was run by hand. */
  commit: string
  /** ISO 8601. */
  date: string
  cross_origin_isolated: boolean
  /** Quick runs prove that everything works; their figures are not for quoting. */
  quick: boolean
}

export interface RowError {
  /** A code of RyzError, or OUTPUT_DIFFERS, or TIMEOUT. */
  code: string
  message: string
}

export interface MemoryParts {
  weights: number
  kv: number
  scratch: number
  total: number
}

export interface PoolFigures {
  /** Mean threads of the steps, and the same second by second, the newest last. */
  active: number
  active_by_second: number[]
  /** Of each thread: its share of the pieces of work. */
  piece_shares: number[]
  /** Share of the steps' time that the first thread waited for pieces of others. */
  waiting: number
  /** Other programs used the processor. */
  others_busy: boolean
}

/** The GPU of a row, and what its steps were made of. */
export interface GpuFigures {
  adapter: string
  /** It computes on the CPU: the speeds of this row are nobody's. */
  software: boolean
  features: string[]
  inner_loop: string
  /** Of the last step. */
  dispatches: number
  /** Bytes of weights and KV that the last token computed alone had to read. */
  token_bytes: number
  /** Results that were waited for, since the load. */
  waits: number
  /** Where norm and rounding happen, and why: what was measured, or why nothing was. */
  form: string
  tuning?: string
  /** Steps sent before their tokens are read, and milliseconds of a read with nothing to compute. */
  ahead: number
  wait_ms: number
  /** How ops_ms was taken. */
  profile?: string
}

export interface BenchRow {
  /** Name of the job that made it, when a driver ran the page. */
  job?: string
  /** What was swept, and this row's value of it. */
  sweep: string
  value: string
  model: string
  shape: string
  backend: string
  variant: string
  threads: number
  batch: number
  /** Tokens a sequence holds at the end of the measurement. */
  context: number
  kv: string
  /** Rounding of embedding and head: 'int8', 'int4' or 'file'; rows from before it was a choice: int8. */
  head?: string
  prompt_tokens: number
  new_tokens: number
  /** Of all sequences together. null: not measured in this row. */
  prefill_tok_s: number | null
  decode_tok_s: number | null
  /** Submission to the first token in the page. */
  ttft_ms: number | null
  /** Wait in the queue: median and longest. */
  queue_ms: number | null
  queue_max_ms?: number
  /** Median of the requests: end of the wait to the last token. */
  process_ms: number | null
  /** Until the last token of all requests. */
  wall_ms?: number
  load_ms: number | null
  /** VmHWM of the renderer, seen from outside; null when nothing looked. */
  peak_rss_mb: number | null
  /** The same when the (first) load had ended. */
  load_peak_mb: number | null
  /** CPU seconds of the renderer per second while measuring, over the threads. Spinning counts as busy. */
  cpu_share: number | null
  /** Busy share of each of the busiest `threads` workers while measuring, busiest first. */
  thread_busy: number[] | null
  /** What the threads did while measuring; absent with one, and on a GPU. */
  pool?: PoolFigures
  /** Only of a GPU. */
  gpu?: GpuFigures
  /** Why the GPU or the CPU computes, where that was not asked for. */
  choice?: string
  memory_mb: MemoryParts | null
  /** RSS of the renderer before the model was loaded, seen from outside. */
  page_rss_mb: number | null
  /** GB of 10^9 bytes that wasm reads a second from memory; only in a bandwidth sweep. */
  read_gb_s?: number
  /** Repetitions behind the medians. */
  runs: number
  spread: {
    read_gb_s?: Spread
    prefill_tok_s?: Spread
    decode_tok_s?: Spread
    ttft_ms?: Spread
    load_ms?: Spread
  }
  /** Fingerprint of the greedy tokens, equal in every repetition. */
  output: string | null
  /** Milliseconds of one decoded token by operation; 'other' is what no operation accounts for. */
  ops_ms?: Record<string, number>
  /** Of a sustained run, in order. */
  segments?: { tokens: number; decode_tok_s: number; memory_mb: number }[]
  fallbacks: string[]
  error?: RowError
  /** Where this row was measured when it was not where the head says. */
  measured?: { machine: string; commit: string; date: string }
}

/** Whether its GPU computes on the CPU: its speeds are kept to see that it works, and told nowhere. */
export function isSoftware({ gpu }: BenchRow): boolean {
  return gpu?.software === true
}

/** A model file that was measured. */
export interface FileFacts {
  name: string
  bytes: number
  sha256: string
  /** How it was made. */
  command: string
}

export interface BenchReport {
  head: BenchHead
  files?: FileFacts[]
  /** Bytes that one decoded token allocates, measured in Node: heap, and buffers outside of it. */
  allocation?: { model: string; node: string; heap: number; buffers: number; tokens: number }
  rows: BenchRow[]
  /** Jobs that gave no rows, or not all: name and reason. */
  problems?: { job: string; reason: string }[]
}

// Measures one cell: loads an engine, warms it up, repeats the work, checks that the greedy tokens are
// the same each time, and makes a row of medians. Knows no page; `load` is handed in. Called by run.ts.
import type {
  EngineStats,
  GenerateResult,
  LoadOptions,
  ModelSource,
  OpTime,
  PoolStats,
} from 'ryzanstein'
import type { Observation, Observe } from './observer.ts'
import type { Cell } from './plan.ts'
import { type Answered, ask, type Engine, fingerprint, randomPrompt } from './requests.ts'
import type { BenchRow, GpuFigures, PoolFigures } from './results.ts'
import { median, rounded, spread } from './statistics.ts'
import { decodeRate, firstTokenMs, type Timeline } from './timeline.ts'

export type Load = (source: ModelSource, options: LoadOptions) => Promise<Engine>

export interface Bench {
  readonly load: Load
  readonly source: ModelSource
  readonly model: string
  readonly shape: string
  readonly observe: Observe
  /** Deletes what the site has stored, before a cold load. */
  readonly forget: () => Promise<void>
  /** GB a second that wasm reads with so many threads. */
  readonly readBandwidth: (threads: number) => Promise<number>
  /** Waits until the browser has taken back the memory of an engine that was closed. */
  readonly settle: () => Promise<void>
  readonly signal?: AbortSignal
}

/** The row of a cell; what goes wrong stands in the row and is not thrown, except a cancelled run. */
export async function measureCell(bench: Bench, cell: Cell): Promise<BenchRow> {
  const row = emptyRow(bench, cell)
  row.page_rss_mb = (await bench.observe('start'))?.peak_rss_mb ?? null
  try {
    if (cell.measure === 'bandwidth') await measureReading(bench, cell, row)
    else if (cell.measure === 'load') await measureLoads(bench, cell, row)
    else await withEngine(bench, cell, row)
  } catch (caught) {
    if (bench.signal?.aborted) throw caught
    const { code, message } = caught as { code?: string; message?: string }
    row.error = { code: code ?? 'ERROR', message: message ?? String(caught) }
  }
  row.peak_rss_mb = (await bench.observe('end'))?.peak_rss_mb ?? null
  return row
}

function emptyRow({ model, shape }: Bench, { sweep, value, load, ...cell }: Cell): BenchRow {
  return {
    sweep,
    value,
    model,
    shape,
    backend: load.backend ?? 'auto',
    variant: load.variant ?? 'auto',
    threads: typeof load.threads === 'number' ? load.threads : 0,
    batch: cell.batch,
    context: cell.prompt + cell.generate,
    kv: load.kv ?? 'auto',
    head: load.head ?? 'auto',
    prompt_tokens: cell.prompt,
    new_tokens: cell.generate,
    prefill_tok_s: null,
    decode_tok_s: null,
    ttft_ms: null,
    queue_ms: null,
    process_ms: null,
    load_ms: null,
    peak_rss_mb: null,
    load_peak_mb: null,
    cpu_share: null,
    thread_busy: null,
    memory_mb: null,
    page_rss_mb: null,
    runs: cell.repeat,
    spread: {},
    output: null,
    fallbacks: [],
  }
}

async function measureReading(bench: Bench, cell: Cell, row: BenchRow): Promise<void> {
  const rates: number[] = []
  for (let i = 0; i < cell.repeat; i++) {
    bench.signal?.throwIfAborted()
    rates.push(rounded(await bench.readBandwidth(row.threads)))
  }
  Object.assign(row, { model: 'none', shape: 'none', backend: 'wasm', variant: 'simd128' })
  row.read_gb_s = median(rates)
  row.spread.read_gb_s = spread(rates)
}

async function measureLoads(bench: Bench, cell: Cell, row: BenchRow): Promise<void> {
  const times: number[] = []
  if (!cell.cold) {
    // A warm load is one that follows another.
    await (await timedLoad(bench, cell, [])).close()
    await bench.settle()
    await bench.observe('start')
  }
  for (let i = 0; i < cell.repeat; i++) {
    if (i > 0) await bench.settle()
    if (cell.cold) await bench.forget()
    const engine = await timedLoad(bench, cell, times)
    recordPath(row, await engine.stats())
    // Of the first: later ones may begin before the browser has cleaned up.
    row.load_peak_mb ??= (await bench.observe('loaded'))?.peak_rss_mb ?? null
    await engine.close()
  }
  row.load_ms = rounded(median(times))
  row.spread.load_ms = spread(times.map(t => rounded(t)))
}

async function timedLoad(bench: Bench, cell: Cell, times: number[]): Promise<Engine> {
  const begin = performance.now()
  const { signal } = bench
  const engine = await bench.load(bench.source, { ...cell.load, ...(signal ? { signal } : {}) })
  times.push(performance.now() - begin)
  return engine
}

async function withEngine(bench: Bench, cell: Cell, row: BenchRow): Promise<void> {
  const times: number[] = []
  const engine = await timedLoad(bench, cell, times)
  row.load_ms = rounded(times[0])
  row.load_peak_mb = (await bench.observe('loaded'))?.peak_rss_mb ?? null
  const close = () => void engine.close()
  bench.signal?.addEventListener('abort', close)
  try {
    recordPath(row, await engine.stats())
    await ask(engine, [randomPrompt(99, 8, engine.model.vocab)], 8)
    const { pool } = await engine.stats()
    const before = await bench.observe('measure')
    const begin = performance.now()
    if (cell.measure === 'breakdown') await measureOps(engine, cell, row)
    else if (cell.measure === 'soak') await measureSoak(engine, cell, row)
    else await measureSpeed(engine, cell, row)
    const seconds = (performance.now() - begin) / 1000
    const after = await bench.observe('measured')
    if (before && after && row.threads > 0) {
      row.cpu_share = rounded((after.cpu_s - before.cpu_s) / seconds / row.threads, 3)
      row.thread_busy = busyShares(before, after, seconds).slice(0, row.threads)
    }
    const stats = await engine.stats()
    recordPath(row, stats)
    if (pool && stats.pool) row.pool = poolFigures(pool, stats.pool, seconds)
  } finally {
    bench.signal?.removeEventListener('abort', close)
    await engine.close()
  }
}

/** Share of the time that each worker thread was on a core, busiest first. */
export function busyShares(before: Observation, after: Observation, seconds: number): number[] {
  return Object.entries(after.worker_cpu_s)
    .map(([id, cpu]) => rounded((cpu - (before.worker_cpu_s[id] ?? 0)) / seconds, 3))
    .sort((a, b) => b - a)
}

/** What the threads did between two looks. */
export function poolFigures(before: PoolStats, after: PoolStats, seconds: number): PoolFigures {
  const grown = (of: 'msByActive' | 'pieces') => after[of].map((n, i) => n - before[of][i])
  const total = (values: readonly number[]) => values.reduce((sum, n) => sum + n, 0)
  const ms = grown('msByActive')
  const pieces = grown('pieces')
  const steps = total(ms)
  return {
    active: rounded(steps > 0 ? total(ms.map((n, i) => n * (i + 1))) / steps : after.active, 2),
    active_by_second: after.activeBySecond.slice(-Math.ceil(seconds)).map(n => rounded(n, 2)),
    piece_shares: pieces.map(n => rounded(n / Math.max(1, total(pieces)), 3)),
    waiting: rounded(steps > 0 ? (after.waitMs - before.waitMs) / steps : 0, 3),
    others_busy: after.othersBusy,
  }
}

/** What really runs, in place of what was asked for. */
function recordPath(row: BenchRow, stats: EngineStats): void {
  row.backend = stats.backend
  row.variant = stats.variant
  row.threads = stats.threads
  row.kv = stats.kv
  row.head = stats.head
  row.shape ||= stats.model.name
  if (stats.gpu) row.gpu = gpuFigures(stats.gpu)
  if (stats.choice) row.choice = `${stats.choice.source}: ${stats.choice.reason}`
  row.fallbacks = stats.fallbacks.map(f => `${f.to} instead of ${f.from}: ${f.reason}`)
  const { weights, kv, scratch, total } = stats.memory
  const mb = (bytes: number) => rounded(bytes / 1e6)
  row.memory_mb = { weights: mb(weights), kv: mb(kv), scratch: mb(scratch), total: mb(total) }
}

function gpuFigures(gpu: NonNullable<EngineStats['gpu']>): GpuFigures {
  const { vendor, architecture, description, software, features, innerLoop, drawing, profile } = gpu
  return {
    adapter: [vendor, architecture, description].filter(word => word !== '').join(' '),
    software,
    features,
    inner_loop: innerLoop,
    dispatches: gpu.stepDispatches,
    token_bytes: gpu.tokenBytes,
    waits: gpu.waits,
    form: gpu.form,
    ...(gpu.tuning && { tuning: `${gpu.tuning.source}: ${gpu.tuning.reason}` }),
    ahead: drawing?.ahead ?? 0,
    wait_ms: rounded(drawing?.waitMs ?? 0),
    ...(profile ? { profile } : {}),
  }
}

function promptsOf(engine: Engine, cell: Cell): number[][] {
  return Array.from({ length: cell.batch }, (_, i) =>
    randomPrompt(i, cell.prompt, engine.model.vocab),
  )
}

async function measureSpeed(engine: Engine, cell: Cell, row: BenchRow): Promise<void> {
  const prompts = promptsOf(engine, cell)
  const runs: Answered[] = []
  for (let i = 0; i < cell.repeat; i++) {
    runs.push(await ask(engine, prompts, cell.generate))
    checkOutput(row, runs[i])
  }
  const decode = runs.map(run => rounded(decodeRate(run.timelines)))
  const ttft = runs.map(run => rounded(median(run.timelines.map(firstTokenMs))))
  const prefill = runs.map(run => rounded(prefillRate(run)))
  const queue = runs.map(run => median(run.results.map(r => r.queueMs)))
  const served = runs.map(run => median(run.results.map((r, i) => servedMs(run.timelines[i], r))))
  // Requests that wait for others never decode with all of them.
  if (cell.generate > 1 && decode.every(Number.isFinite)) {
    row.decode_tok_s = rounded(median(decode))
    row.spread.decode_tok_s = spread(decode)
  }
  row.prefill_tok_s = rounded(median(prefill))
  row.ttft_ms = rounded(median(ttft))
  row.queue_ms = rounded(median(queue))
  row.queue_max_ms = rounded(median(runs.map(run => Math.max(...run.results.map(r => r.queueMs)))))
  row.process_ms = rounded(median(served))
  row.wall_ms = rounded(median(runs.map(run => run.wallMs)))
  row.spread.prefill_tok_s = spread(prefill)
  row.spread.ttft_ms = spread(ttft)
}

/** From the end of the wait to the last token. */
function servedMs({ start, arrivals }: Timeline, { queueMs }: GenerateResult): number {
  return arrivals[arrivals.length - 1] - start - queueMs
}

/** One request: the engine's own clock. Several: until the last of them has its first token. */
function prefillRate({ results, timelines }: Answered): number {
  const tokens = results.reduce((sum, r) => sum + r.promptTokens, 0)
  const begin = Math.min(...timelines.map(t => t.start))
  const end = Math.max(...timelines.map(t => t.arrivals[0]))
  return (tokens * 1000) / (results.length === 1 ? results[0].prefillMs : end - begin)
}

function checkOutput(row: BenchRow, { results }: Answered): void {
  const output = fingerprint(results)
  row.output ??= output
  if (row.output === output) return
  throw Object.assign(new Error('the greedy tokens of two repetitions differ'), {
    code: 'OUTPUT_DIFFERS',
  })
}

/**
 * Time of one decoded token by operation, from the steps that the engine timed (each makes logits once),
 * and what a request of 1 + n new tokens takes longer than one of 1, so that the prompt's share falls out.
 */
async function measureOps(engine: Engine, cell: Cell, row: BenchRow): Promise<void> {
  const prompts = promptsOf(engine, cell)
  const tokens = cell.generate
  const samples: Record<string, number>[] = []
  // From here on the prompt is found in the KV cache, and its time with all its noise is gone.
  await ask(engine, prompts, 1, true)
  for (let i = 0; i < cell.repeat; i++) {
    const t0 = (await engine.stats()).ops
    const short = await ask(engine, prompts, 1, true)
    const t1 = (await engine.stats()).ops
    const long = await ask(engine, prompts, 1 + tokens, true)
    const t2 = (await engine.stats()).ops
    checkOutput(row, long)
    const sample: Record<string, number> = {}
    // Both read the end of the prompt, and the longer one writes besides.
    const more = (op: string, of: 'calls' | 'ms') =>
      entryOf(t2, op)[of] - 2 * entryOf(t1, op)[of] + entryOf(t0, op)[of]
    // A GPU ends each step that is read with the stamp.
    const timed = more(t2.some(({ op }) => op === 'finish') ? 'finish' : 'logits', 'calls')
    if (timed <= 0) throw new Error(`no step of ${tokens} tokens was timed; ask for 32 or more`)
    for (const { op } of t2) sample[op] = more(op, 'ms') / timed
    const known = Object.values(sample).reduce((sum, ms) => sum + ms, 0)
    sample.other = (long.wallMs - short.wallMs) / tokens - known
    samples.push(sample)
  }
  const perToken: Record<string, number> = {}
  for (const op of Object.keys(samples[0])) {
    perToken[op] = rounded(median(samples.map(sample => sample[op] ?? 0)))
  }
  row.ops_ms = perToken
  const totals = samples.map(s => Object.values(s).reduce((sum, ms) => sum + ms, 0))
  row.decode_tok_s = rounded((1000 * cell.batch) / median(totals))
  row.spread.decode_tok_s = spread(totals.map(ms => rounded((1000 * cell.batch) / ms)))
}

function entryOf(ops: readonly OpTime[], op: string): OpTime {
  return ops.find(entry => entry.op === op) ?? { op, calls: 0, ms: 0 }
}

/** The same request again and again: is it as fast, and as small, at the end? */
async function measureSoak(engine: Engine, cell: Cell, row: BenchRow): Promise<void> {
  const prompts = promptsOf(engine, cell)
  const segments: NonNullable<BenchRow['segments']> = []
  for (let i = 0; i < cell.repeat; i++) {
    const run = await ask(engine, prompts, cell.generate)
    checkOutput(row, run)
    const { memory } = await engine.stats()
    segments.push({
      tokens: run.timelines.reduce((sum, t) => sum + t.arrivals.length, 0),
      decode_tok_s: rounded(decodeRate(run.timelines)),
      memory_mb: rounded(memory.total / 1e6),
    })
  }
  row.segments = segments
  const rates = segments.map(s => s.decode_tok_s)
  row.decode_tok_s = median(rates)
  row.spread.decode_tok_s = spread(rates)
}

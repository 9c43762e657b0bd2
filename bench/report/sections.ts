// One function a section of docs/PERFORMANCE.md: the original's table, and beside each figure ours from
// the rows of a job. What was not measured says so. Pure.
import type { BenchReport, BenchRow } from '../../demo/bench/results.ts'
import { median } from '../../demo/bench/statistics.ts'
import {
  decodeText,
  figure,
  NOT_MEASURED,
  pathsText,
  prefillText,
  table,
  withSpread,
} from './markdown.ts'
import {
  BATCH,
  BENCHMARKS,
  CONTEXT,
  ERRORS,
  KV_512,
  LATENCY,
  LATENCY_TOTAL,
  REQUESTS,
  SUSTAINED,
  TASKS,
} from './original.ts'

/** Rows of a report by job and value. */
export class Rows {
  readonly #rows: readonly BenchRow[]

  constructor(report: BenchReport) {
    this.#rows = report.rows
  }

  job(name: string): BenchRow[] {
    return this.#rows.filter(row => row.job === name)
  }

  at(name: string, value: string | number): BenchRow | undefined {
    return this.job(name).find(row => row.value === String(value))
  }
}

function perToken(row: BenchRow | undefined): number | undefined {
  return row?.decode_tok_s ? 1000 / row.decode_tok_s : undefined
}

export function baseline(rows: Rows): string {
  const row = rows.at('context-int8', 512)
  const base = rows.job('threads').at(-1)
  const hundred = base && !base.error && (base.ttft_ms ?? 0) + 99 * (perToken(base) ?? Number.NaN)
  return `## Baseline

512 tokens of context, batch 1. ${row ? `Ours: ${pathsText([row])}; first token and end to end after a prompt of ${base?.prompt_tokens ?? '?'} tokens.` : ''}

${table(
  ['', 'original', 'ours'],
  [
    ['tokens per second', '0.42', decodeText(row)],
    ['first token, ms', '450-800', withSpread(base?.ttft_ms, base?.spread.ttft_ms)],
    ['each further token, ms', '150-250', figure(perToken(row))],
    ['100 tokens end to end, ms', 'about 2,380', figure(hundred || null)],
    ['weights, MB', '200', figure(row?.memory_mb?.weights)],
    ['KV cache, MB', '120 (optimised 60)', figure(row?.memory_mb?.kv)],
    ['buffers, MB', '80', figure(row?.memory_mb?.scratch)],
    ['peak, MB (ours: the whole renderer, from outside)', '480', figure(row?.peak_rss_mb)],
  ],
)}

The renderer before a model is there, MB: ${figure(row?.page_rss_mb)}.`
}

export function threadsSection(rows: Rows): string {
  const all = rows.job('threads')
  const one = all.find(row => row.threads === 1)?.decode_tok_s
  const efficiency = (row: BenchRow) =>
    one && row.decode_tok_s ? `${figure((100 * row.decode_tok_s) / one / row.threads)} %` : ''
  return `## Threads and hardware

${table(
  [
    'threads',
    'from an empty context, tok/s',
    'decode tok/s',
    'prefill tok/s',
    'first token ms',
    'efficiency',
    'busy',
  ],
  all.map(row => [
    row.value,
    decodeText(rows.at('empty', row.value)),
    decodeText(row),
    prefillText(row),
    withSpread(row.ttft_ms, row.spread.ttft_ms),
    efficiency(row),
    busyText(row),
  ]),
)}

Decode after a prompt of ${all[0]?.prompt_tokens ?? '?'} tokens. Efficiency is decode over that of one thread, per thread. Busy is the share
of the time that each worker thread was on a core, prefill and decode together; a thread that spins while it
waits is busy, too. The original:
4-6 of 8 cores, 65-75 % utilisation, thread efficiency 78 %, about 12 GB/s, L3 hit rate 86 %, 25-35 W. Power
cannot be measured from a browser. Bytes per second achieved: ${bandwidth(rows)}.`
}

function busyText({ thread_busy }: BenchRow): string {
  if (!thread_busy || thread_busy.length === 0) return NOT_MEASURED
  return `${thread_busy.map(share => figure(share * 100, 2)).join(', ')} %`
}

/** Every weight is read once a token; the rest of the traffic is small beside it. */
function bandwidth(rows: Rows): string {
  const row = rows.job('threads').at(-1)
  if (!row?.decode_tok_s || !row.memory_mb) return NOT_MEASURED
  const gb = (row.memory_mb.weights * row.decode_tok_s) / 1000
  const achieved = `${figure(gb)} GB/s (${figure(row.memory_mb.weights)} MB of weights, once a token)`
  const bound = rows.at('bandwidth', row.threads)?.read_gb_s
  if (!bound) return `${achieved}; read bandwidth ${NOT_MEASURED}`
  return `${achieved}, ${figure((100 * gb) / bound)} % of the ${figure(bound)} GB/s that wasm reads with as many threads`
}

export function variants(rows: Rows): string {
  const all = rows.job('variant')
  return `## Kernel variants

${table(
  ['kernels @ threads', 'decode tok/s', 'prefill tok/s', 'peak MB'],
  all.map(row => [row.value, decodeText(row), prefillText(row), figure(row.peak_rss_mb)]),
)}

${sameOutput(all)}`
}

/** The promise that every path gives the same tokens, checked over the rows. */
export function sameOutput(rows: readonly BenchRow[]): string {
  const outputs = new Set(rows.filter(row => !row.error && row.output).map(row => row.output))
  if (outputs.size === 0) return 'No output was compared.'
  return outputs.size === 1
    ? 'All of these rows wrote the same greedy tokens.'
    : `**These rows wrote ${outputs.size} different texts**, which they must not.`
}

export function contextSection(rows: Rows): string {
  const both = [...rows.job('context-int8'), ...rows.job('context-f16')]
  return `## Depth of context

Decode over the last tokens before the context is full. Ours: ${pathsText(both)}.

${table(
  [
    'tokens',
    'original tok/s',
    'ms/token',
    'MB',
    'int8 KV tok/s',
    'ms/token',
    'peak MB',
    'f16 KV tok/s',
    'peak MB',
  ],
  CONTEXT.map(c => {
    const int8 = rows.at('context-int8', c.tokens)
    const f16 = rows.at('context-f16', c.tokens)
    return [
      String(c.tokens),
      String(c.tokS),
      String(c.msPerToken),
      String(c.mb),
      decodeText(int8),
      figure(perToken(int8)),
      figure(int8?.peak_rss_mb),
      decodeText(f16),
      figure(f16?.peak_rss_mb),
    ]
  }),
)}`
}

export function kvSection(rows: Rows): string {
  const ours = rows.job('kv-512')
  return `## KV cache at 512 tokens

The original: ${KV_512.map(([name, mb]) => `${name} ${mb} MB`).join(', ')} (-73 %); 230 to 157 ms a token; cache
lines a token 78 to 42. ${pathsText(ours) === 'nothing ran' ? '' : 'Ours:'}

${table(
  ['type', 'KV MB', 'decode tok/s', 'ms/token', 'peak MB'],
  ours.map(row => [
    row.value,
    row.error?.code ?? figure(row.memory_mb?.kv),
    decodeText(row),
    figure(perToken(row)),
    figure(row.peak_rss_mb),
  ]),
)}

Cache lines a token: ${NOT_MEASURED}.`
}

export function batchSection(rows: Rows): string {
  const ours = rows.job('batch')
  const long = rows.job('batch-8x192')[0]
  return `## Batch

Ours: ${pathsText(ours)}; ${ours[0]?.context ?? '?'} tokens of context each, tokens per second of all sequences together.

${table(
  ['batch', 'original tok/s', 'MB', 'ours tok/s', 'peak MB'],
  BATCH.map(b => {
    const row = rows.at('batch', b.batch)
    return [String(b.batch), b.tokS, b.mb, decodeText(row), figure(row?.peak_rss_mb)]
  }),
)}

Eight sequences of 192 tokens: ${decodeText(long)} tok/s, peak ${figure(long?.peak_rss_mb)} MB.`
}

export function latencySection(rows: Rows): string {
  const row = rows.job('breakdown')[0]
  const ops = row?.ops_ms
  const total = ops && Object.values(ops).reduce((sum, ms) => sum + ms, 0)
  const share = (ms: number | undefined) =>
    ms === undefined || !total ? '' : `${figure((100 * ms) / total, 2)} %`
  const sum = (names: readonly string[]) =>
    ops && names.length > 0 ? names.reduce((s, name) => s + (ops[name] ?? 0), 0) : undefined
  const named = new Set<string>(LATENCY.flatMap(part => [...part.ours]))
  const rest = Object.keys(ops ?? {}).filter(op => !named.has(op))
  return `## Latency of one token

${row ? `At ${row.context} tokens of context; ${pathsText([row])}.` : ''}

${table(
  ['part', 'original ms', 'share', 'ours ms', 'share', 'our operations'],
  [
    ...LATENCY.map(part => [
      part.part,
      String(part.ms),
      `${figure((100 * part.ms) / LATENCY_TOTAL, 2)} %`,
      part.ours.length === 0 ? 'inside the matrices' : figure(sum(part.ours)),
      share(sum(part.ours)),
      part.ours.join(', '),
    ]),
    [
      'norms, residuals, everything else',
      '',
      '',
      figure(sum(rest)),
      share(sum(rest)),
      rest.join(', '),
    ],
    ['total', String(LATENCY_TOTAL), '', figure(total), '', ''],
  ],
)}

\`other\` is what no operation accounts for: the graph, sampling, streaming to the page.`
}

export function sustained(rows: Rows): string {
  const row = rows.job('soak')[0]
  const segments = row?.segments ?? []
  const quarter = Math.max(1, Math.ceil(segments.length / 4))
  const parts = [0, 1, 2, 3]
    .map(i => segments.slice(i * quarter, (i + 1) * quarter))
    .filter(part => part.length > 0)
  let done = 0
  const lines = parts.map(part => {
    const from = done
    for (const segment of part) done += segment.tokens
    const rate = median(part.map(s => s.decode_tok_s))
    return [`${figure(from, 6)}-${figure(done, 6)}`, figure(rate), figure(part.at(-1)?.memory_mb)]
  })
  return `## Sustained load

${table(
  ['original: tokens', 'tok/s', 'MB'],
  SUSTAINED.map(s => [s.tokens, String(s.tokS), String(s.mb)]),
)}

${lines.length === 0 ? `Ours: ${NOT_MEASURED}.` : `Ours, far fewer tokens:\n\n${table(['tokens', 'tok/s', 'engine MB'], lines)}`}

The original's uptime (99.9 % over 1M+ tokens) and MTBF (> 500 h) have no counterpart: ${NOT_MEASURED}.`
}

export function requestsSection(rows: Rows): string {
  const ours = rows.job('requests')
  return `## Concurrent requests

Requests of ${ours[0]?.new_tokens ?? '?'} new tokens at the same moment, all live together: median wait, and time until the last has ended.

${table(
  ['requests', 'original queue ms', 'process ms', 'MB', 'ours queue ms', 'process ms', 'peak MB'],
  REQUESTS.map(r => {
    const row = rows.at('requests', r.requests)
    return [
      String(r.requests),
      r.queueMs,
      r.processMs,
      r.mb,
      row?.error?.code ?? figure(row?.queue_ms),
      figure(row?.process_ms),
      figure(row?.peak_rss_mb),
    ]
  }),
)}`
}

export function matrixSection(rows: Rows): string {
  const ternary = rows.at('matrix-ternary', 512) ?? rows.job('matrix-ternary')[0]
  const f16 = rows.at('matrix-f16', 512) ?? rows.job('matrix-f16')[0]
  return `## Ternary against unquantised

The original compares ternary with FP32; ours compares ternary with F16 of the same shape (weights that no
ternary code can hold, llama architecture in both).

${table(
  ['', 'original ternary', 'original FP32', 'ours ternary', 'ours F16'],
  [
    [
      'weights, MB',
      '200',
      '2,500',
      figure(ternary?.memory_mb?.weights),
      figure(f16?.memory_mb?.weights),
    ],
    ['peak, MB', '420', '3,200', figure(ternary?.peak_rss_mb), figure(f16?.peak_rss_mb)],
    ['tok/s', '0.42', '0.38', decodeText(ternary), decodeText(f16)],
    ['ms a token', '158', '220', figure(perToken(ternary)), figure(perToken(f16))],
    ['accuracy loss', '< 2 %', '', NOT_MEASURED, ''],
  ],
)}`
}

export function promptSection(rows: Rows): string {
  const ours = rows.job('prompt')
  return `## Prefill and first token

${table(
  ['prompt', 'prefill tok/s', 'first token ms'],
  ours.map(row => [row.value, prefillText(row), withSpread(row.ttft_ms, row.spread.ttft_ms)]),
)}

The original gives one figure: 450-800 ms to the first token.`
}

export function loadSection(rows: Rows): string {
  return `## Loading

${table(
  ['', 'ms', 'peak MB'],
  rows
    .job('load')
    .map(row => [row.value, withSpread(row.load_ms, row.spread.load_ms), figure(row.peak_rss_mb)]),
)}

Cold: nothing of the site is stored, the file comes from a server on the same machine. Warm: loaded once before.
The original has no such table.`
}

export function otherModels(rows: Rows): string {
  const lines = [...rows.job('2b-threads'), ...rows.job('2b-context'), ...rows.job('embedded')]
  return `## Other models

${table(
  ['model', 'sweep', 'decode tok/s', 'prefill tok/s', 'first token ms', 'peak MB'],
  lines.map(row => [
    row.shape,
    `${row.sweep} ${row.value}`,
    decodeText(row),
    prefillText(row),
    withSpread(row.ttft_ms, row.spread.ttft_ms),
    figure(row.peak_rss_mb),
  ]),
)}`
}

export function tMac(): string {
  return `## Lookup tables (T-MAC)

The original: L3 miss rate 8.2 to 1.4 %; throughput +18 % sequential, +47 % random, +12-18 % overall. A browser has
no cache counters; misses with and without the lookup layout: ${NOT_MEASURED}. Kernel choices and what was tried are in
the notes below.`
}

export function unmeasured(): string {
  return `## Tasks, accuracy, errors

${table(
  ['task', 'original', 'ours'],
  TASKS.map(([task, value]) => [task, value, NOT_MEASURED]),
)}

${table(
  ['benchmark (ternary / full)', 'original', 'ours'],
  BENCHMARKS.map(([name, value]) => [name, value, NOT_MEASURED]),
)}

${table(
  ['error', 'original', 'ours'],
  ERRORS.map(([name, value]) => [
    name,
    value,
    'a RyzError with a code: [src/errors.ts](../src/errors.ts)',
  ]),
)}`
}

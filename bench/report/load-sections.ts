// The sections of docs/PERFORMANCE.md about load and the rest: batch, latency, sustained load, requests,
// other models, accuracy. Like speed-sections.ts. Pure.
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
  ERRORS,
  LATENCY,
  LATENCY_TOTAL,
  REQUESTS,
  SUSTAINED,
  TASKS,
} from './original.ts'
import { perToken, type Rows } from './rows.ts'

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

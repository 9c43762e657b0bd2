// The sections of docs/PERFORMANCE.md about load and the rest: batch, latency, sustained load, requests,
// other models, accuracy. Like speed-sections.ts. Pure.
import type { BenchRow } from '../../demo/bench/results.ts'
import {
  decodeText,
  figure,
  NOT_MEASURED,
  pathsText,
  pathText,
  prefillText,
  table,
  withSpread,
} from './markdown.ts'
import { BATCH, BENCHMARKS, ERRORS, LATENCY, LATENCY_TOTAL, REQUESTS, TASKS } from './original.ts'
import { perToken, type Rows } from './rows.ts'

export function batchSection(rows: Rows): string {
  const ours = rows.job('batch')
  const eight = [rows.job('batch-8x192')[0], rows.job('batch-8x384')[0]]
  return `## Batch

Ours: ${pathsText(ours)}; ${ours[0]?.context ?? '?'} tokens of context each, tokens per second of all sequences together.

${table(
  ['batch', 'original tok/s', 'MB', 'ours tok/s', 'peak MB'],
  BATCH.map(b => {
    const row = rows.at('batch', b.batch)
    return [String(b.batch), b.tokS, b.mb, decodeText(row), figure(row?.peak_rss_mb)]
  }),
)}

Eight sequences within the default budget of 500 MB:

${table(
  ['tokens each', 'KV type', 'KV MB', 'tok/s', 'peak MB'],
  eight.map((row, i) => [
    row ? String(row.context) : ['192', '384'][i],
    row?.kv ?? ['int8', 'int4'][i],
    figure(row?.memory_mb?.kv),
    decodeText(row),
    figure(row?.peak_rss_mb),
  ]),
)}`
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

export function requestsSection(rows: Rows): string {
  const ours = rows.job('requests')
  return `## Concurrent requests

Requests of ${ours[0]?.new_tokens ?? '?'} new tokens at the same moment; four are live together, more wait in the queue: longest wait, median
time from its end to the last token, and time until all have ended.

${table(
  [
    'requests',
    'original queue ms',
    'process ms',
    'MB',
    'ours queue ms',
    'process ms',
    'all ended ms',
    'peak MB',
  ],
  REQUESTS.map(r => {
    const row = rows.at('requests', r.requests)
    return [
      String(r.requests),
      r.queueMs,
      r.processMs,
      r.mb,
      row?.error?.code ?? figure(row?.queue_max_ms),
      figure(row?.process_ms),
      figure(row?.wall_ms),
      figure(row?.peak_rss_mb),
    ]
  }),
)}`
}

/** Columns of the comparison of types: ternary, F16, F32. */
const MATRIX = ['matrix-ternary', 'matrix-f16', 'matrix-f32'] as const

export function matrixSection(rows: Rows, quality: Quality = {}): string {
  const [ternary, f16] = MATRIX.map(job => rows.at(job, 512))
  const short = MATRIX.map(job => rows.at(job, 64))
  const f32 = short[2]
  return `## Ternary against unquantised

The original compares ternary with FP32; ours compares ternary with F16 and F32 of the same shape (weights that no
ternary code can hold, llama architecture in all). F16 reads its prompt slowly: ${f16?.runs === 1 ? 'one run only.' : `${f16?.runs ?? 'no'} runs.`}
F32, whose file has 2.9 GB of the 4 GiB that wasm can address, was measured at 64 tokens of context, where the second table has
all three. It decodes faster than F16, whose weights wasm has to convert.

${table(
  ['', 'original ternary', 'original FP32', 'ours ternary', 'ours F16', 'ours F32, 64 tokens'],
  [
    ['weights, MB', '200', '2,500', ...[ternary, f16, f32].map(weightsText)],
    ['peak, MB', '420', '3,200', ...[ternary, f16, f32].map(row => figure(row?.peak_rss_mb))],
    ['tok/s', '0.42', '0.38', ...[ternary, f16, f32].map(decodeText)],
    ['ms a token', '158', '220', ...[ternary, f16, f32].map(row => figure(perToken(row)))],
    ['accuracy loss', '< 2 %', '', quality['accuracy loss'] ?? NOT_MEASURED, '', ''],
  ],
)}

At 64 tokens of context (${whereText(short)}):

${table(
  ['', 'ternary', 'F16', 'F32'],
  [
    ['weights, MB', ...short.map(weightsText)],
    ['peak, MB', ...short.map(row => figure(row?.peak_rss_mb))],
    ['decode tok/s', ...short.map(decodeText)],
    ['prefill tok/s', ...short.map(prefillText)],
    ['load from the store, ms', ...short.map(row => figure(row?.load_ms))],
  ],
)}`
}

const weightsText = (row: BenchRow | undefined) => figure(row?.memory_mb?.weights)

/** Where rows were measured, when not on the report's machine. */
function whereText(rows: readonly (BenchRow | undefined)[]): string {
  const places = rows.flatMap(row => {
    if (!row) return []
    const { measured } = row
    return measured
      ? [`${measured.machine}, commit ${measured.commit}, ${measured.date.slice(0, 10)}`]
      : ['the machine of this report']
  })
  const runs = rows.map(row => row?.runs ?? 0).join(', ')
  return [...new Set(places), `runs: ${runs}`].join('; ')
}

export function promptSection(rows: Rows): string {
  const ours = [...rows.job('prompt'), ...rows.job('prompt-int8')]
  return `## Prefill and first token

${table(
  ['prompt', 'KV', 'prefill tok/s', 'first token ms'],
  ours.map(row => [
    row.value,
    row.kv,
    prefillText(row),
    withSpread(row.ttft_ms, row.spread.ttft_ms),
  ]),
)}

The original gives one figure: 450-800 ms to the first token.`
}

export function loadSection(rows: Rows): string {
  const [cold, warm] = [rows.at('load', 'cold'), rows.at('load', 'warm')]
  const full = rows.at('context-int8', 512)
  return `## Loading, and memory at its highest

${table(
  ['', 'ms', 'renderer peak MB'],
  [
    ['cold download', loadText(cold), figure(cold?.load_peak_mb)],
    ['warm load', loadText(warm), figure(warm?.load_peak_mb)],
    ['warm load, then 512 tokens, int8 KV', loadText(full), figure(full?.peak_rss_mb)],
  ],
)}

Cold: nothing of the site is stored, the file comes from a server on the same machine. Warm: stored by an earlier
visit, verified and poured. The original has no such table; its limit is 500 MB.`
}

function loadText(row: BenchRow | undefined): string {
  return withSpread(row?.load_ms, row?.spread.load_ms)
}

export function otherModels(rows: Rows): string {
  const jobs = ['2b-empty', '2b-context', 'embedded', 'embedded-prompt']
  const lines = jobs.flatMap(job => rows.job(job))
  return `## Other models

${table(
  ['model', 'sweep', 'runs as', 'decode tok/s', 'prefill tok/s', 'first token ms', 'peak MB'],
  lines.map(row => [
    row.shape,
    `${row.sweep} ${row.value}`,
    row.error ? '' : pathText(row),
    decodeText(row),
    prefillText(row),
    withSpread(row.ttft_ms, row.spread.ttft_ms),
    figure(row.peak_rss_mb),
  ]),
)}`
}

/** Text of a row by its name, from docs/bench/quality.json: figures of evals/ with their errors. */
export type Quality = Readonly<Record<string, string>>

export function qualitySection(quality: Quality = {}): string {
  const ours = (name: string) => quality[name] ?? NOT_MEASURED
  return `## Tasks, accuracy, errors

What every rounding costs stands in [ACCURACY.md](ACCURACY.md). The original names no model. Ours is ryz-chat of the demo, 17 million
parameters: it answers these benchmarks by chance or little better (a guess is right 25 % of the time, 20 % for CommonSense), so the
figure to read is the difference from the full model: the same weights with activations as they are and f16 KV,
document by document, with its 95 % interval (\`make benchmarks\`).${quality.documents ? ` ${quality.documents}` : ''}

Tasks: ${quality.suite ?? '`npx tsx evals/suite.ts`'}; memory as the engine counts it. Answers are compared with those of the
full model, since one so small has few right ones.

${table(
  ['task', 'original', 'ours'],
  TASKS.map(([task, value]) => [task, value, ours(task)]),
)}

${table(
  ['benchmark (ternary / full)', 'original', 'ours'],
  BENCHMARKS.map(([name, value]) => [name, value, ours(name)]),
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

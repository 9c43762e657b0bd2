// The sections of docs/PERFORMANCE.md about one sequence: speed, threads, kernels, context, KV. Each sets
// ours, from the rows of a job, beside the original's table; what was not measured says so. Pure.
import type { BenchRow } from '../../demo/bench/results.ts'
import {
  decodeText,
  figure,
  NOT_MEASURED,
  pathsText,
  prefillText,
  table,
  withSpread,
} from './markdown.ts'
import { CONTEXT, KV_512 } from './original.ts'
import { perToken, type Rows } from './rows.ts'

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

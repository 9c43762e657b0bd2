// The sections of docs/PERFORMANCE.md about one sequence: speed, threads, kernels, context, KV. Each sets
// ours, from the rows of a job, beside the original's table; what was not measured says so. Pure.
import type { BenchRow } from '../../demo/bench/results.ts'
import { SHAPES, type Shape } from '../../scripts/synth/shapes.ts'
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
  ],
)}

### Memory by component

${memoryTable(row)}`
}

/** A row's peak taken apart; the original's figures beside what answers them. */
function memoryTable(row: BenchRow | undefined): string {
  const memory = row?.memory_mb
  const page = row?.page_rss_mb
  const shape = row && (SHAPES as Record<string, Shape>)[row.shape]
  // One byte a weight and one f32 scale a row; the embedding table is the same bytes.
  const head = shape && (shape.vocab * (shape.hidden + 4)) / 1e6
  const known = memory && page ? memory.total + page : undefined
  const rest = known && row?.peak_rss_mb ? row.peak_rss_mb - known : undefined
  return table(
    ['MB', 'original', 'ours'],
    [
      ['weights', '200', figure(memory && head && memory.weights - head)],
      ['head and embedding table, int8', '', figure(head)],
      ['KV cache', '120 (optimised 60)', figure(memory?.kv)],
      ['activations and scratch', '80', figure(memory?.scratch)],
      ['engine', '20', 'in the last line but one'],
      ['the renderer before a model is there', '', figure(page)],
      ['code, JavaScript, workers, buffers of loading: the rest', '', figure(rest)],
      [
        'peak, the whole renderer from outside',
        '480 (420 without peaks)',
        figure(row?.peak_rss_mb),
      ],
    ],
  )
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
cannot be measured from a browser; bytes per second stand under Roofline, cache misses under Lookup tables.`
}

function busyText({ thread_busy }: BenchRow): string {
  if (!thread_busy || thread_busy.length === 0) return NOT_MEASURED
  return `${thread_busy.map(share => figure(share * 100, 2)).join(', ')} %`
}

export function variants(rows: Rows): string {
  const all = rows.job('variant')
  const fastest = all.find(row => row.value === 'relaxed')?.decode_tok_s
  const ratio = (mine: number | null | undefined, other: number | null | undefined) =>
    mine && other ? figure(mine / other) : NOT_MEASURED
  const nodes = rows.job('node').map(row => {
    // The browser's row of the same kernels on as many threads.
    const same = all.find(r => r.variant === row.variant && r.threads === row.threads)
    return [
      row.value,
      row.backend.replace('wasm in ', ''),
      decodeText(row),
      decodeText(same),
      ratio(row.decode_tok_s, same?.decode_tok_s),
      prefillText(row),
      prefillText(same),
      ratio(row.prefill_tok_s, same?.prefill_tok_s),
    ]
  })
  return `## Kernel variants

${table(
  ['kernels @ threads', 'decode tok/s', 'over relaxed', 'prefill tok/s', 'peak MB'],
  all.map(row => [
    row.value,
    decodeText(row),
    ratio(row.decode_tok_s, fastest),
    prefillText(row),
    figure(row.peak_rss_mb),
  ]),
)}

Prompt ${all[0]?.prompt_tokens ?? '?'}. ${sameOutput([...all, ...rows.job('node')])}

Node has no relaxed SIMD; the same engine and kernels there, beside Chromium's plain SIMD:

${table(
  [
    'kernels @ threads',
    'Node',
    'decode tok/s',
    'Chromium',
    'ratio',
    'prefill tok/s',
    'Chromium',
    'ratio',
  ],
  nodes,
)}`
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
  const both = ['context-int8', 'context-f16', 'context-int4'].flatMap(job => rows.job(job))
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
    '4-bit KV tok/s',
    'peak MB',
  ],
  CONTEXT.map(c => {
    const int8 = rows.at('context-int8', c.tokens)
    // Fewer depths: what was not asked for stays empty.
    const f16 = rows.at('context-f16', c.tokens)
    const int4 = rows.at('context-int4', c.tokens)
    return [
      String(c.tokens),
      String(c.tokS),
      String(c.msPerToken),
      String(c.mb),
      decodeText(int8),
      figure(perToken(int8)),
      figure(int8?.peak_rss_mb),
      f16 ? decodeText(f16) : '',
      f16 ? figure(f16.peak_rss_mb) : '',
      int4 ? decodeText(int4) : '',
      int4 ? figure(int4.peak_rss_mb) : '',
    ]
  }),
)}`
}

export function kvSection(rows: Rows): string {
  const ours = rows.job('kv-512')
  const lines = (row: BenchRow) =>
    row.memory_mb && !row.error ? (row.memory_mb.kv * 1e6) / row.context / 64 : undefined
  return `## KV cache at 512 tokens

${table(
  ['type', 'KV MB', 'cache lines of a token', 'decode tok/s', 'ms/token', 'peak MB'],
  [
    ...KV_512.map(({ name, mb, lines: n, ms }) => [`original, ${name}`, String(mb), n, '', ms, '']),
    ...ours.map(row => [
      `ours, ${row.value}`,
      row.error?.code ?? figure(row.memory_mb?.kv),
      figure(lines(row)),
      decodeText(row),
      figure(perToken(row)),
      figure(row.peak_rss_mb),
    ]),
  ],
)}

Cache lines of a token: 64 bytes each, in all layers, from the bytes that the cache takes. The original's 78 and 42 are
given without saying of what.`
}

/** What the smaller head gains, row by row. */
export function headSection(rows: Rows): string {
  const pairs = [
    ['empty context, 2 threads', rows.at('head', 'int8'), rows.at('head', 'int4')],
    ['empty context, 1 thread', rows.at('head@1', 'int8'), rows.at('head@1', 'int4')],
    ...(
      [
        ['512 tokens, int8 KV', 'context-int8', '512'],
        ['2,048 tokens, int8 KV', 'context-int8', '2048'],
        ['2,048 tokens, 4-bit KV', 'context-int4', '2048'],
        ['4 sequences', 'batch', '4'],
        ['8 sequences', 'batch', '8'],
        ['8 sequences of 192 tokens, int8 KV', 'batch-8x192', '8'],
        ['8 sequences of 384 tokens, 4-bit KV', 'batch-8x384', '8'],
        ['2B-4T, 2,048 tokens, int8 KV', '2b-context', '2048'],
      ] as const
    ).map(
      ([name, job, value]) => [name, rows.at(job, value), rows.at(`${job}-head4`, value)] as const,
    ),
    ['2B-4T, empty context', rows.at('2b-empty', '2'), rows.at('2b-head4', '2')],
  ] as const
  return `## A smaller head

\`head: 'int4'\` rounds embedding and head to 4 bits with a scale for every 16 columns: 0.56 of the bytes of int8. It
costs 0.88 % of perplexity with the embedded model, where int8 costs 0.02 % (20,480 tokens,
\`test/parity/head-types.test.ts\`), and is only taken when asked for. int8 beside 4 bits:

${table(
  ['', 'decode tok/s', '4 bits', 'ratio', 'peak MB', '4 bits'],
  pairs.map(([name, int8, int4]) => [
    name,
    decodeText(int8),
    decodeText(int4),
    figure(int8?.decode_tok_s && int4?.decode_tok_s && int4.decode_tok_s / int8.decode_tok_s),
    figure(int8?.peak_rss_mb),
    figure(int4?.peak_rss_mb),
  ]),
)}`
}

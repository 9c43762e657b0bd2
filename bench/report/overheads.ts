// Where a token's time goes beside reading weights: the roofline with what each operation loses, and
// the share of a token spent outside of kernels. Pure.
import type { BenchReport, BenchRow } from '../../demo/bench/results.ts'
import { SHAPES, type Shape } from '../../scripts/synth/shapes.ts'
import { decodeText, figure, NOT_MEASURED, pathsText, table } from './markdown.ts'
import type { Rows } from './rows.ts'

/** What no kernel does: reading logits out, and what no operation accounts for. */
const OUTSIDE: readonly string[] = ['read', 'other']

export interface Outside {
  readonly totalMs: number
  readonly outsideMs: number
  readonly share: number
}

/** The split of one token of a breakdown row. */
export function outsideKernels(row: BenchRow | undefined): Outside | undefined {
  if (!row?.ops_ms) return undefined
  const totalMs = Object.values(row.ops_ms).reduce((sum, ms) => sum + ms, 0)
  const outsideMs = OUTSIDE.reduce((sum, op) => sum + (row.ops_ms?.[op] ?? 0), 0)
  return { totalMs, outsideMs, share: outsideMs / totalMs }
}

/** Bytes of weights that each operation reads for one token: 2 bits a weight, the head 8. */
export function bytesByOp(shape: Shape): Record<string, number> {
  const { hidden, ffn, layers, heads, kvHeads, headDim, vocab } = shape
  const ternary = (rows: number, cols: number) => (layers * rows * cols) / 4
  return {
    qkv: ternary((heads + 2 * kvHeads) * headDim, hidden),
    o: ternary(hidden, heads * headDim),
    gate_up: ternary(2 * ffn, hidden),
    down: ternary(hidden, ffn),
    logits: vocab * hidden,
  }
}

export function rooflineSection(rows: Rows): string {
  const lines = rows.job('empty').map(row => {
    const bound = rows.at('bandwidth', row.threads)?.read_gb_s
    const weights = row.memory_mb?.weights
    const most = bound && weights ? (1000 * bound) / weights : undefined
    const achieved = weights && row.decode_tok_s ? (weights * row.decode_tok_s) / 1000 : undefined
    return [
      row.value,
      figure(bound),
      figure(most),
      decodeText(row),
      figure(achieved),
      achieved && bound ? `${figure((100 * achieved) / bound)} %` : NOT_MEASURED,
    ]
  })
  return `## Roofline

Every weight is read once a token, the KV cache at this depth hardly at all: the read bandwidth that wasm reaches
with as many threads (a loop of loads over 256 MB) bounds what a decode can do. The original states about 12 GB/s.

${table(
  [
    'threads',
    'wasm reads GB/s',
    'bound tok/s',
    'decode tok/s, empty context',
    'achieved GB/s',
    'of the bound',
  ],
  lines,
)}

${lossText(rows)}`
}

/** What each operation takes beyond reading its weights. */
function lossText(rows: Rows): string {
  const row = rows.job('breakdown-empty')[0]
  const bound = row && rows.at('bandwidth', row.threads)?.read_gb_s
  const shape = row && (SHAPES as Record<string, Shape>)[row.shape]
  if (!row?.ops_ms || !bound || !shape) return `What eats the rest: ${NOT_MEASURED}.`
  const bytes = bytesByOp(shape)
  const ops = Object.entries(row.ops_ms).sort((a, b) => b[1] - a[1])
  return `What eats the rest, for one token from an empty context (${pathsText([row])}):

${table(
  ['operation', 'ms', 'reads MB', 'GB/s', 'ms if it read at the bound', 'lost ms'],
  ops.map(([op, ms]) => {
    const read = bytes[op]
    const least = read === undefined ? 0 : read / bound / 1e6
    return [
      op,
      figure(ms),
      read === undefined ? '' : figure(read / 1e6),
      read === undefined ? '' : figure(read / ms / 1e6),
      read === undefined ? '' : figure(least),
      figure(ms - least),
    ]
  }),
)}`
}

export function overheadSection(rows: Rows, { allocation }: BenchReport): string {
  const jobs = [
    ['from an empty context', rows.job('breakdown-empty')[0]],
    ['at depth', rows.job('breakdown')[0]],
  ] as const
  return `## Overheads

${table(
  ['one token', 'ms', 'in kernels', 'logits out', 'everything else', 'outside of kernels'],
  jobs.map(([name, row]) => {
    const split = outsideKernels(row)
    return [
      name,
      figure(split?.totalMs),
      figure(split && split.totalMs - split.outsideMs),
      figure(row?.ops_ms?.read ?? (split ? 0 : undefined)),
      figure(row?.ops_ms?.other),
      split ? `${figure(100 * split.share, 2)} %` : NOT_MEASURED,
    ]
  }),
)}

Everything else is what no operation accounts for: the graph in TypeScript, sampling, hand-over to the page, streaming.
A kernel's time is taken around its call, so that writing its descriptor and waking the threads count as kernel.

${allocationText(allocation)}`
}

function allocationText(allocation: BenchReport['allocation']): string {
  if (!allocation) return `Bytes allocated per decoded token: ${NOT_MEASURED}.`
  const { model, node, heap, buffers, tokens } = allocation
  return `A decoded token allocates ${figure(heap)} bytes of JavaScript heap and ${figure(buffers)} bytes of buffers outside of it: growth over ${tokens} tokens
in which nothing was collected, in Node ${node} with ${model}; engine, sampler and stream, without the message to a page.`
}

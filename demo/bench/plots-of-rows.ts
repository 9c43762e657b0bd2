// Which plots a set of rows deserves. Pure; used by the page while rows come in, and by the report.
import type { Plot, PlotPoint, PlotSeries } from './plot.ts'
import { type BenchRow, isSoftware } from './results.ts'
import type { Spread } from './statistics.ts'

const AXIS: Record<string, string> = {
  threads: 'threads',
  variant: 'kernels @ threads',
  context: 'tokens of context',
  batch: 'sequences at a time',
  kv: 'type of the KV cache',
  head: 'type of embedding and head',
  prompt: 'tokens of the prompt',
  requests: 'requests at a time',
  load: '',
  bandwidth: 'threads',
}

type Figure = 'read_gb_s' | 'decode_tok_s' | 'prefill_tok_s' | 'ttft_ms' | 'load_ms'

function points(rows: readonly BenchRow[], figure: Figure): PlotPoint[] {
  return rows.flatMap(row => {
    const y = row[figure]
    if (y === null || y === undefined || !Number.isFinite(y)) return []
    const range: Spread | undefined = row.spread[figure]
    return [{ x: row.value, y, ...(range ? { low: range[0], high: range[1] } : {}) }]
  })
}

/** The plots of the rows of one sweep, in the order they came; none of a GPU in software. */
export function plotsOf(all: readonly BenchRow[]): Plot[] {
  const rows = all.filter(row => !isSoftware(row))
  const sweep = rows[0]?.sweep
  if (sweep === undefined) return []
  if (sweep === 'breakdown') return rows.flatMap(breakdownPlot)
  if (sweep === 'soak') return rows.flatMap(soakPlot)
  const xLabel = AXIS[sweep] ?? sweep
  const kind = ['variant', 'kv', 'head', 'load'].includes(sweep) ? 'bar' : 'line'
  const one = (title: string, figure: Figure, yLabel: string): Plot[] => {
    const series: PlotSeries = { name: title, points: points(rows, figure) }
    return series.points.length === 0 ? [] : [{ title, xLabel, yLabel, kind, series: [series] }]
  }
  return [
    ...one('Memory read by wasm', 'read_gb_s', 'GB per second'),
    ...(sweep === 'load' ? [] : one('Decode', 'decode_tok_s', 'tokens per second')),
    ...one('Prefill', 'prefill_tok_s', 'tokens per second'),
    ...one('First token', 'ttft_ms', 'milliseconds'),
    ...(sweep === 'load' ? one('Load', 'load_ms', 'milliseconds') : []),
    ...memoryPlot(rows, xLabel, kind),
    ...threadsPlot(rows),
  ]
}

/** A line for each row whose threads were watched for two seconds or more. */
function threadsPlot(rows: readonly BenchRow[]): Plot[] {
  const series = rows.flatMap(({ value, pool }): PlotSeries[] => {
    const seconds = pool?.active_by_second ?? []
    if (seconds.length < 2) return []
    return [{ name: value, points: seconds.map((y, i) => ({ x: String(i + 1), y })) }]
  })
  if (series.length === 0) return []
  // The axis is made of the points in the order in which they first come.
  series.sort((a, b) => b.points.length - a.points.length)
  return [{ title: 'Threads at work', xLabel: 'second', yLabel: 'threads', kind: 'line', series }]
}

function memoryPlot(rows: readonly BenchRow[], xLabel: string, kind: Plot['kind']): Plot[] {
  const engine = rows.flatMap(r => (r.memory_mb ? [{ x: r.value, y: r.memory_mb.total }] : []))
  const peak = rows.flatMap(r => (r.peak_rss_mb === null ? [] : [{ x: r.value, y: r.peak_rss_mb }]))
  const series = [
    { name: 'engine', points: engine },
    { name: 'renderer, peak', points: peak },
  ].filter(s => s.points.length > 0)
  return series.length === 0 ? [] : [{ title: 'Memory', xLabel, yLabel: 'MB', kind, series }]
}

function breakdownPlot({ ops_ms, context }: BenchRow): Plot[] {
  const ops = Object.entries(ops_ms ?? {}).sort((a, b) => b[1] - a[1])
  if (ops.length === 0) return []
  return [
    {
      title: `One token, ${context} tokens of context`,
      xLabel: 'operation',
      yLabel: 'milliseconds',
      kind: 'bar',
      series: [{ name: 'time', points: ops.map(([x, y]) => ({ x, y: Math.max(0, y) })) }],
    },
  ]
}

function soakPlot({ segments = [] }: BenchRow): Plot[] {
  if (segments.length === 0) return []
  let tokens = 0
  const series = segments.map(segment => {
    tokens += segment.tokens
    return { x: String(tokens), y: segment.decode_tok_s }
  })
  return [
    {
      title: 'Sustained decode',
      xLabel: 'tokens written so far',
      yLabel: 'tokens per second',
      kind: 'line',
      series: [{ name: 'decode', points: series }],
    },
  ]
}

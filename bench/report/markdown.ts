// Markdown tables and numbers of the performance report. Pure.
import type { BenchRow } from '../../demo/bench/results.ts'
import type { Spread } from '../../demo/bench/statistics.ts'

/** What stands where nothing was measured: never a guess. */
export const NOT_MEASURED = 'not measured yet'

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  )
}

/** Thousands set off, a few significant digits. */
export function figure(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOT_MEASURED
  const shown = Number(value.toPrecision(digits))
  const size = Math.abs(shown)
  return shown.toLocaleString('en', {
    maximumFractionDigits: size < 1 ? 4 : size < 10 ? 2 : 1,
  })
}

/** '74.1 (72.0-75.2)': a median with its spread. */
export function withSpread(value: number | null | undefined, range?: Spread): string {
  const middle = figure(value)
  return range && middle !== NOT_MEASURED && range[0] !== range[1]
    ? `${middle} (${figure(range[0])}-${figure(range[1])})`
    : middle
}

/** Decode rate of a row with its spread, or the error that stands in its place. */
export function decodeText(row: BenchRow | undefined): string {
  if (!row) return NOT_MEASURED
  if (row.error) return row.error.code
  return withSpread(row.decode_tok_s, row.spread.decode_tok_s)
}

export function prefillText(row: BenchRow | undefined): string {
  if (!row) return NOT_MEASURED
  if (row.error) return row.error.code
  return withSpread(row.prefill_tok_s, row.spread.prefill_tok_s)
}

/** How a row ran: 'relaxed, 2 threads, int8 KV'. */
export function pathText(row: BenchRow): string {
  const threads = row.threads === 1 ? '1 thread' : `${row.threads} threads`
  return `${row.variant}, ${threads}, ${row.kv} KV`
}

/** 'each with relaxed, 2 threads, int8 KV; prompt 64' or the differing paths joined. */
export function pathsText(rows: readonly BenchRow[]): string {
  return [...new Set(rows.filter(row => !row.error).map(pathText))].join('; ') || 'nothing ran'
}

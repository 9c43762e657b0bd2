// Shows rows as they come: plots above, a table below, and the two ways to keep them.
import { byId } from '../src/dom.ts'
import { stepsText } from '../src/gpu-words.ts'
import { megabytes } from '../src/wording.ts'
import { plotSvg } from './plot.ts'
import { plotsOf } from './plots-of-rows.ts'
import {
  type BenchReport,
  type BenchRow,
  type GpuFigures,
  isSoftware,
  type PoolFigures,
} from './results.ts'
import { relativeSpread } from './statistics.ts'

type Columns = readonly (readonly [string, (row: BenchRow) => string])[]

const NOTHING = '–'
/** Characters of a cell that stands in one line. */
const SENTENCE = 60

const COLUMNS: Columns = [
  ['value', row => row.value],
  ['decode tok/s', row => speed(row, row.decode_tok_s)],
  ['±', row => (isSoftware(row) ? '' : swing(row))],
  ['prefill tok/s', row => speed(row, row.prefill_tok_s)],
  ['first ms', row => speed(row, row.ttft_ms)],
  ['read GB/s', row => figure(row.read_gb_s ?? null)],
  ['load ms', row => figure(row.load_ms)],
  ['MB', row => figure(row.memory_mb?.total ?? null)],
  ['threads at work', row => threadsText(row.pool)],
  ['waiting', row => (row.pool ? `${(100 * row.pool.waiting).toFixed(1)} %` : NOTHING)],
  ['GPU', row => gpuText(row.gpu)],
  ['why', row => whyText(row)],
  ['runs as', row => `${row.variant}, ${row.threads} thr., ${row.kv} KV, ${row.head} head`],
]

/** Empties the view and shows these rows. */
export function showRows(rows: readonly BenchRow[]): void {
  byId('empty', HTMLElement).hidden = rows.length > 0
  byId('results', HTMLElement).hidden = rows.length === 0
  // Our own SVG: every text in it is escaped by plot.ts.
  byId('plots', HTMLElement).innerHTML = plotsOf(rows)
    .map(plot => plotSvg(plot))
    .join('')
  const used = COLUMNS.filter(([, read]) => rows.some(row => !['', NOTHING].includes(read(row))))
  const head = byId('table-head', HTMLTableRowElement)
  head.replaceChildren(...used.map(([name]) => cell('th', name)))
  const lines = rows.map(row => rowElement(row, used))
  byId('table-body', HTMLTableSectionElement).replaceChildren(...lines)
}

function rowElement(row: BenchRow, columns: Columns): HTMLElement {
  const line = document.createElement('tr')
  if (row.error) {
    const problem = cell('td', `${row.error.code}: ${row.error.message}`)
    problem.className = 'row-error'
    problem.setAttribute('colspan', String(columns.length - 1))
    line.append(cell('td', row.value), problem)
  } else line.append(...columns.map(([, read]) => cell('td', read(row))))
  return line
}

function cell(kind: 'td' | 'th', text: string): HTMLElement {
  const element = document.createElement(kind)
  element.textContent = text
  // A sentence takes several lines, or one would have to scroll for it.
  if (text.length > SENTENCE) element.className = 'sentence'
  return element
}

/** '1.9 (55 + 45 % of the work)': mean threads of the steps, and who did how much. */
function threadsText(pool: PoolFigures | undefined): string {
  if (pool === undefined) return NOTHING
  const shares = pool.piece_shares.map(share => Math.round(100 * share)).join(' + ')
  const others = pool.others_busy ? '; other programs use the processor' : ''
  return `${pool.active.toFixed(1)} (${shares} % of the work)${others}`
}

/** Adapter and features, what a token costs, how far it runs ahead, and how ops were timed. */
export function gpuText(gpu: GpuFigures | undefined): string {
  if (gpu === undefined) return NOTHING
  const software = gpu.software ? ', computes on the CPU: no speed of a GPU' : ''
  const profile = gpu.profile ? `, ops timed by ${gpu.profile}` : ''
  const features = gpu.features.length > 0 ? gpu.features.join(', ') : 'none'
  const ahead = `${stepsText(gpu.ahead)} ahead of a wait of ${gpu.wait_ms} ms`
  return (
    `${gpu.adapter}${software}; features: ${features}; ${gpu.dispatches} dispatches and ` +
    `${megabytes(gpu.token_bytes)} a token, ${gpu.waits} waits, ${ahead}${profile}`
  )
}

/** What was passed over or chosen, and which of the shaders' variants, each with its reason. */
export function whyText({ choice, gpu, fallbacks }: BenchRow): string {
  const form = gpu && `form ${gpu.form}, inner loop ${gpu.inner_loop}`
  const tuned = gpu?.tuning ? `${form} (${gpu.tuning})` : form
  return [...fallbacks, choice, tuned].filter(part => part !== undefined).join('; ')
}

/** Of a GPU in software the speed is nobody's: not told. */
export function speed(row: BenchRow, value: number | null): string {
  return isSoftware(row) ? NOTHING : figure(value)
}

function figure(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return NOTHING
  return value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 1 : 0 })
}

/** The spread of the decode rate, half of it to each side of the median. */
function swing({ spread: { decode_tok_s } }: BenchRow): string {
  if (!decode_tok_s) return ''
  const [low, high] = decode_tok_s
  return `${((relativeSpread([low, high]) / 2) * 100).toFixed(1)} %`
}

/** Hands the report to the browser's download. */
export function saveReport(report: BenchReport): void {
  const blob = new Blob([JSON.stringify(report, null, 1)], { type: 'application/json' })
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = `ryzanstein-bench-${report.head.date.slice(0, 10)}.json`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

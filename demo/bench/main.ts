// The bench page: reads its settings from the link, runs them on the button or with ?run=1, shows the
// rows as they come, and leaves the report on window.__bench (and at ?observer=, for a driver).
import { load, type ModelSource } from 'ryzanstein'
import { byId, isOff, setOff } from '../src/dom.ts'
import { openSite } from '../src/site.ts'
import { readBandwidth } from './bandwidth.ts'
import { SettingsForm } from './form.ts'
import { forgetEverything, headOfPage } from './machine.ts'
import type { Bench } from './measure.ts'
import { NOBODY, observerAt, post } from './observer.ts'
import { type Cell, planCells } from './plan.ts'
import type { BenchReport } from './results.ts'
import { saveReport, showRows } from './results-view.ts'
import { runCells } from './run.ts'
import { type BenchSettings, EMBEDDED, queryOf, settingsFrom } from './settings.ts'

declare global {
  interface Window {
    /** The last report; a run that has not finished is not there yet. */
    __bench?: BenchReport
  }
}

const EMBEDDED_URL = '../models/ryz-tales-tq2_0-embq8_0.gguf'

const query = new URLSearchParams(location.search)
const observer = query.get('observer')
const form = new SettingsForm()
const runButton = byId('run', HTMLButtonElement)
const stopButton = byId('stop', HTMLButtonElement)
const status = byId('status', HTMLElement)
const progress = byId('progress', HTMLProgressElement)
const problem = byId('problem', HTMLElement)

let files: readonly File[] = []
let running: AbortController | undefined

/** Chromium frees the memory of a worker that ended within two seconds. */
const SETTLE_MS = 2000

function settle(): Promise<void> {
  return new Promise(done => setTimeout(done, SETTLE_MS))
}

function sourceOf(settings: BenchSettings): { source: ModelSource; model: string } {
  if (files.length > 0) {
    return { source: files.length === 1 ? files[0] : files, model: files[0].name }
  }
  const url = settings.model === EMBEDDED ? EMBEDDED_URL : settings.model
  return { source: new URL(url, document.baseURI), model: url.split('/').at(-1) || url }
}

async function run(settings: BenchSettings): Promise<void> {
  running = new AbortController()
  const { signal } = running
  problem.hidden = true
  setOff(runButton, true)
  setOff(stopButton, false)
  progress.hidden = false
  const report: BenchReport = { head: headOfPage(), rows: [] }
  try {
    const cells = planCells(settings, navigator.hardwareConcurrency)
    const bench: Bench = {
      ...sourceOf(settings),
      load,
      shape: settings.shape,
      observe: observer === null ? NOBODY : observerAt(observer),
      forget: forgetEverything,
      readBandwidth,
      settle,
      signal,
    }
    const show = (cell: Cell, index: number) => {
      progress.value = index / cells.length
      status.textContent = `Measuring ${cell.sweep} ${cell.value}, ${index + 1} of ${cells.length}.`
    }
    await runCells(bench, cells, show, async row => {
      report.rows.push(row)
      showRows(report.rows)
      if (observer !== null) await post(observer, { row })
    })
    status.textContent =
      report.rows.length === 1 ? 'Finished: one row.' : `Finished: ${report.rows.length} rows.`
  } catch (caught) {
    const text = caught instanceof Error ? caught.message : String(caught)
    status.textContent = signal.aborted ? 'Stopped.' : 'The run broke off.'
    problem.textContent = text
    problem.hidden = signal.aborted
    if (observer !== null) await post(observer, { failed: text })
  } finally {
    progress.hidden = true
    setOff(runButton, false)
    setOff(stopButton, true)
    running = undefined
  }
  keep(report, settings)
  if (observer !== null) await post(observer, { report })
}

function keep(report: BenchReport, settings: BenchSettings): void {
  window.__bench = report
  const link = byId('link', HTMLAnchorElement)
  link.href = `?${queryOf(settings)}`
  link.hidden = files.length > 0
}

runButton.addEventListener('click', () => {
  if (!isOff(runButton)) run(form.read())
})
stopButton.addEventListener('click', () => running?.abort())
byId('save', HTMLButtonElement).addEventListener('click', () => {
  if (window.__bench) saveReport(window.__bench)
})
const picker = byId('model-files', HTMLInputElement)
picker.addEventListener('change', () => {
  files = [...(picker.files ?? [])]
})

form.show(settingsFrom(query))
showRows([])
const isolation = await openSite('../')
const head = headOfPage()
byId('machine', HTMLElement).textContent = `${head.browser}, ${head.machine}`
byId('isolation', HTMLElement).textContent = isolation.isolated
  ? 'Cross-origin isolated: threads are possible.'
  : `One thread only: ${isolation.reason}.`
if (query.get('run') === '1') await run(settingsFrom(query))

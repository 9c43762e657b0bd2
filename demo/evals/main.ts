// The evaluation page: reads its settings from the link, runs them on the button or with ?run=1, and shows
// figures when the last document is answered. The result is left on window.__evals for a driver.
import { load, type ModelSource, RyzError } from 'ryzanstein'
import { HarnessError } from '../../evals/harness-error.ts'
import { isExampleFile } from '../../evals/read/published.ts'
import { readRows } from '../../evals/read/rows.ts'
import { type EvalResults, resultsOf } from '../../evals/report/results.ts'
import { planTask } from '../../evals/run/plan.ts'
import { type RunProgress, type RunResult, runPlan } from '../../evals/run/run.ts'
import { taskNamed } from '../../evals/tasks/table.ts'
import { byId, isOff, setOff } from '../src/dom.ts'
import { onDrop } from '../src/drop.ts'
import { openSite } from '../src/site.ts'
import { phaseText, sentence } from '../src/wording.ts'
import { openData } from './data.ts'
import { SettingsForm } from './form.ts'
import { forgetAll, keptAnswers } from './kept.ts'
import { saveJson, saveMarkdown, saveSamples, showResults } from './results-view.ts'
import { type EvalSettings, loadOptionsOf, queryOf, settingsFrom } from './settings.ts'

declare global {
  interface Window {
    /** The last result; a run that has not finished is not there yet. */
    __evals?: EvalResults | undefined
  }
}

const MODELS: Readonly<Record<string, string>> = {
  'ryz-chat': '../models/ryz-chat-tq2_0-embq8_0.gguf',
  'ryz-tales': '../models/ryz-tales-tq2_0-embq8_0.gguf',
}

const query = new URLSearchParams(location.search)
const form = new SettingsForm()
const runButton = byId('run', HTMLButtonElement)
const stopButton = byId('stop', HTMLButtonElement)
const status = byId('status', HTMLElement)
const progress = byId('progress', HTMLProgressElement)
const problem = byId('problem', HTMLElement)
const chosen = { documents: [] as File[], examples: [] as File[], model: [] as File[] }
let running: AbortController | undefined
let last: { readonly result: RunResult; readonly results: EvalResults } | undefined

async function run(settings: EvalSettings): Promise<void> {
  running = new AbortController()
  const { signal } = running
  problem.hidden = true
  window.__evals = undefined
  setOff(runButton, true)
  setOff(stopButton, false)
  progress.hidden = false
  progress.removeAttribute('value')
  try {
    await evaluate(settings, signal)
  } catch (caught) {
    const stopped = signal.aborted
    status.textContent = stopped
      ? 'Stopped. What was answered is kept.'
      : 'The run broke off. What was answered is kept.'
    const text = sentence(caught instanceof Error ? caught.message : String(caught))
    problem.textContent = caught instanceof RyzError ? `${caught.code}: ${text}` : text
    problem.hidden = stopped
  } finally {
    progress.hidden = true
    setOff(runButton, false)
    setOff(stopButton, true)
    running = undefined
  }
}

async function evaluate(settings: EvalSettings, signal: AbortSignal): Promise<void> {
  const task = taskNamed(settings.task)
  status.textContent = 'Reading the documents.'
  const data = await openData(settings, chosen, signal)
  const plan = planTask(
    task,
    await readRows(task, data.documents),
    await readRows(task, data.examples),
    {
      shots: settings.fewshot ?? undefined,
      limit: settings.limit ?? undefined,
      seed: settings.seed,
    },
  )
  const { source, name } = modelOf(settings)
  const engine = await load(source, {
    ...loadOptionsOf(settings),
    signal,
    onProgress: ({ phase }) => {
      status.textContent = phaseText(phase)
    },
  })
  try {
    const result = await runPlan(engine, plan, {
      bos: settings.bos,
      signal,
      journal: keptAnswers,
      data: data.facts.map(({ sha256, use }) => [sha256, use]),
      onProgress: showProgress,
    })
    const stats = await engine.stats()
    const results = resultsOf([result], {
      stats,
      model: name,
      options: { load: loadOptionsOf(settings) },
      data: data.facts,
      limit: settings.limit ?? undefined,
      seed: settings.seed,
    })
    last = { result, results }
    window.__evals = results
    showResults(results)
    const link = byId('link', HTMLAnchorElement)
    link.href = `?${queryOf(settings)}`
    // Files of this device have no address.
    link.hidden = Object.values(chosen).some(files => files.length > 0)
    const documents = result.parts.reduce((sum, part) => sum + part.records.length, 0)
    status.textContent = `Finished: ${documents.toLocaleString('en')} documents.`
  } finally {
    await engine.close()
  }
}

function modelOf({ model }: EvalSettings): { source: ModelSource; name: string } {
  const files = chosen.model
  if (files.length > 0)
    return { source: files.length === 1 ? files[0]! : files, name: files[0]!.name }
  const url = MODELS[model] ?? model
  if (url.startsWith('hf:')) return { source: url, name: model }
  if (!URL.canParse(url, document.baseURI)) throw new HarnessError(`the model ${url} is no URL`)
  const source = new URL(url, document.baseURI)
  return { source, name: model }
}

function showProgress({ part, done, total, documentsPerSecond, secondsLeft }: RunProgress): void {
  progress.value = done / total
  const parts = [`${part}: ${done.toLocaleString('en')} of ${total.toLocaleString('en')} documents`]
  if (documentsPerSecond > 0) parts.push(`${documentsPerSecond.toPrecision(2)} a second`)
  if (secondsLeft !== null) parts.push(timeLeft(secondsLeft))
  status.textContent = `${parts.join(', ')}.`
}

function timeLeft(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s left`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min left`
  return `${(seconds / 3600).toFixed(1)} h left`
}

function takeDropped(files: readonly File[]): void {
  const isModel = (file: File) => /\.(gguf|safetensors)$/i.test(file.name)
  const { task } = form.read()
  const rest = files.filter(file => !isModel(file))
  chosen.model = files.some(isModel) ? files.filter(isModel) : chosen.model
  if (rest.length > 0) {
    chosen.examples = rest.filter(file => isExampleFile(task, file.name))
    chosen.documents = rest.filter(file => !isExampleFile(task, file.name))
  }
  const names = (list: readonly File[]) => list.map(file => file.name).join(', ') || 'none'
  status.textContent = `Documents: ${names(chosen.documents)}. Examples: ${names(chosen.examples)}.`
}

function onFiles(id: string, take: (files: File[]) => void): void {
  const picker = byId(id, HTMLInputElement)
  picker.addEventListener('change', () => take([...(picker.files ?? [])]))
}

runButton.addEventListener('click', () => {
  if (!isOff(runButton)) run(form.read())
})
stopButton.addEventListener('click', () => running?.abort(new Error('stopped')))
byId('save-json', HTMLButtonElement).addEventListener('click', () => {
  if (last) saveJson(last.results)
})
byId('save-markdown', HTMLButtonElement).addEventListener('click', () => {
  if (last) saveMarkdown(last.results)
})
byId('save-samples', HTMLButtonElement).addEventListener('click', () => {
  if (last) saveSamples(last.result)
})
byId('forget', HTMLButtonElement).addEventListener('click', async () => {
  if (running) return
  await forgetAll()
  status.textContent = 'Fetched files and unfinished runs are forgotten.'
})
onFiles('data-files', files => {
  chosen.documents = files
})
onFiles('shot-files', files => {
  chosen.examples = files
})
onFiles('model-files', files => {
  chosen.model = files
})
onDrop(takeDropped)

form.show(settingsFrom(query))
await openSite('../')
if (query.get('run') === '1') await run(settingsFrom(query))

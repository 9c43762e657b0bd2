// The page: isolate if need be, load the embedded model, then write when asked. Wires the session to
// the views; holds which model was chosen and what the buttons may do.
import type { EngineStats, GenerateResult, Isolation, LoadProgress } from 'ryzanstein'
import { isolate, RyzError } from 'ryzanstein'
import { refreshStored } from './cache-panel.ts'
import { byId, isOff, setOff } from './dom.ts'
import { fillEngineForm, onEngineApply, readEngineOptions } from './engine-form.ts'
import { Figures, showMemory, showPath } from './figures.ts'
import { type ChosenModel, embeddedModel, onModelChosen } from './model-chooser.ts'
import { Notice } from './notice.ts'
import { SamplingForm } from './sampling-form.ts'
import { Session } from './session.ts'
import { Tale } from './tale.ts'
import { Question } from './will-it-run.ts'
import { amountText, count, finishText, modelText, phaseText } from './wording.ts'

const session = new Session()
const form = new SamplingForm()
const figures = new Figures()
const notice = new Notice()
const tale = new Tale()
const question = new Question()
const writeButton = byId('write', HTMLButtonElement)
const stopButton = byId('stop', HTMLButtonElement)
const progress = byId('progress', HTMLProgressElement)
const loading = byId('loading', HTMLElement)
const amount = byId('amount', HTMLElement)
const status = byId('status', HTMLElement)

const THEN_WRITES = 'Then it writes.'

let isolation: Isolation
let chosen = embeddedModel()
/** Someone pressed Write before the model was there. */
let writeWhenReady = false
let lastSeed = 0

/** A model from elsewhere is loaded when the visitor has seen what it takes; our own at once. */
async function chooseModel(model: ChosenModel): Promise<void> {
  if (model.source instanceof URL) return openModel(model)
  notice.hide()
  const before = status.textContent
  status.textContent = `Looking at ${model.label}.`
  const answer = await question.ask(model, readEngineOptions())
  if (answer !== 'cancel') await openModel(model)
  else if (status.textContent === `Looking at ${model.label}.`) status.textContent = before
}

async function openModel(model: ChosenModel): Promise<void> {
  chosen = model
  question.dismiss()
  notice.hide()
  setOff(stopButton, true)
  loading.hidden = false
  amount.textContent = ''
  progress.removeAttribute('value')
  status.textContent = `Loading ${model.label}.`
  try {
    const options = { ...readEngineOptions(), onProgress: showProgress }
    const stats = await session.open(model.source, options)
    loading.hidden = true
    form.limitTokens(stats.contextLength)
    showModel(model.label, stats)
    await refreshStored()
    status.textContent = 'Ready.'
    if (writeWhenReady) await write(form.settings.prompt)
  } catch (caught) {
    // The load that took over reports for itself.
    if (caught instanceof RyzError && caught.code === 'ABORTED') return
    loading.hidden = true
    writeWhenReady = false
    showPath(null, isolation)
    status.textContent = `${model.label} could not be loaded.`
    notice.show(caught, () => openModel(model))
  }
}

function showProgress(p: LoadProgress): void {
  if (p.totalBytes > 0 && p.phase === 'weights') progress.value = p.loadedBytes / p.totalBytes
  amount.textContent = amountText(p)
  // The status is a live region, so it names each phase once and leaves the numbers to the bar.
  const text = writeWhenReady ? `${phaseText(p.phase)} ${THEN_WRITES}` : phaseText(p.phase)
  if (status.textContent !== text) status.textContent = text
}

function showModel(label: string, stats: EngineStats): void {
  byId('model-name', HTMLElement).textContent = stats.model.name || label
  byId('model-facts', HTMLElement).textContent = modelText(stats)
  showMemory(stats)
  showPath(stats, isolation)
}

/** @param continued true to go on with the tale on the sheet; `prompt` is then all of it */
async function write(prompt: string, continued = false): Promise<void> {
  if (!session.isOpen) {
    writeWhenReady = true
    status.textContent = THEN_WRITES
    if (loading.hidden) await openModel(chosen)
    return
  }
  writeWhenReady = false
  notice.hide()
  if (continued) tale.resume()
  else tale.begin(prompt)
  figures.start()
  setOff(writeButton, true)
  setOff(stopButton, false)
  status.textContent = 'Writing…'
  try {
    const { prompt: _, seed, ...sampling } = form.settings
    const options = { ...sampling, ...(seed === null ? {} : { seed }) }
    const result = await session.write(prompt, options, (text, tokens) => {
      tale.add(text)
      figures.add(tokens)
    })
    finish(result)
  } catch (caught) {
    tale.end('', false)
    status.textContent = 'The tale broke off.'
    notice.show(caught, () => write(continued ? prompt : form.settings.prompt, continued))
  } finally {
    setOff(writeButton, false)
    setOff(stopButton, true)
  }
  const stats = await session.stats()
  if (stats) showMemory(stats)
}

function finish(result: GenerateResult | null): void {
  const rate = figures.finish(result)
  const reason = result?.finishReason ?? 'stopped'
  const facts = [`${count(figures.tokens)} tokens`]
  if (rate > 0) facts.push(`${count(rate)} per second`)
  if (result) {
    lastSeed = result.seed
    facts.push(`seed ${result.seed}`)
  }
  byId('keep-seed', HTMLButtonElement).hidden = result === null
  facts.push(finishText(reason))
  tale.end(`${facts.join(' · ')}.`, reason === 'length' || reason === 'stopped')
  status.textContent = result ? `Finished: ${count(figures.tokens)} tokens.` : 'Stopped.'
}

function writeIfIdle(): void {
  if (!isOff(writeButton)) write(form.settings.prompt)
}

function bindKeysAndButtons(): void {
  byId('composer', HTMLFormElement).addEventListener('submit', event => {
    event.preventDefault()
    writeIfIdle()
  })
  stopButton.addEventListener('click', () => session.stop())
  addEventListener('keydown', event => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      writeIfIdle()
    } else if (event.key === 'Escape') session.stop()
  })
  byId('continue', HTMLButtonElement).addEventListener('click', () => {
    if (!isOff(writeButton)) write(tale.whole, true)
  })
  byId('keep-seed', HTMLButtonElement).addEventListener('click', () => {
    form.keepSeed(lastSeed)
    status.textContent = `Seed ${lastSeed} is kept.`
  })
  const copy = byId('copy', HTMLButtonElement)
  copy.hidden = !navigator.clipboard
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(tale.whole)
    status.textContent = 'Copied.'
  })
}

bindKeysAndButtons()
fillEngineForm()
onModelChosen(chooseModel)
onEngineApply(() => openModel(chosen))
// On a phone the settings would push the figures off the screen; there they start folded.
byId('sampling', HTMLDetailsElement).open = matchMedia('(min-width: 60rem)').matches
status.textContent = 'Starting.'
isolation = await isolate('./coi-service-worker.js')
await openModel(chosen)

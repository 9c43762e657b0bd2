// The page: isolate if need be, load the embedded model, then write when asked. Wires the session to
// the views, and decides what the buttons and keys may do; opening.ts has the way to a model.
import type { EngineStats, GenerateResult, Isolation } from 'ryzanstein'
import { refreshStored } from './cache-panel.ts'
import { byId, isOff, setOff } from './dom.ts'
import { fillEngineForm, onEngineApply, readEngineOptions } from './engine-form.ts'
import { Figures, showMemory, showOthers, showPath } from './figures.ts'
import { type ChosenModel, embeddedModel, modelAt, onModelChosen } from './model-chooser.ts'
import { Notice } from './notice.ts'
import { Opening } from './opening.ts'
import { SamplingForm } from './sampling-form.ts'
import { Session } from './session.ts'
import { openSite } from './site.ts'
import { Tale } from './tale.ts'
import { engineNow, foldsNow, lastVisit, rememberVisit, setEngine, setFolds } from './visit.ts'
import { count, finishText, modelText } from './wording.ts'

const THEN_WRITES = 'Then it writes.'

const session = new Session()
const form = new SamplingForm()
const figures = new Figures()
const notice = new Notice()
const tale = new Tale()
const writeButton = byId('write', HTMLButtonElement)
const stopButton = byId('stop', HTMLButtonElement)
const status = byId('status', HTMLElement)

/** Characters. */
const LONG_PROMPT = 20_000
/** Between looks at what else uses the processor, while a tale is written. */
const WATCH_MS = 1000

let isolation: Isolation
session.onEnded = stats => showPath(stats, isolation)
/** Someone pressed Write before the model was there. */
let writeWhenReady = false
let lastSeed = 0

const opening = new Opening(
  {
    session,
    notice,
    options: readEngineOptions,
    afterwards: () => (writeWhenReady ? THEN_WRITES : undefined),
    onOpened,
    onFailed() {
      writeWhenReady = false
      if (!session.isOpen) showPath(null, isolation)
    },
  },
  embeddedModel(),
)

async function onOpened(model: ChosenModel, stats: EngineStats): Promise<void> {
  form.limitTokens(stats.contextLength)
  byId('model-name', HTMLElement).textContent = stats.model.name || model.label
  byId('model-facts', HTMLElement).textContent = modelText(stats)
  showMemory(stats)
  showPath(stats, isolation)
  await refreshStored()
  if (!session.isWriting) status.textContent = 'Ready.'
  if (writeWhenReady) await write(form.settings.prompt)
}

/** @param continued true to go on with the tale on the sheet; `prompt` is then all of it */
async function write(prompt: string, continued = false): Promise<void> {
  // A tale that is asked for while a model loads is meant for that one.
  if (!session.isOpen || session.isLoading) {
    writeWhenReady = true
    status.textContent = THEN_WRITES
    if (!session.isLoading) await opening.open(opening.chosen)
    return
  }
  writeWhenReady = false
  notice.hide()
  const before = tale.told
  // A prompt of megabytes takes seconds to lay out, and mostly does not fit: it is shown with its first word.
  let onSheet = continued || prompt.length < LONG_PROMPT
  if (continued) tale.resume()
  else if (onSheet) tale.begin(prompt)
  figures.start()
  setOff(writeButton, true)
  setOff(stopButton, false)
  status.textContent = 'Writing…'
  try {
    const { prompt: _, seed, ...sampling } = form.settings
    const options = { ...sampling, ...(seed === null ? {} : { seed }) }
    const result = await session.run(
      (engine, signal) => engine.generate(prompt, { ...options, signal }),
      ({ text, tokens }) => {
        if (!onSheet) tale.begin(prompt)
        onSheet = true
        tale.add(text)
        figures.add(tokens.length)
      },
    )
    if (!onSheet) tale.begin(prompt)
    finish(result)
  } catch (caught) {
    // What was written can be copied, and gone on with; of nothing the sheet keeps nothing.
    const began = figures.tokens > 0 || continued
    if (began) tale.end('The tale broke off.', true)
    else tale.putBack(before)
    status.textContent = began ? 'The tale broke off.' : 'Nothing was written.'
    notice.show(caught, () => write(continued ? prompt : form.settings.prompt, continued))
  } finally {
    setOff(writeButton, false)
    setOff(stopButton, true)
  }
  const stats = await session.stats()
  if (stats) showMemory(stats)
  showOthers(stats)
}

function finish(outcome: GenerateResult | 'stopped' | 'replaced'): void {
  const result = typeof outcome === 'string' ? undefined : outcome
  const reason = typeof outcome === 'string' ? outcome : outcome.finishReason
  const rate = figures.finish(result)
  const facts = [`${count(figures.tokens)} tokens`]
  if (rate > 0) facts.push(`${count(rate)} per second`)
  if (result) {
    lastSeed = result.seed
    facts.push(`seed ${result.seed}`)
  }
  byId('keep-seed', HTMLButtonElement).hidden = result === undefined
  facts.push(finishText(reason))
  tale.end(`${facts.join(' · ')}.`, reason !== 'eos' && reason !== 'stop' && reason !== 'context')
  if (result) status.textContent = `Finished: ${count(figures.tokens)} tokens.`
  else if (reason === 'stopped') status.textContent = 'Stopped.'
}

/** Escape: what came last goes first. */
function takeBack(): void {
  if (opening.cancel()) return
  if (session.isWriting) session.stop()
  else notice.hide()
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
    } else if (event.key === 'Escape' && !event.isComposing) takeBack()
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
    status.textContent = await navigator.clipboard.writeText(tale.whole).then(
      () => 'Copied.',
      () => 'The browser does not let this page copy; mark the tale and copy it by hand.',
    )
  })
}

/** What this tab showed before it was left, by back, forward or a reload. */
function restoreVisit(): ChosenModel | undefined {
  const visit = lastVisit()
  if (visit.tale) {
    tale.restore(visit.tale)
    byId('keep-seed', HTMLButtonElement).hidden = true
  }
  if (visit.engine) setEngine(visit.engine)
  // On a phone the settings would push the figures off the screen; there they start folded.
  byId('sampling', HTMLDetailsElement).open = matchMedia('(min-width: 60rem)').matches
  if (visit.folds) setFolds(visit.folds)
  rememberVisit(() => ({
    tale: tale.told,
    modelUrl: opening.chosen.isOurs ? undefined : urlOf(opening.chosen),
    engine: engineNow(),
    folds: foldsNow(),
  }))
  return visit.modelUrl === undefined ? undefined : modelAt(visit.modelUrl)
}

function urlOf({ source }: ChosenModel): string | undefined {
  return typeof source === 'string' ? source : undefined
}

setInterval(async () => {
  if (session.isWriting) showOthers(await session.stats())
}, WATCH_MS)
bindKeysAndButtons()
fillEngineForm()
onModelChosen(embeddedModel, model => opening.choose(model))
onEngineApply(() => opening.reopen())
const before = restoreVisit()
status.textContent = 'Starting.'
isolation = await openSite('./')
await opening.open(embeddedModel())
// One from elsewhere is asked about again: it may not be here any more.
if (before) await opening.restore(before)

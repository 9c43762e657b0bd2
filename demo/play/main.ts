// The play page: one model, three exhibits of what the engine can do with it. Models come as on the other pages.
import { type EngineStats, RyzError } from 'ryzanstein'
import { byId } from '../src/dom.ts'
import { showPath } from '../src/figures.ts'
import { type ChosenModel, chatModel, onModelChosen } from '../src/model-chooser.ts'
import { Notice } from '../src/notice.ts'
import { Opening } from '../src/opening.ts'
import { Session } from '../src/session.ts'
import { openSite } from '../src/site.ts'
import { modelText } from '../src/wording.ts'
import type { Stage } from './exhibit.ts'
import { formExhibit } from './form-exhibit.ts'
import { functionsExhibit } from './functions-exhibit.ts'
import { oddsExhibit } from './odds-exhibit.ts'

const session = new Session()
const notice = new Notice()
const status = byId('status', HTMLElement)
let waiting: { resolve: () => void; reject: (reason: RyzError) => void }[] = []

const opening = new Opening(
  {
    session,
    notice,
    options: () => ({}),
    afterwards: () => undefined,
    onOpened,
    onFailed() {
      if (session.isOpen) return
      for (const { reject } of waiting) reject(new RyzError('ABORTED', 'no model was loaded'))
      waiting = []
    },
  },
  chatModel(),
)

const stage: Stage = {
  session,
  notice,
  async whenOpen() {
    if (session.isOpen) return
    const opened = new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }))
    if (!session.isLoading) opening.open(opening.chosen)
    await opened
  },
}

async function onOpened(model: ChosenModel, stats: EngineStats): Promise<void> {
  byId('model-name', HTMLElement).textContent = model.isOurs ? model.label : stats.model.name
  byId('model-facts', HTMLElement).textContent = modelText(stats)
  byId('plainly', HTMLElement).hidden = !model.isOurs
  showPath(stats, isolation)
  status.textContent = 'Ready.'
  for (const { resolve } of waiting) resolve()
  waiting = []
}

addEventListener('keydown', event => {
  if (event.key !== 'Escape' || event.isComposing || opening.cancel()) return
  if (session.isWriting) session.stop()
  else notice.hide()
})
formExhibit(stage)
functionsExhibit(stage)
oddsExhibit(stage)
onModelChosen(chatModel, model => opening.choose(model))
status.textContent = 'Starting.'
const isolation = await openSite('../')
session.onEnded = stats => showPath(stats, isolation)
await opening.open(chatModel())

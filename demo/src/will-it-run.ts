// The question before a chosen model is loaded: what it will download, take and reach here, with Load
// and Cancel. Asks the SDK from the header alone; loads nothing itself. main.ts acts on the answer.
import {
  evictionCandidates,
  type LoadOptions,
  type RunForecast,
  storageEstimate,
  willItRun,
} from 'ryzanstein'
import { byId } from './dom.ts'
import type { ChosenModel } from './model-chooser.ts'
import { forecastText, roomText } from './wording.ts'

/** 'unknown' when the header cannot be read or is refused: loading says why in the usual place. */
export type Answer = 'load' | 'cancel' | 'unknown'

export class Question {
  readonly #box = byId('question', HTMLElement)
  readonly #title = byId('question-title', HTMLElement)
  readonly #text = byId('question-text', HTMLElement)
  readonly #lowered = byId('question-lowered', HTMLUListElement)
  readonly #load = byId('question-load', HTMLButtonElement)
  #asking: AbortController | null = null
  #answer: (answer: Answer) => void = () => {}

  constructor() {
    this.#load.addEventListener('click', () => this.#close('load'))
    byId('question-cancel', HTMLButtonElement).addEventListener('click', () =>
      this.#close('cancel'),
    )
  }

  /** Resolves with what the visitor decides; a later question answers this one with 'cancel'. */
  async ask(model: ChosenModel, options: LoadOptions): Promise<Answer> {
    this.dismiss()
    const own = new AbortController()
    this.#asking = own
    let told: RunForecast
    try {
      told = await willItRun(model.source, { ...options, signal: own.signal })
    } catch {
      return own.signal.aborted ? 'cancel' : 'unknown'
    }
    if (own.signal.aborted) return 'cancel'
    if (!told.fits) return 'unknown'
    const room = await roomFor(told)
    if (own.signal.aborted) return 'cancel'
    return new Promise(resolve => {
      this.#answer = resolve
      this.#show(model, told, room)
    })
  }

  /** Takes the question away, unanswered. */
  dismiss(): void {
    this.#asking?.abort()
    this.#asking = null
    this.#close('cancel')
  }

  #show(model: ChosenModel, told: RunForecast, room: string): void {
    this.#title.textContent = `Load ${told.name || model.label}?`
    this.#text.textContent = forecastText(told) + room
    this.#lowered.replaceChildren(
      ...told.lowered.map(({ from, to, reason }) => {
        const item = document.createElement('li')
        item.textContent = `${to} instead of ${from}: ${reason}.`
        return item
      }),
    )
    this.#box.hidden = false
    this.#load.focus()
  }

  #close(answer: Answer): void {
    this.#box.hidden = true
    const waiting = this.#answer
    this.#answer = () => {}
    waiting(answer)
  }
}

/** Where a download would go, and what could make room for it; nothing is deleted here. */
async function roomFor(told: RunForecast): Promise<string> {
  try {
    const room = await storageEstimate()
    const missing = told.downloadBytes - ((room.quota ?? 0) - (room.usage ?? 0))
    return roomText(told, room, missing > 0 ? await evictionCandidates(missing) : [])
  } catch {
    return '' // nothing can be kept here; the panel of stored models says so
  }
}

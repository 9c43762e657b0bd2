// What a chosen model would download, take and reach here, found from the header alone, and the question
// whether to load it. Loads nothing itself; opening.ts acts on the answer.
import {
  evictionCandidates,
  type LoadOptions,
  type RunForecast,
  RyzError,
  storageEstimate,
  willItRun,
} from 'ryzanstein'
import { byId, keepFocus } from './dom.ts'
import type { ChosenModel } from './model-chooser.ts'
import { forecastText, roomText, sentence } from './wording.ts'

/** LoadOptions.memoryBudget, where the visitor says nothing. */
const BUDGET = 500e6

/** What a page can have at most, in WebAssembly's 32-bit memory. */
const MOST = 4e9

/**
 * What is known of a model before it is loaded, and the options to load it with: where the visitor set no limit of
 * memory, a model may ask for more than a page usually takes, and the question says how much.
 * @throws RyzError why it cannot be read or would not run; ABORTED
 */
export async function lookAt(
  model: ChosenModel,
  options: LoadOptions,
  signal: AbortSignal,
): Promise<{ told: RunForecast; options: LoadOptions }> {
  const told = await willItRun(model.source, { ...options, signal })
  if (!told.refusal) return { told, options }
  if (told.refusal.code === 'MEMORY_BUDGET' && options.memoryBudget === undefined) {
    return lookAt(model, { ...options, memoryBudget: MOST }, signal)
  }
  throw new RyzError(told.refusal.code, told.refusal.message)
}

/** Whether a model may be loaded beside one that takes `openBytes` already. */
export function bothFit(told: RunForecast, options: LoadOptions, openBytes: number): boolean {
  return openBytes + told.peakBytes.total <= (options.memoryBudget ?? BUDGET)
}

export class Question {
  readonly #box = byId('question', HTMLElement)
  readonly #title = byId('question-title', HTMLElement)
  readonly #text = byId('question-text', HTMLElement)
  readonly #lowered = byId('question-lowered', HTMLUListElement)
  readonly #load = byId('question-load', HTMLButtonElement)
  #answer: ((load: boolean) => void) | null = null
  #giveFocusBack: () => void = () => {}

  constructor() {
    this.#load.addEventListener('click', () => this.#close(true))
    byId('question-cancel', HTMLButtonElement).addEventListener('click', () => this.#close(false))
  }

  get isShown(): boolean {
    return this.#answer !== null
  }

  /**
   * Resolves with what the visitor decides; a later question answers this one with no.
   * @param replaces  what has to be closed before, when there is no room for both
   */
  async ask(model: ChosenModel, told: RunForecast, replaces: string | null): Promise<boolean> {
    const room = await roomFor(told)
    const note = model.note === undefined ? '' : ` ${sentence(model.note)}`
    this.dismiss()
    const first =
      replaces === null
        ? ''
        : ` There is no room for it beside ${replaces}, which is closed before it is loaded.`
    return new Promise(resolve => {
      this.#answer = resolve
      this.#title.textContent = `Load ${told.name || model.label}?`
      this.#text.textContent = forecastText(told) + note + room + first
      this.#lowered.replaceChildren(
        ...told.lowered.map(({ from, to, reason }) => {
          const item = document.createElement('li')
          item.textContent = `${to} instead of ${from}: ${reason}.`
          return item
        }),
      )
      this.#giveFocusBack = keepFocus(this.#box)
      this.#box.hidden = false
      this.#box.scrollIntoView({ block: 'nearest', behavior: 'instant' })
      this.#load.focus()
    })
  }

  /** Takes the question away: the answer is no. */
  dismiss(): void {
    if (this.isShown) this.#close(false)
  }

  #close(load: boolean): void {
    this.#giveFocusBack()
    this.#box.hidden = true
    const waiting = this.#answer
    this.#answer = null
    waiting?.(load)
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

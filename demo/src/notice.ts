// The one place where failures are shown: the code, what happened, what to do, and a retry of exactly
// what failed.
import { ERROR_CODES, RyzError } from 'ryzanstein'
import { byId, keepFocus } from './dom.ts'
import { sentence } from './wording.ts'

export class Notice {
  readonly #box = byId('notice', HTMLElement)
  readonly #code = byId('notice-code', HTMLElement)
  readonly #message = byId('notice-message', HTMLElement)
  readonly #retryButton = byId('notice-retry', HTMLButtonElement)
  readonly #advice = byId('notice-advice', HTMLElement)
  #retry: () => void = () => {}
  #giveFocusBack: () => void = () => {}

  constructor() {
    byId('notice-close', HTMLButtonElement).addEventListener('click', () => this.hide())
    this.#retryButton.addEventListener('click', () => {
      this.hide()
      this.#retry()
    })
  }

  show(caught: unknown, retry: () => void, retryText = 'Try again'): void {
    this.#retry = retry
    this.#retryButton.textContent = retryText
    const known = caught instanceof RyzError
    this.#code.textContent = known ? caught.code : 'UNEXPECTED'
    this.#message.textContent = sentence(caught instanceof Error ? caught.message : String(caught))
    this.#advice.textContent = known ? ERROR_CODES[caught.code] : ''
    if (this.#box.hidden) this.#giveFocusBack = keepFocus(this.#box)
    this.#box.hidden = false
    // On a phone it may stand above what is in view.
    this.#box.scrollIntoView({ block: 'nearest', behavior: 'instant' })
  }

  hide(): void {
    this.#giveFocusBack()
    this.#box.hidden = true
  }

  get isShown(): boolean {
    return !this.#box.hidden
  }
}

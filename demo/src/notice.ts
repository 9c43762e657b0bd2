// The one place where failures are shown: the code, what happened, what to do, and a retry of exactly
// what failed.
import { ERROR_CODES, RyzError } from 'ryzanstein'
import { byId } from './dom.ts'
import { sentence } from './wording.ts'

export class Notice {
  readonly #box = byId('notice', HTMLElement)
  readonly #code = byId('notice-code', HTMLElement)
  readonly #message = byId('notice-message', HTMLElement)
  readonly #advice = byId('notice-advice', HTMLElement)
  #retry: () => void = () => {}

  constructor() {
    byId('notice-close', HTMLButtonElement).addEventListener('click', () => this.hide())
    byId('notice-retry', HTMLButtonElement).addEventListener('click', () => {
      this.hide()
      this.#retry()
    })
  }

  show(caught: unknown, retry: () => void): void {
    this.#retry = retry
    const known = caught instanceof RyzError
    this.#code.textContent = known ? caught.code : 'UNEXPECTED'
    this.#message.textContent = sentence(caught instanceof Error ? caught.message : String(caught))
    this.#advice.textContent = known ? ERROR_CODES[caught.code] : ''
    this.#box.hidden = false
  }

  hide(): void {
    this.#box.hidden = true
  }
}

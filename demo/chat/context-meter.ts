// How full the model's context is, and how fast it writes: numbers beside the chat, not told to screen readers
// while they change.
import { byId } from '../src/dom.ts'
import { count } from '../src/wording.ts'
import type { ContextUse } from './talk.ts'

const REFRESH_MS = 120

export class ContextMeter {
  readonly #bar = byId('context', HTMLMeterElement)
  readonly #text = byId('context-text', HTMLElement)
  readonly #slid = byId('context-slid', HTMLElement)
  readonly #pace = byId('pace', HTMLElement)
  #use: ContextUse | undefined
  #tokens = 0
  #firstMs = 0
  #shownMs = 0

  /** Undefined where nothing was said yet. */
  show(use: ContextUse | undefined): void {
    this.#use = use
    this.#tokens = 0
    this.#draw()
  }

  start(): void {
    this.#tokens = 0
    this.#firstMs = 0
    this.#pace.textContent = ''
  }

  /** Tokens that were written just now. */
  add(tokens: number): void {
    const now = performance.now()
    this.#firstMs ||= now
    this.#tokens += tokens
    if (now - this.#shownMs < REFRESH_MS) return
    this.#shownMs = now
    const seconds = (now - this.#firstMs) / 1000
    if (seconds > 0.2) this.#pace.textContent = `${count((this.#tokens - 1) / seconds)} tok/s`
    this.#draw()
  }

  #draw(): void {
    const { tokens = 0, limit = 0, slidOut = 0 } = this.#use ?? {}
    const used = tokens + this.#tokens
    this.#bar.max = Math.max(limit, 1)
    this.#bar.high = limit * 0.8
    this.#bar.value = Math.min(used, limit)
    this.#text.textContent =
      limit === 0 ? 'Nothing is read yet.' : `${count(used)} of ${count(limit)} tokens`
    const messages = slidOut === 1 ? '1 message has' : `The first ${slidOut} messages have`
    if (slidOut > 0) {
      this.#slid.textContent = `${messages} slid out: the model does not see them any more.`
    } else if (limit > 0 && used > limit * 0.8) {
      this.#slid.textContent = 'Nearly full: soon the oldest messages slide out.'
    } else this.#slid.textContent = ''
  }
}

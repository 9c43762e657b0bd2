// The sheet of paper: the prompt in red as in a manuscript, the continuation in ink, and under it what
// came of it. Model text only ever enters as text nodes. Pieces are gathered and shown once a frame,
// because the engine may make several tokens between two frames.
import { byId } from './dom.ts'

/** A tale as it stands on the sheet. */
export interface ToldTale {
  prompt: string
  text: string
  summary: string
  canContinue: boolean
}

export class Tale {
  readonly #sheet = byId('sheet', HTMLElement)
  readonly #prompt = byId('tale-prompt', HTMLElement)
  readonly #text = byId('tale-text', HTMLElement)
  readonly #foot = byId('tale-foot', HTMLElement)
  readonly #summary = byId('tale-summary', HTMLElement)
  readonly #ink = document.createTextNode('')
  #waiting = ''
  #frame = 0

  constructor() {
    this.#text.append(this.#ink)
  }

  /** Prompt and continuation as one string. */
  get whole(): string {
    return this.#prompt.textContent + this.#ink.data + this.#waiting
  }

  /** What stands there now; undefined while the sheet is empty. */
  get told(): ToldTale | undefined {
    if (this.#sheet.dataset.state === 'empty') return undefined
    const writing = this.#sheet.dataset.state === 'writing'
    return {
      prompt: this.#prompt.textContent ?? '',
      text: this.#ink.data + this.#waiting,
      summary: writing ? 'Broken off when the page was left.' : (this.#summary.textContent ?? ''),
      canContinue: writing || !byId('continue', HTMLButtonElement).hidden,
    }
  }

  /** Puts a tale of before on the sheet. */
  restore({ prompt, text, summary, canContinue }: ToldTale): void {
    this.begin(prompt)
    this.#ink.data = text
    this.end(summary, canContinue)
  }

  /** The sheet as before a tale of which nothing came. */
  putBack(before: ToldTale | undefined): void {
    this.restore(before ?? { prompt: '', text: '', summary: '', canContinue: false })
    if (!before) this.#sheet.dataset.state = 'empty'
  }

  /** Clears the sheet for a new tale. */
  begin(prompt: string): void {
    this.#waiting = ''
    this.#prompt.textContent = prompt
    this.#ink.data = ''
    this.resume()
  }

  /** Goes on where the text ends. */
  resume(): void {
    this.#sheet.dataset.state = 'writing'
    this.#sheet.setAttribute('aria-busy', 'true')
    this.#foot.hidden = true
  }

  add(text: string): void {
    this.#waiting += text
    this.#frame ||= requestAnimationFrame(() => this.#flush())
  }

  end(summary: string, canContinue: boolean): void {
    const inView = this.#flush() && this.#sheet.dataset.state === 'writing'
    this.#sheet.dataset.state = 'done'
    this.#sheet.setAttribute('aria-busy', 'false')
    this.#summary.textContent = summary
    byId('continue', HTMLButtonElement).hidden = !canContinue
    this.#foot.hidden = summary === ''
    if (inView) this.#foot.scrollIntoView({ block: 'nearest', behavior: 'instant' })
  }

  /** @returns whether the end of the text was in view, and so still is */
  #flush(): boolean {
    cancelAnimationFrame(this.#frame)
    this.#frame = 0
    // Follow the pen only while its line is in view; who has scrolled away reads on in peace.
    const inView = this.#text.getBoundingClientRect().bottom <= innerHeight
    if (this.#waiting === '') return inView
    this.#ink.appendData(this.#waiting)
    this.#waiting = ''
    const below = this.#text.getBoundingClientRect().bottom - innerHeight + 48
    if (inView && below > 48) scrollBy({ top: below, behavior: 'instant' })
    return inView
  }
}

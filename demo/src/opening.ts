// From a chosen model to one that writes: looks at it first, asks where the visitor should know, loads it with
// a bar and a way to cancel. What is open stays until the new model is there, unless memory forbids, which is
// said before. Used by the main.ts of each page, which owns the session.
import {
  type EngineStats,
  type ErrorCode,
  type LoadOptions,
  type LoadProgress,
  RyzError,
} from 'ryzanstein'
import { byId } from './dom.ts'
import type { ChosenModel } from './model-chooser.ts'
import type { Notice } from './notice.ts'
import type { Session } from './session.ts'
import { bothFit, lookAt, Question } from './will-it-run.ts'
import { amountText, phaseText } from './wording.ts'

/** Milliseconds since the page was opened. */
export interface Arrival {
  beganMs: number
  /** 0 before it. */
  lastByteMs: number
}

interface Parts {
  readonly session: Session
  readonly notice: Notice
  /** As the visitor set them. */
  readonly options: () => LoadOptions
  /** What comes when the model is there ('Then it writes.'), if somebody waits for it. */
  readonly afterwards: () => string | undefined
  readonly onOpened: (model: ChosenModel, stats: EngineStats) => Promise<void>
  /** Loading failed or was cancelled; what was open before, if anything, is open still. */
  readonly onFailed: () => void
}

/** Errors after which closing the open model may help. */
const TIGHT: ReadonlySet<ErrorCode> = new Set(['MEMORY_BUDGET', 'GPU_OOM'])

export class Opening {
  readonly #parts: Parts
  readonly #question = new Question()
  readonly #loading = byId('loading', HTMLElement)
  readonly #progress = byId('progress', HTMLProgressElement)
  readonly #amount = byId('amount', HTMLElement)
  readonly #status = byId('status', HTMLElement)
  #looking: AbortController | null = null
  /** What is open, or is to be opened when nothing is. */
  #chosen: ChosenModel
  /** What the status said before a model was looked at. */
  #before = ''
  #arrival: Arrival = { beganMs: 0, lastByteMs: 0 }
  /** The model was found to fit, and its bytes were asked for. */
  #wasLoading = false

  constructor(parts: Parts, first: ChosenModel) {
    this.#parts = parts
    this.#chosen = first
    byId('cancel-loading', HTMLButtonElement).addEventListener('click', () => this.cancel())
  }

  get chosen(): ChosenModel {
    return this.#chosen
  }

  /** Of the model that came last. */
  get arrival(): Arrival {
    return this.#arrival
  }

  /** A model was chosen: our own is loaded at once, others when the visitor has seen what they take. */
  choose(model: ChosenModel): Promise<void> {
    const again = () => this.choose(model)
    return this.#guarded(model, again, async options => {
      if (model.isOurs) return this.#load(model, options, true)
      const looked = await this.#look(model, options)
      const replaces = looked.keep ? null : this.#chosen.label
      this.#restoreStatus()
      if (await this.#question.ask(model, looked.told, replaces))
        await this.#load(model, looked.options, looked.keep)
    })
  }

  /** A model that was open when the page was left: loaded at once where nothing has to be downloaded. */
  restore(model: ChosenModel): Promise<void> {
    return this.#guarded(
      model,
      () => this.choose(model),
      async given => {
        const { told, keep, options } = await this.#look(model, given)
        const ask = told.downloadBytes > 0 || !keep
        const replaces = keep ? null : this.#chosen.label
        this.#restoreStatus()
        if (ask && !(await this.#question.ask(model, told, replaces))) return
        await this.#load(model, options, keep)
      },
    )
  }

  /** The open model with other options; looked at first, so that what cannot be loaded closes nothing. */
  reopen(): Promise<void> {
    const model = this.#chosen
    const again = () => this.reopen()
    return this.#guarded(model, again, async given => {
      // Its speed does not matter now.
      const { keep, options } = await this.#look(model, { ...given, calibrate: false })
      await this.#load(model, { ...options, ...given }, keep)
    })
  }

  /** The first model of the page, or the one that is gone. */
  open(model: ChosenModel): Promise<void> {
    return this.#guarded(
      model,
      () => this.open(model),
      options => this.#load(model, options, true),
    )
  }

  /** Takes back what is nearest: the question, the look at a model, or its loading. */
  cancel(): boolean {
    if (this.#question.isShown) this.#question.dismiss()
    else if (this.#looking !== null) this.#looking.abort()
    else if (this.#parts.session.isLoading) this.#parts.session.cancelLoading()
    else return false
    return true
  }

  async #look(model: ChosenModel, options: LoadOptions) {
    this.#before = this.#looking === null ? (this.#status.textContent ?? '') : this.#before
    this.#looking?.abort()
    const own = new AbortController()
    this.#looking = own
    this.#status.textContent = `Looking at ${model.label}.`
    try {
      const looked = await lookAt(model, options, own.signal)
      own.signal.throwIfAborted()
      const open = (await this.#parts.session.stats())?.memory.total ?? 0
      const keep = open === 0 || bothFit(looked.told, looked.options, open)
      return { ...looked, keep }
    } catch (caught) {
      throw own.signal.aborted ? new RyzError('ABORTED', 'another model was chosen') : caught
    } finally {
      if (this.#looking === own) this.#looking = null
    }
  }

  async #load(model: ChosenModel, options: LoadOptions, keep: boolean): Promise<void> {
    this.#wasLoading = true
    this.#loading.hidden = false
    // On a phone the buttons that start it are far below.
    this.#loading.scrollIntoView({ block: 'nearest', behavior: 'instant' })
    this.#amount.textContent = ''
    this.#progress.removeAttribute('value')
    this.#status.textContent = `Loading ${model.label}.`
    if (!keep) this.#chosen = model
    this.#arrival = { beganMs: performance.now(), lastByteMs: 0 }
    const onProgress = (p: LoadProgress): void => this.#show(p)
    const stats = await this.#parts.session.open(model.source, { ...options, onProgress }, keep)
    this.#chosen = model
    this.#loading.hidden = true
    await this.#parts.onOpened(model, stats)
  }

  /** Runs one way of opening and shows how it fails. */
  async #guarded(
    model: ChosenModel,
    again: () => Promise<void>,
    run: (options: LoadOptions) => Promise<void>,
  ): Promise<void> {
    this.#question.dismiss()
    this.#parts.notice.hide()
    this.#wasLoading = false
    try {
      await run(this.#parts.options())
    } catch (caught) {
      const { session, notice, onFailed } = this.#parts
      const cancelled = caught instanceof RyzError && caught.code === 'ABORTED'
      // The one that took over reports for itself.
      if (cancelled && (session.isLoading || this.#looking !== null)) return this.#restoreStatus()
      this.#loading.hidden = true
      const open = session.isOpen ? ` ${this.#chosen.label} is still open.` : ''
      if (cancelled) this.#status.textContent = `Loading was cancelled.${open}`
      else this.#status.textContent = `${model.label} could not be loaded.${open}`
      onFailed()
      if (cancelled) return
      // The browser may have less than was planned: without the open model there is more.
      const crowded = session.isOpen && this.#wasLoading
      const tight = crowded && caught instanceof RyzError && TIGHT.has(caught.code)
      const alone = () => this.#guarded(model, again, o => this.#load(model, o, false))
      if (tight) notice.show(caught, alone, `Close ${this.#chosen.label} and try again`)
      else notice.show(caught, again)
    }
  }

  #restoreStatus(): void {
    if (this.#status.textContent?.startsWith('Looking at ')) this.#status.textContent = this.#before
  }

  #show(p: LoadProgress): void {
    if (p.totalBytes > 0 && p.phase === 'weights')
      this.#progress.value = p.loadedBytes / p.totalBytes
    if (p.phase === 'weights' && p.loadedBytes === p.totalBytes)
      this.#arrival.lastByteMs ||= performance.now()
    this.#amount.textContent = amountText(p)
    if (this.#parts.session.isWriting) return
    // The status is a live region, so it names each phase once and leaves the numbers to the bar.
    const phase = phaseText(p.phase)
    const afterwards = this.#parts.afterwards()
    const text = afterwards === undefined ? phase : `${phase} ${afterwards}`
    if (this.#status.textContent !== text) this.#status.textContent = text
  }
}

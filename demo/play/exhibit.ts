// What the three parts of the page have in common: a button that runs, one that stops, a line that says how it
// went. One request runs at a time; starting another stops it.
import { RyzError } from 'ryzanstein'
import { byId, isOff, setOff } from '../src/dom.ts'
import type { Notice } from '../src/notice.ts'
import type { Session } from '../src/session.ts'

export interface Stage {
  readonly session: Session
  readonly notice: Notice
  /** Resolves when a model is open; rejects with ABORTED when loading it was given up. */
  readonly whenOpen: () => Promise<void>
}

/** A fault in what the visitor typed: said beside it, not as a failure of the engine. */
export class Mistake extends Error {}

/**
 * Binds `#id-run`, `#id-stop` and `#id-note`.
 * @param work  does it, and gives the line to show
 * @returns starts it
 */
export function exhibit(id: string, stage: Stage, work: () => Promise<string>): () => void {
  const run = byId(`${id}-run`, HTMLButtonElement)
  const stop = byId(`${id}-stop`, HTMLButtonElement)
  const note = byId(`${id}-note`, HTMLElement)
  const { session, notice } = stage

  const start = async (): Promise<void> => {
    if (isOff(run)) return
    setOff(run, true)
    setOff(stop, false)
    notice.hide()
    try {
      note.textContent = session.isOpen ? 'Running…' : 'It runs when the model is there.'
      await stage.whenOpen()
      note.textContent = 'Running…'
      note.textContent = await work()
    } catch (caught) {
      const known = caught instanceof RyzError
      const typed = caught instanceof Mistake || (known && caught.code === 'BAD_OPTION')
      if (typed) note.textContent = `Not run: ${caught.message}.`
      else if (known && caught.code === 'ABORTED') note.textContent = 'Not run.'
      else {
        note.textContent = 'It broke off.'
        notice.show(caught, start)
      }
    } finally {
      setOff(run, false)
      setOff(stop, true)
    }
  }

  run.addEventListener('click', start)
  stop.addEventListener('click', () => {
    if (!isOff(stop)) session.stop()
  })
  return start
}

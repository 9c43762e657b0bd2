// Remembers that the browser lost a GPU, for later loads in the same browser session: each further loss costs the
// origin more (Chromium gives it no adapter after the second, and no page any after the third), so a lost
// GPU is not tried again by itself. Used by worker/main.ts.
import type { Remembered } from './remembered.ts'

export interface LossMark {
  /** What was lost and when, while it is believed; nothing otherwise. */
  found(): Promise<string | undefined>
  /** @param reason  what the device said */
  note(reason: string): Promise<void>
}

interface Note {
  readonly reason: string
  /** Losses, each within the time of the one before. */
  readonly losses: number
  /** Milliseconds since 1970. */
  readonly at: number
}

const HOUR_MS = 3600 * 1000
/** No worker can see whether the browser was started again: one session is taken for half a day. */
const SESSION_MS = 12 * HOUR_MS
/** A GPU that was lost again after that is left alone for longer. */
const AGAIN_MS = 7 * 24 * HOUR_MS

/** @param name  what the loss depends on: a new browser is another one */
export function lossMark(
  remembered: Remembered,
  name: string,
  now: () => number = Date.now,
): LossMark {
  const key = `gpu loss|${name}`
  /** Of this worker, where nothing can be remembered. */
  let last: Note | undefined
  const read = async (): Promise<Note | undefined> => {
    const note = await remembered.get(key)
    return isNote(note) ? note : last
  }
  return {
    async found() {
      const note = await read()
      if (note === undefined) return undefined
      const age = now() - note.at
      // A clock that was set back says nothing.
      if (age < 0 || age >= (note.losses > 1 ? AGAIN_MS : SESSION_MS)) return undefined
      const minutes = Math.round(age / 60_000)
      const ago = minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
      const until = note.losses > 1 ? 'a week' : '12 hours'
      return `the GPU was lost ${ago} ago (${note.reason}); it is not tried again for ${until}`
    },
    async note(reason) {
      const before = await read()
      const recent = before !== undefined && now() - before.at < AGAIN_MS
      last = { reason, losses: recent ? before.losses + 1 : 1, at: now() }
      await remembered.set(key, last)
    },
  }
}

function isNote(value: unknown): value is Note {
  const note = value as Partial<Note> | null | undefined
  return (
    typeof note?.reason === 'string' &&
    typeof note.losses === 'number' &&
    typeof note.at === 'number'
  )
}

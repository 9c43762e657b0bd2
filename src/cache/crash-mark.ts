// A mark that is set before something that may end the whole page, and taken back after it: one that is found
// later, and whose page is gone, says that it did. Used by worker/main.ts round the upload to a GPU.
import type { Remembered } from './remembered.ts'

export interface CrashMark {
  /** Whether the page that set it ended before it took it back; once, or always after the second time. */
  found(): Promise<boolean>
  set(): Promise<void>
  clear(): Promise<void>
}

interface Note {
  /** Of the page that set it; none when that one is known to have ended. */
  readonly id: string
  /** Pages that ended, one after the other. */
  readonly ended: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A mark is believed for a day: what ended the page may have been something else, or its user. */
const BELIEVED_MS = 24 * 3600 * 1000
/** One page that ended stands for one try less; from so many on, for all. */
const ENDED = 2

/**
 * @param name   what may end the page, and what that depends on
 * @param locks  tells whether the page that set the mark lives; without it no mark is believed
 */
export function crashMark(
  remembered: Remembered,
  name: string,
  locks: LockManager | undefined = globalThis.navigator?.locks,
  now: () => number = Date.now,
): CrashMark {
  const key = `crash mark|${name}`
  let release: (() => void) | undefined
  const lockOf = (id: string) => `ryzanstein ${key}|${id}`
  return {
    async found() {
      const note = await remembered.get(key)
      if (!isNote(note) || now() - note.at > BELIEVED_MS || locks === undefined) return false
      if (note.id === '') return note.ended >= ENDED
      const { held = [] } = await locks.query()
      if (held.some(lock => lock.name === lockOf(note.id))) return false
      await remembered.set(key, { id: '', ended: note.ended + 1, at: now() } satisfies Note)
      return true
    },
    async set() {
      if (locks === undefined || release !== undefined) return
      const id = `${now()}-${Math.random()}`
      await new Promise<void>(resolve => {
        // Held until it is released, or the page ends.
        locks
          .request(lockOf(id), () => {
            resolve()
            return new Promise<void>(done => {
              release = done
            })
          })
          .catch(() => resolve())
      })
      const before = await remembered.get(key)
      const ended = isNote(before) ? before.ended : 0
      await remembered.set(key, { id, ended, at: now() } satisfies Note)
    },
    async clear() {
      if (release === undefined) return
      await remembered.set(key, undefined)
      release()
      release = undefined
    },
  }
}

function isNote(value: unknown): value is Note {
  const note = value as Partial<Note> | null | undefined
  return (
    typeof note?.id === 'string' && typeof note.at === 'number' && typeof note.ended === 'number'
  )
}

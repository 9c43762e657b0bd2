// Saved sessions in IndexedDB, by name: a thin shelf for what saveSession() gives. Knows no engine.
import { createStore, del, entries, get, set, type UseStore } from 'idb-keyval'
import { asRyzError, RyzError } from '../errors.ts'
import { blob, check, text } from '../options/rules.ts'
import { isQuotaError, putBlob, storedBlob } from '../storable.ts'

/** A saved session in this browser. */
export interface SavedSession {
  name: string
  bytes: number
}

let opened: UseStore | undefined

/** Nothing is opened before the first use. */
function shelf(): UseStore {
  opened ??= createStore('ryzanstein-sessions', 'sessions')
  return opened
}

/**
 * Keeps what `engine.saveSession()` gave across page loads.
 * @example
 * await sessions.save('chat', await engine.saveSession(messages))
 * // after a reload
 * const saved = await sessions.load('chat')
 * if (saved) await engine.restoreSession(saved)
 */
export const sessions = {
  /** Stores a session, over one of the same name. @throws RyzError STORAGE_FULL | NO_STORAGE */
  save: async (name: string, session: Blob): Promise<void> => {
    check('name', name, text)
    check('session', session, blob)
    await stored(`the session ${JSON.stringify(name)}`, () =>
      putBlob(session, value => set(name, value, shelf())),
    )
  },

  /** undefined when there is none of that name. @throws RyzError NO_STORAGE without IndexedDB */
  load: async (name: string): Promise<Blob | undefined> => {
    check('name', name, text)
    return stored('the sessions', async () => storedBlob(await get(name, shelf())))
  },

  /** Names and sizes of all. @throws RyzError NO_STORAGE without IndexedDB */
  list: (): Promise<SavedSession[]> =>
    stored('the sessions', async () => {
      const all = await entries<string, unknown>(shelf())
      return all.map(([name, value]) => ({ name, bytes: storedBlob(value)?.size ?? 0 }))
    }),

  /** Forgets one; nothing happens where there is none. @throws RyzError NO_STORAGE without IndexedDB */
  delete: async (name: string): Promise<void> => {
    check('name', name, text)
    await stored('the sessions', () => del(name, shelf()))
  },
}

async function stored<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (caught) {
    opened = undefined
    if (isQuotaError(caught)) {
      const text = `${what} could not be stored, the browser grants no more space; delete some`
      throw new RyzError('STORAGE_FULL', text, {}, { cause: caught })
    }
    throw asRyzError(caught, 'NO_STORAGE', `${what} could not be reached in IndexedDB`)
  }
}

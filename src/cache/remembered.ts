// Small facts that outlive a page, by key: what calibration found. A store of its own beside the
// weights; where IndexedDB is missing or fails, nothing is remembered and nothing breaks.
import { createStore, get, set } from 'idb-keyval'
import { watched } from '../net/watch.ts'

/** What is remembered saves half a second: it is not waited for longer than it is worth. */
const ANSWER_MS = 2000

export interface Remembered {
  /** undefined when there is nothing, or nothing can be read. */
  get(key: string): Promise<unknown>
  /** Resolves when it is kept, or cannot be. */
  set(key: string, value: unknown): Promise<void>
}

/** Notes in IndexedDB, or none without it. */
export function rememberedInIndexedDb(): Remembered {
  const open = () => createStore('ryzanstein-notes', 'notes')
  let store: ReturnType<typeof open> | undefined
  const attempt = async <T>(run: (opened: ReturnType<typeof open>) => Promise<T>) => {
    try {
      store ??= open()
      return await watched(run(store), { what: 'an answer of IndexedDB (notes)', ms: ANSWER_MS })
    } catch {
      // Private modes refuse at once or on the first write: measuring again is all that it costs.
      return undefined
    }
  }
  return {
    get: key => attempt(opened => get(key, opened)),
    set: async (key, value) => {
      await attempt(opened => set(key, value, opened))
    },
  }
}

// Only one tab downloads a model; a second waits for it and then reads. But not for ever: a tab that holds the
// lock and stores nothing any more is not waited for. Called by session.ts.
import { asRyzError, RyzError } from '../errors.ts'
import { storedBytes } from './records.ts'
import type { ChunkStore } from './store.ts'

/** How often the other tab's progress is looked at, and after how many looks without any it is given up. */
const LOOK_MS = 15_000
const LOOKS = 4

export interface DownloadLock {
  /** Lets go of the lock; may be called twice. */
  release(): void
  /** Why it was not waited for any longer; absent where this tab has the lock. */
  readonly gaveUp?: string
}

/**
 * Waits for the lock of a model's download.
 * @throws RyzError ABORTED | NO_STORAGE where the browser grants no locks
 */
export async function downloadLock(
  locks: LockManager,
  source: string,
  store: ChunkStore,
  signal: AbortSignal,
  lookMs = LOOK_MS,
): Promise<DownloadLock> {
  const name = `ryzanstein:${source}`
  const waiting = new AbortController()
  const stop = () => waiting.abort()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const progress = async () => {
    const files = await store.files().catch(() => [])
    return files.filter(f => f.model === source).reduce((sum, f) => sum + storedBytes(f), 0)
  }
  let before = -1
  let looks = 0
  let gaveUp = false
  const timer = setInterval(async () => {
    const now = await progress()
    looks = now === before ? looks + 1 : 0
    before = now
    gaveUp = looks >= LOOKS
    if (gaveUp) stop()
  }, lookMs)
  try {
    return await new Promise<DownloadLock>((resolve, reject) => {
      locks
        .request(name, { signal: waiting.signal }, () => {
          clearInterval(timer)
          return new Promise<void>(release => resolve({ release }))
        })
        .catch(reject)
    })
  } catch (caught) {
    if (signal.aborted) throw new RyzError('ABORTED', 'loading was cancelled')
    if (!gaveUp) throw asRyzError(caught, 'NO_STORAGE', `the lock ${name} was not granted`)
    const seconds = (LOOKS * lookMs) / 1000
    return {
      release: () => undefined,
      gaveUp: `another tab downloads this model and has stored nothing for ${seconds} s`,
    }
  } finally {
    clearInterval(timer)
    signal.removeEventListener('abort', stop)
  }
}

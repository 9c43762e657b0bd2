// Engines by name, for components: loaded when the first one asks, shared by all that ask alike, closed some time
// after the last one has gone, so that a remount (StrictMode, Suspense, fast refresh) loads nothing twice. Knows
// no React. Used by react.ts.
import type { Ryzanstein } from '../../api/ryzanstein.ts'
import type { LoadOptions, LoadProgress } from '../../types/index.ts'

/** Loads the engine: `options => load(url, options)`. */
export type OpenEngine = (
  options: Pick<LoadOptions, 'signal' | 'onProgress'>,
) => Promise<Ryzanstein>

/** A new object for every change, and the same one until then. */
export type EngineState =
  | { readonly status: 'loading'; readonly progress?: LoadProgress }
  | { readonly status: 'ready'; readonly engine: Ryzanstein }
  | { readonly status: 'failed'; readonly error: unknown }

export const LOADING: EngineState = { status: 'loading' }

/** Milliseconds that an engine outlives its last component. */
const LINGER_MS = 1000
/** Milliseconds that it waits for its first one: a tree that suspended comes back later than that rarely. */
const FIRST_MS = 30_000

interface Entry {
  state: EngineState
  readonly promise: Promise<Ryzanstein>
  readonly abort: AbortController
  readonly listeners: Set<() => void>
  users: number
  timer: ReturnType<typeof setTimeout> | undefined
}

const entries = new Map<string, Entry>()

export function stateOf(key: string): EngineState {
  return entries.get(key)?.state ?? LOADING
}

/** The engine of this name, which is loaded now if it is not; the same promise for all who ask. */
export function engineOf(key: string, open: OpenEngine): Promise<Ryzanstein> {
  return (entries.get(key) ?? start(key, open)).promise
}

/** One more component uses it. @returns what gives it up again; may be called twice */
export function hold(key: string, open: OpenEngine, listener: () => void): () => void {
  const entry = entries.get(key) ?? start(key, open)
  clearTimeout(entry.timer)
  entry.users++
  entry.listeners.add(listener)
  let held = true
  return () => {
    if (!held) return
    held = false
    entry.listeners.delete(listener)
    if (--entry.users === 0) closeIn(key, entry, LINGER_MS)
  }
}

function start(key: string, open: OpenEngine): Entry {
  const abort = new AbortController()
  const tell = (state: EngineState): void => {
    if (entries.get(key) !== entry) return
    entry.state = state
    for (const listener of entry.listeners) listener()
  }
  // Not before this function is over: `open` may tell progress at once.
  const promise = Promise.resolve().then(() =>
    open({
      signal: abort.signal,
      onProgress: progress => tell({ status: 'loading', progress }),
    }),
  )
  const entry: Entry = {
    ...{ state: LOADING, promise, abort },
    ...{ listeners: new Set<() => void>(), users: 0, timer: undefined },
  }
  entries.set(key, entry)
  promise.then(
    engine => {
      // Whoever wanted it has gone.
      if (abort.signal.aborted) void engine.close()
      tell({ status: 'ready', engine })
    },
    error => tell({ status: 'failed', error }),
  )
  closeIn(key, entry, FIRST_MS)
  return entry
}

function closeIn(key: string, entry: Entry, ms: number): void {
  clearTimeout(entry.timer)
  entry.timer = setTimeout(() => {
    if (entry.users > 0) return
    if (entries.get(key) === entry) entries.delete(key)
    entry.abort.abort()
    entry.promise.then(engine => engine.close()).catch(() => undefined)
  }, ms)
}

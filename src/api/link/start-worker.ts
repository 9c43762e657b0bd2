// Starts the engine worker and prepares what it is asked: sources as they are seen from the page, and
// signals. Used by ryzanstein.ts and forecast.ts.
import { RyzError } from '../../errors.ts'
import type { ModelSource } from '../../types/index.ts'
import type { WireSource } from '../../worker/protocol.ts'

/** @throws RyzError WORKER_DIED where there are no workers or its script cannot be started */
export function startWorker(): Worker {
  if (typeof Worker === 'undefined') {
    throw new RyzError('WORKER_DIED', 'there is no Worker here; call load() in a browser')
  }
  try {
    return new Worker(__RYZ_URL_worker_js__, { type: 'module', name: 'ryzanstein' })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const what = 'the engine worker could not start; serve the package from the origin of the page'
    throw new RyzError('WORKER_DIED', `${what} (${why})`, {}, { cause })
  }
}

/** Relative URLs are meant from the page, not from the worker's file. */
export function sourceForWorker(source: ModelSource): WireSource {
  if (source instanceof URL) return source.href
  if (typeof source !== 'string') return source
  const base = globalThis.document?.baseURI ?? globalThis.location?.href
  if (base === undefined) return source
  try {
    return new URL(source, base).href
  } catch (cause) {
    throw new RyzError('BAD_OPTION', `${JSON.stringify(source)} is no URL`, { source }, { cause })
  }
}

/** What a fired signal ends a call with. */
export function aborted(what: string): RyzError {
  return new RyzError('ABORTED', `${what} was cancelled`)
}

/** Calls `run` when the signal fires; the result takes the listener away again. */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal === undefined) return () => undefined
  if (signal.aborted) run()
  else signal.addEventListener('abort', run, { once: true })
  return () => signal.removeEventListener('abort', run)
}

/** Calls a caller's function; what it throws is reported as of any listener, and ends nothing here. */
export function tell<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value)
  } catch (caught) {
    ;(globalThis.reportError ?? console.error)(caught)
  }
}

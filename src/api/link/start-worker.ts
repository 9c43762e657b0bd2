// Starts the engine worker and prepares what it is asked: sources as they are seen from the page, and
// signals. Used by ryzanstein.ts and forecast.ts.
import { RyzError } from '../../errors.ts'
import type { PackageUrls } from '../../package-files.ts'
import { startScript } from '../../start-script.ts'
import type { ModelSource } from '../../types/index.ts'
import type { WireSource } from '../../worker/protocol.ts'
import { packageUrls } from '../package-urls.ts'

/** @throws RyzError NO_WORKER where there are none; WORKER_DIED when its script cannot be started */
export function startWorker(baseUrl?: string | URL): Worker {
  if (typeof Worker === 'undefined') {
    throw new RyzError('NO_WORKER', 'there is no Worker here; call load() in a browser')
  }
  const files = packageUrls(baseUrl)
  const url = files['worker.js']
  try {
    return filesTold(startScript(url, 'ryzanstein'), files)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new RyzError(
      'WORKER_DIED',
      `the browser starts no engine worker from ${url}: ${why}; allow it in the Content-Security-Policy of the page (worker-src 'self', or blob: where the package is of another origin)`,
      { url },
      { cause },
    )
  }
}

const told = new WeakMap<object, PackageUrls>()

/** Has the worker told where the files of the package are when it loads. */
export function filesTold<W extends object>(worker: W, files: PackageUrls): W {
  told.set(worker, files)
  return worker
}

/** Where the files of the package are, for a worker that startWorker() made. */
export function filesFor(worker: object): PackageUrls | undefined {
  return told.get(worker)
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

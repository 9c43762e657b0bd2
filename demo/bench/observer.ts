// Somebody outside the page who can see what the page cannot: peak memory and CPU time of its process.
// The bench driver is one; a run by hand has none, and then those fields stay empty.

export interface Observation {
  /** Peak since the last 'start'. */
  readonly peak_rss_mb: number
  readonly cpu_s: number
  /** Of each worker thread, by its id. */
  readonly worker_cpu_s: Readonly<Record<string, number>>
}

/**
 * 'start' begins a cell; 'loaded' follows its (first) load; 'measure' and 'measured' stand around the
 * repetitions; 'end' ends it.
 */
export type Moment = 'start' | 'loaded' | 'measure' | 'measured' | 'end'
export type Observe = (moment: Moment) => Promise<Observation | null>

export const NOBODY: Observe = async () => null

/** An observer at a path of this origin. */
export function observerAt(path: string): Observe {
  return async moment => (await (await post(path, { moment })).json()) as Observation | null
}

/** Hands something to the observer: a row, or the whole report. */
export async function post(path: string, body: unknown): Promise<Response> {
  const url = new URL(path, location.href)
  if (url.origin !== location.origin) throw new Error('an observer must be on the same origin')
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`the observer answered ${response.status}`)
  return response
}

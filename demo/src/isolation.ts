// Makes the page cross-origin isolated where the host sends no headers: registers the service worker
// and reloads once. Without isolation the engine still runs, on one thread; the reason is returned
// for the page to show. Called by main.ts before anything is downloaded.

const GUARD = 'ryzanstein.isolating'
/** A worker that is not active by now will not hold the page up any longer. */
const ACTIVATION_LIMIT_MS = 4000

export type Isolation =
  | { kind: 'isolated'; reason: string }
  | { kind: 'reloading' }
  | { kind: 'none'; reason: string }

/** Never throws and never reloads twice in a row. */
export async function isolate(workerUrl: string): Promise<Isolation> {
  if (crossOriginIsolated) {
    const wasOurs = navigator.serviceWorker?.controller != null
    setGuard(null)
    return {
      kind: 'isolated',
      reason: wasOurs ? 'by this site’s service worker' : 'by the host’s headers',
    }
  }
  if (!isSecureContext) return none('the page came over plain http')
  if (!('serviceWorker' in navigator)) return none('this browser offers no service worker')
  const guard = getGuard()
  if (guard === undefined) return none('session storage is blocked, so a reload could repeat')
  if (guard !== null) return none('the browser did not isolate the page after a reload')
  try {
    await navigator.serviceWorker.register(workerUrl)
    if (!(await activeWithin(ACTIVATION_LIMIT_MS))) return none('the service worker did not start')
  } catch {
    return none('the service worker could not be registered')
  }
  if (!setGuard('1')) return none('session storage is blocked, so a reload could repeat')
  location.reload()
  return { kind: 'reloading' }
}

function none(reason: string): Isolation {
  return { kind: 'none', reason }
}

async function activeWithin(ms: number): Promise<boolean> {
  const late = new Promise<false>(done => setTimeout(() => done(false), ms))
  return Promise.race([navigator.serviceWorker.ready.then(() => true), late])
}

/** undefined when storage is blocked. */
function getGuard(): string | null | undefined {
  try {
    return sessionStorage.getItem(GUARD)
  } catch {
    return undefined
  }
}

function setGuard(value: string | null): boolean {
  try {
    if (value === null) sessionStorage.removeItem(GUARD)
    else sessionStorage.setItem(GUARD, value)
    return true
  } catch {
    return false
  }
}

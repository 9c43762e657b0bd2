// Cross-origin isolation for pages whose host sends no headers: registers the service worker of the package,
// which adds them, and reloads the page once. Threads need it; without it everything runs on one. Depends on
// nothing else of the package.

/** Whether the page may have threads, and why. */
export type Isolation =
  | { readonly isolated: true; readonly by: 'headers' | 'service worker' }
  | { readonly isolated: false; readonly reason: string }

const GUARD = 'ryzanstein.isolating'
/** A service worker that is not active by now holds the page up no longer. */
const ACTIVATION_MS = 4000
/** A reload takes less; the visitor may have refused it (beforeunload). */
const RELOAD_MS = 10_000

/**
 * Makes this page cross-origin isolated if it is not: `await isolate('/coi-service-worker.js')` before load().
 * Copy `ryzanstein/coi-service-worker.js` to the root of the site, as it governs the folder it lies in. The
 * first visit reloads once, and the promise waits for that; no visit reloads twice.
 * @param serviceWorker  where the copy is, relative to the page
 * @returns never rejects: where isolation is impossible, the reason
 */
export async function isolate(serviceWorker: string | URL): Promise<Isolation> {
  if (globalThis.document === undefined) return not('there is no page here')
  if (globalThis.crossOriginIsolated) {
    storeGuard(null)
    return { isolated: true, by: isOurs(serviceWorker) ? 'service worker' : 'headers' }
  }
  if (globalThis.top !== globalThis.self) {
    return not('the page is in a frame, and the page around it must be isolated and allow it')
  }
  if (!globalThis.isSecureContext) return not('the page came over plain http')
  if (navigator.serviceWorker === undefined) return not('this browser offers no service worker')
  const guard = storedGuard()
  if (guard === undefined) return not('session storage is blocked, so a reload could repeat')
  if (guard !== null) return not('the browser did not isolate the page after a reload')
  try {
    await navigator.serviceWorker.register(serviceWorker)
    if (!(await activeInTime())) return not('the service worker did not start')
  } catch (caught) {
    const why = caught instanceof Error ? caught.message : String(caught)
    return not(`the service worker could not be registered (${why})`)
  }
  if (!storeGuard('1')) return not('session storage is blocked, so a reload could repeat')
  location.reload()
  await new Promise(resolve => setTimeout(resolve, RELOAD_MS))
  return not('the page was not reloaded')
}

function not(reason: string): Isolation {
  return { isolated: false, reason }
}

function isOurs(serviceWorker: string | URL): boolean {
  const { scriptURL } = navigator.serviceWorker?.controller ?? {}
  try {
    return scriptURL === new URL(serviceWorker, document.baseURI).href
  } catch {
    return false
  }
}

async function activeInTime(): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<false>(resolve => {
    timer = setTimeout(() => resolve(false), ACTIVATION_MS)
  })
  const active = await Promise.race([navigator.serviceWorker.ready.then(() => true), late])
  clearTimeout(timer)
  return active
}

/** undefined when storage is blocked. */
function storedGuard(): string | null | undefined {
  try {
    return sessionStorage.getItem(GUARD)
  } catch {
    return undefined
  }
}

function storeGuard(value: string | null): boolean {
  try {
    if (value === null) sessionStorage.removeItem(GUARD)
    else sessionStorage.setItem(GUARD, value)
    return true
  } catch {
    return false
  }
}

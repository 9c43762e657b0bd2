// Puts a service worker around the page and waits until the page's requests go through it. Knows nothing of engines.

/** Whether the requests of this page go through the worker, and why not. */
export type Registered =
  | { readonly controlled: true }
  | { readonly controlled: false; readonly reason: string }

/** A worker that has not taken the page over by now does not hold it up. */
const CONTROL_MS = 5000

/**
 * Registers a service worker, `api-service-worker.js` of the package or your own, and waits until it sees the requests
 * of this page. One worker governs a scope: to have another's work too, import both scripts in a file of yours.
 * @param script   where it is, relative to the page; it governs the folder it lies in
 * @param options  of `navigator.serviceWorker.register()`: `{ type: 'module' }`, `scope`
 * @returns never rejects: where it is impossible, the reason
 */
export async function register(
  script: string | URL,
  options: RegistrationOptions = {},
): Promise<Registered> {
  if (globalThis.document === undefined) return not('there is no page here')
  if (!globalThis.isSecureContext) return not('the page came over plain http')
  const container = navigator.serviceWorker
  if (container === undefined) return not('this browser offers no service worker')
  try {
    const { href } = new URL(script, document.baseURI)
    await container.register(href, options)
    const late = Date.now() + CONTROL_MS
    while (container.controller?.scriptURL !== href) {
      if (Date.now() > late) {
        return not('the worker does not govern this page: reload, or let it call clients.claim()')
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    return { controlled: true }
  } catch (caught) {
    const why = caught instanceof Error ? caught.message : String(caught)
    return not(`the service worker could not be registered (${why})`)
  }
}

function not(reason: string): Registered {
  return { controlled: false, reason }
}

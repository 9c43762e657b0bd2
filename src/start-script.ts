// Starts a worker from a URL, also from one of another origin (a CDN), from which browsers start no worker: a
// blob of this origin imports it then. Says why one did not start. Used for the engine worker, its pool and
// the template worker.
import { watched } from './net/watch.ts'

/** Blobs by what they import; a blob URL lives as long as the page or worker that made it. */
const blobs = new Map<string, string>()

/** Whether a script at this URL may be a worker here as it is. */
export function sameOrigin(url: string): boolean {
  const { protocol, origin } = new URL(url, globalThis.location?.href)
  // Not location.origin, which in a sandboxed frame is what it would be without the sandbox.
  const own = globalThis.origin ?? globalThis.location?.origin
  // Node starts threads from files; browsers start no worker from there.
  if (protocol === 'file:' && own === undefined) return true
  return protocol === 'blob:' || (origin === own && own !== 'null')
}

/**
 * A module worker. Its script needs `Access-Control-Allow-Origin` where it is of another origin, and the
 * page's policy `worker-src blob:`.
 * @throws DOMException where the browser refuses at once
 */
export function startScript(url: string, name: string): Worker {
  if (sameOrigin(url)) return new Worker(url, { type: 'module', name })
  let blob = blobs.get(url)
  if (blob === undefined) {
    blob = URL.createObjectURL(new Blob([importing(url)], { type: 'text/javascript' }))
    blobs.set(url, blob)
  }
  // A classic worker: WebKit refuses imports of blob modules on isolated pages.
  return new Worker(blob, { name })
}

/**
 * A script that holds messages back until the one at `url` listens. It hears them first and stops them, so
 * that none is heard twice.
 */
function importing(url: string): string {
  const text = JSON.stringify(url)
  return `let held = []
const hold = event => {
  if (held === undefined) return
  event.stopImmediatePropagation()
  held.push(event)
}
addEventListener('message', hold)
let forbidden = ''
addEventListener('securitypolicyviolation', event => {
  forbidden = '; the policy of the page forbids it by ' + event.effectiveDirective
})
import(${text}).then(
  () => {
    const first = held
    held = undefined
    removeEventListener('message', hold)
    for (const { data, ports, origin } of first) {
      dispatchEvent(new MessageEvent('message', { data, ports: [...ports], origin }))
    }
  },
  error => setTimeout(() => {
    throw new Error('could not load ' + ${text} + ' (' + error.message + ')' + forbidden)
  }),
)
`
}

const ASK_MS = 5000

/**
 * Whether a worker of startScript() came as far as its script.
 * @param message  of its error event, which has none where the script itself did not come
 */
export function hadStarted(url: string, message: string | undefined): boolean {
  return !!message && !message.includes(`could not load ${url}`)
}

/**
 * Why a worker did not start from this URL and what would help, found by fetching it: browsers only say that
 * it did not.
 * @param message  of its error event
 */
export async function whyNotStarted(url: string, message = ''): Promise<string> {
  const forbidden = /; (the policy of the page forbids it by [\w-]+)/.exec(message)?.[1]
  const why = await whatServerSays(url)
  return forbidden === undefined ? why : `${forbidden} (${why})`
}

async function whatServerSays(url: string): Promise<string> {
  const own = sameOrigin(url)
  const controller = new AbortController()
  try {
    const asked = fetch(url, { signal: controller.signal })
    const response = await watched(asked, { what: `an answer of ${url}`, ms: ASK_MS })
    const type = response.headers.get('content-type') ?? 'of no type'
    if (!response.ok) return `its server answered ${response.status}; ${PLACE}`
    if (!/javascript|ecmascript/.test(type)) return `its server gives ${type}, no script; ${PLACE}`
    if (!own) return `${POLICY_OTHER}; ${OWN_ORIGIN}`
    if (globalThis.crossOriginIsolated && !response.headers.has('cross-origin-embedder-policy')) {
      return 'the page is cross-origin isolated, and a worker must be too: send Cross-Origin-Embedder-Policy: require-corp with this file as with the page'
    }
    return "allow it in the Content-Security-Policy of the page: worker-src 'self'"
  } catch (caught) {
    const why = caught instanceof Error ? caught.message : String(caught)
    if (globalThis.navigator?.onLine === false) return `${why}; this device is offline`
    if (own) return `${why}; ${PLACE}`
    return `${why}; it is of another origin, so its server must send Access-Control-Allow-Origin, and the policy of the page must allow that origin in connect-src and script-src, and worker-src blob:; ${OWN_ORIGIN}`
  } finally {
    controller.abort()
  }
}

/** Where the files of the package must be. */
export const PLACE =
  'serve the files of the package beside its index.js, or say where they are (baseUrl); with Vite, use the plugin of ryzanstein/vite'
const POLICY_OTHER =
  'it is of another origin, so the Content-Security-Policy of the page must allow worker-src blob:, and that origin in script-src'
const OWN_ORIGIN = 'or serve the package from your own origin (baseUrl)'

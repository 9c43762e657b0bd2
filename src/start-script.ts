// Starts a worker from a URL, also from one of another origin (a CDN), from which browsers start no worker: a
// blob of this origin imports it then. Used for the engine worker and its pool.

/** Blobs by what they import; a blob URL lives as long as the page or worker that made it. */
const blobs = new Map<string, string>()

/** Whether a script at this URL may be a worker here as it is. */
export function sameOrigin(url: string): boolean {
  const { protocol, origin } = new URL(url, globalThis.location?.href)
  return protocol === 'blob:' || origin === globalThis.location?.origin
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

/** A script that holds messages back until the one at `url` listens. */
function importing(url: string): string {
  const text = JSON.stringify(url)
  return `const held = []
const hold = event => held.push(event)
addEventListener('message', hold)
import(${text}).then(
  () => {
    removeEventListener('message', hold)
    for (const { data, ports } of held) dispatchEvent(new MessageEvent('message', { data, ports }))
  },
  error => setTimeout(() => {
    throw new Error('could not load ' + ${text} + ' (' + error.message + '); its server must send Access-Control-Allow-Origin, and the policy of the page must allow it in script-src')
  }),
)
`
}

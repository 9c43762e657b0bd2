// Cross-origin isolation for hosts that cannot send headers: answers same-origin documents, workers
// and scripts with COOP, COEP and CORP added, which is what SharedArrayBuffer (threads) needs.
// fetch() calls have no destination and pass by untouched, so model downloads, Range requests and
// POSTs never go through here. Lives unhashed at the root of a site; isolate() registers it.
const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))

self.addEventListener('fetch', event => {
  const { request } = event
  if (request.method !== 'GET' || request.destination === '' || request.headers.has('range')) return
  if (new URL(request.url).origin !== self.location.origin) return
  event.respondWith(isolated(request))
})

async function isolated(request) {
  const response = await fetch(request)
  // An opaque redirect has no readable headers; the browser follows it and asks again.
  if (response.status === 0) return response
  const headers = new Headers(response.headers)
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value)
  const { status, statusText } = response
  // 204, 205 and 304 must not carry a body.
  const body = status === 204 || status === 205 || status === 304 ? null : response.body
  return new Response(body, { status, statusText, headers })
}

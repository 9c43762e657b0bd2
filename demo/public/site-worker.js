// The service worker of the demo site: adds the isolation headers, as coi-service-worker.js of the package does, and
// keeps the site's files (not the models, which the engine keeps) so that it opens offline. Registered by
// src/site.ts; vite.config.ts names the build in REVISION.
const CACHE = 'ryzanstein-site-REVISION'
const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

self.addEventListener('install', () => self.skipWaiting())
// Not in install: a page that waits to be isolated would wait for all files.
self.addEventListener('message', event => {
  if (event.data === 'keep') event.waitUntil(keepAll())
})

self.addEventListener('fetch', event => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || request.headers.has('range')) return
  if (origin !== self.location.origin || pathname.includes('/models/')) return
  // Names of assets carry the hash of what they hold.
  const hashed = pathname.includes('/assets/')
  if (request.destination === '' && !hashed) return
  event.respondWith(hashed ? keptFirst(request) : networkFirst(request))
})

async function keptFirst(request) {
  return (await kept(request)) ?? networkFirst(request)
}

async function networkFirst(request) {
  let response
  try {
    response = await fetch(request)
  } catch (failed) {
    const here = await kept(request)
    if (here) return here
    throw failed
  }
  return isolated(response)
}

async function kept({ url }) {
  const cache = await caches.open(CACHE)
  const asked = url.replace(/[?#].*$/, '').replace(/\/$/, '/index.html')
  const response = await cache.match(asked)
  return response && isolated(response)
}

/** Fetches what is not here yet, and forgets what earlier builds left. */
async function keepAll() {
  const list = await fetch(new URL('site-files.json', self.registration.scope), {
    cache: 'no-store',
  })
  const cache = await caches.open(CACHE)
  for (const file of await list.json()) {
    const url = new URL(file, self.registration.scope).href
    if (!(await cache.match(url))) await cache.add(url)
  }
  for (const name of await caches.keys()) {
    if (name.startsWith('ryzanstein-site-') && name !== CACHE) await caches.delete(name)
  }
}

function isolated(response) {
  // An opaque redirect has no readable headers; the browser follows it and asks again.
  if (response.status === 0) return response
  const headers = new Headers(response.headers)
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value)
  const { status, statusText } = response
  // 204, 205 and 304 must not carry a body.
  const body = status === 204 || status === 205 || status === 304 ? null : response.body
  return new Response(body, { status, statusText, headers })
}

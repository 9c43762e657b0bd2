// Where a worker starts from, and what is said when it does not. That blobs import, hold messages back and
// pass them on is tested in Chromium (e2e/bundlers.spec.ts).
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { sameOrigin, startScript, whyNotStarted } from '../src/start-script.ts'

const made: { url: string; options: WorkerOptions }[] = []

beforeEach(() => {
  made.length = 0
  vi.stubGlobal('location', new URL('https://page.test/app/'))
  vi.stubGlobal(
    'Worker',
    class {
      constructor(url: string, options: WorkerOptions) {
        made.push({ url, options })
      }
    },
  )
})
afterEach(() => vi.unstubAllGlobals())

test('a script of the own origin is a module worker as it is', () => {
  startScript('https://page.test/lib/worker.js', 'w')
  expect(made).toEqual([
    { url: 'https://page.test/lib/worker.js', options: { type: 'module', name: 'w' } },
  ])
})

test.each(['https://cdn.test/worker.js', 'http://page.test/worker.js', 'data:text/javascript,0'])(
  '%s is imported by a blob, one for all workers of it',
  async url => {
    startScript(url, 'a')
    startScript(url, 'b')
    expect(made.map(m => m.options)).toEqual([{ name: 'a' }, { name: 'b' }])
    expect(made[0]!.url).toMatch(/^blob:/)
    expect(made[1]!.url).toBe(made[0]!.url)
    const script = await (await fetch(made[0]!.url)).text()
    expect(script).toContain(`import(${JSON.stringify(url)})`)
    expect(() => new Function(script.replace('import(', 'void ('))).not.toThrow()
  },
)

test('relative URLs and blobs are of the own origin', () => {
  expect(sameOrigin('worker.js')).toBe(true)
  expect(sameOrigin('blob:https://page.test/1')).toBe(true)
  expect(sameOrigin('https://page.test.evil/worker.js')).toBe(false)
})

test('nothing is of the own origin in a sandboxed frame', () => {
  vi.stubGlobal('origin', 'null')
  expect(sameOrigin('https://page.test/worker.js')).toBe(false)
  expect(sameOrigin('data:text/javascript,0')).toBe(false)
})

const own = 'https://page.test/worker.js'
const other = 'https://cdn.test/worker.js'
const js = { 'content-type': 'text/javascript' }
const isolated = { ...js, 'cross-origin-embedder-policy': 'require-corp' }

test.each([
  ['is not there', own, new Response('', { status: 404, headers: js }), /answered 404.*baseUrl/],
  [
    'is a page',
    own,
    new Response('', { headers: { 'content-type': 'text/html' } }),
    /text\/html.*ryzanstein\/vite/,
  ],
  ['may be fetched but not run', own, new Response('', { headers: isolated }), /worker-src 'self'/],
  ['has no COEP', own, new Response('', { headers: js }), /Embedder-Policy: require-corp/],
  ['is of a CDN', other, new Response('', { headers: js }), /worker-src blob:.*script-src/],
])('a script that %s is told so', async (_, url, response, said) => {
  vi.stubGlobal('crossOriginIsolated', true)
  vi.stubGlobal('fetch', async () => response)
  expect(await whyNotStarted(url)).toMatch(said)
})

test('a script that cannot be fetched is told with the header that another origin needs', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')))
  expect(await whyNotStarted(own)).toMatch(/^Failed to fetch; serve the files/)
  expect(await whyNotStarted(other)).toMatch(/Access-Control-Allow-Origin.*connect-src/)
  vi.stubGlobal('navigator', { onLine: false })
  expect(await whyNotStarted(other)).toBe('Failed to fetch; this device is offline')
})

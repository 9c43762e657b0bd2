// isolate() in pages made of stubs; real pages, hosts and reloads are in e2e/demo-hosts.spec.ts.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { isolate } from '../../src/api/isolate.ts'

const SCRIPT = '/coi-service-worker.js'
const stored = new Map<string, string>()
const reload = vi.fn()
const register = vi.fn(async () => undefined)

function page(parts: Record<string, unknown> = {}): void {
  const self = {}
  const all = {
    document: { baseURI: 'https://page.test/app/' },
    self,
    top: self,
    isSecureContext: true,
    crossOriginIsolated: false,
    navigator: { serviceWorker: { register, ready: Promise.resolve(), controller: null } },
    location: { reload },
    sessionStorage: {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => stored.set(key, value),
      removeItem: (key: string) => stored.delete(key),
    },
    ...parts,
  }
  for (const [name, value] of Object.entries(all)) vi.stubGlobal(name, value)
}

beforeEach(() => {
  vi.useFakeTimers()
  stored.clear()
  register.mockClear()
  reload.mockClear()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('a page with headers is left alone', async () => {
  page({ crossOriginIsolated: true })
  expect(await isolate(SCRIPT)).toEqual({ isolated: true, by: 'headers' })
  expect(register).not.toHaveBeenCalled()
})

test('a page without is reloaded once, and then knows who isolated it', async () => {
  page()
  const waiting = vi.fn()
  void isolate(SCRIPT).then(waiting)
  await vi.advanceTimersByTimeAsync(5000)
  expect(register).toHaveBeenCalledExactlyOnceWith(SCRIPT)
  expect(reload).toHaveBeenCalledTimes(1)
  expect(waiting).not.toHaveBeenCalled()

  const controller = { scriptURL: 'https://page.test/coi-service-worker.js' }
  page({
    crossOriginIsolated: true,
    navigator: { serviceWorker: { register, ready: Promise.resolve(), controller } },
  })
  expect(await isolate(SCRIPT)).toEqual({ isolated: true, by: 'service worker' })
  expect(stored.size).toBe(0)
})

test('a reload that did not help is not repeated', async () => {
  page()
  void isolate(SCRIPT)
  await vi.advanceTimersByTimeAsync(0)
  expect(await isolate(SCRIPT)).toMatchObject({ isolated: false })
  expect(reload).toHaveBeenCalledTimes(1)
})

test('a visitor who refuses the reload goes on without', async () => {
  page()
  const answer = isolate(SCRIPT)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(await answer).toEqual({ isolated: false, reason: 'the page was not reloaded' })
})

const blocked = () => {
  throw new Error('blocked')
}
test.each([
  ['outside of pages', { document: undefined }, /no page/],
  ['in a frame', { top: {} }, /frame/],
  ['on plain http', { isSecureContext: false }, /plain http/],
  ['without service workers', { navigator: {} }, /no service worker/],
  [
    'without storage',
    { sessionStorage: { getItem: blocked, setItem: blocked, removeItem: blocked } },
    /storage is blocked/,
  ],
  [
    'with a script that is not there',
    { navigator: { serviceWorker: { register: async () => blocked() } } },
    /could not be registered \(blocked\)/,
  ],
  [
    'with a worker that never starts',
    { navigator: { serviceWorker: { register, ready: new Promise(() => {}) } } },
    /did not start/,
  ],
])('%s it says why not, and reloads nothing', async (_, parts, reason) => {
  page(parts)
  const answer = isolate(SCRIPT)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await answer).toEqual({ isolated: false, reason: expect.stringMatching(reason) })
  expect(reload).not.toHaveBeenCalled()
})

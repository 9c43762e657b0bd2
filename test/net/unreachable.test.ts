// Why there was no answer: CORS, mixed content, a server that is gone. Node has no page, so one is pretended.
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ask } from '../../src/net/range-reader.ts'
import { persist } from '../../src/net/retry.ts'

const OTHER = 'https://models.test/m.gguf'
afterEach(() => vi.unstubAllGlobals())

function page(origin: string): void {
  vi.stubGlobal('location', new URL(`${origin}/app/`))
}

/** fetch of a browser: `cors` decides requests of the mode that may be read. */
function browser(options: { cors(range: string | null): Response | Error; opaque?: boolean }) {
  const asked: string[] = []
  const fetch = async (_: string, init: RequestInit): Promise<Response> => {
    const range = new Headers(init.headers).get('range')
    asked.push(init.mode === 'no-cors' ? 'no-cors' : (range ?? 'plain'))
    if (init.mode === 'no-cors') {
      if (!options.opaque) throw new TypeError('Failed to fetch')
      return Object.defineProperty(new Response(null), 'type', { value: 'opaque' })
    }
    const answer = options.cors(range)
    if (answer instanceof Error) throw answer
    return answer
  }
  return { asked, fetch }
}
const refused = () => new TypeError('Failed to fetch')
const trying = (fetch: ReturnType<typeof browser>['fetch'], url = OTHER, headers = {}) =>
  persist(
    () => ask(url, 0, 100, { fetch, headers }),
    () => 0,
    { sleep: async () => undefined },
  )

describe('a server of another origin', () => {
  test('that answers without CORS headers is named so, and not asked again', async () => {
    page('https://app.test')
    const { asked, fetch } = browser({ cors: refused, opaque: true })
    const failed = trying(fetch, OTHER, { 'X-Key': '1' })
    await expect(failed).rejects.toMatchObject({ code: 'NETWORK', detail: { cors: true } })
    await expect(failed).rejects.toThrow(
      'send Access-Control-Allow-Origin: https://app.test and Access-Control-Allow-Headers: range, x-key',
    )
    expect(asked).toEqual(['bytes=0-99', 'plain', 'no-cors'])
  })

  test('that may be gone or blocked is tried twice, and both are said', async () => {
    page('https://app.test')
    const { asked, fetch } = browser({ cors: refused })
    await expect(trying(fetch)).rejects.toThrow('cannot be reached, or it sends no CORS headers')
    expect(asked.filter(a => a === 'plain')).toHaveLength(2)
  })

  test('that does not allow Range is read without', async () => {
    page('https://app.test')
    const body = new Uint8Array(50)
    const { asked, fetch } = browser({ cors: range => (range ? refused() : new Response(body)) })
    expect(await trying(fetch)).toMatchObject({ kind: 'whole' })
    expect(asked).toEqual(['bytes=0-99', 'plain'])
  })
})

test('a redirect from the own origin to one without CORS is named', async () => {
  page('https://app.test')
  const { fetch } = browser({ cors: refused, opaque: true })
  await expect(trying(fetch, 'https://app.test/m.gguf')).rejects.toMatchObject({
    detail: { cors: true },
  })
})

test('a server of the own origin that answers, but no range, is read without', async () => {
  page('https://app.test')
  const asked: string[] = []
  const fetch = async (_: string, init: RequestInit) => {
    const range = new Headers(init.headers).get('range')
    asked.push(init.method ?? range ?? 'plain')
    if (range) throw new TypeError('Failed to fetch')
    return new Response(new Uint8Array(50))
  }
  expect(await trying(fetch, 'https://app.test/m.gguf')).toMatchObject({ kind: 'whole' })
  expect(asked).toEqual(['bytes=0-99', 'HEAD', 'plain'])
})

test('a server of the own origin that is gone is tried five times', async () => {
  page('https://app.test')
  const { asked, fetch } = browser({ cors: refused })
  await expect(trying(fetch, 'https://app.test/m.gguf')).rejects.toThrow('Failed to fetch')
  expect(asked.filter(a => a === 'bytes=0-99')).toHaveLength(5)
})

test('http from a page of https is mixed content, and localhost is not', async () => {
  page('https://app.test')
  const { asked, fetch } = browser({ cors: refused })
  await expect(trying(fetch, 'http://models.test/m.gguf')).rejects.toThrow('mixed content')
  expect(asked).not.toContain('no-cors')
  await expect(trying(fetch, 'http://localhost:1/m.gguf')).rejects.not.toThrow('mixed content')
})

test.each([
  ['file:///home/me/m.gguf', 'choose the file'],
  ['ftp://models.test/m.gguf', 'do not read ftp: URLs'],
])('%s is explained', async (url, told) => {
  page('https://app.test')
  const { fetch } = browser({ cors: refused })
  await expect(trying(fetch, url)).rejects.toThrow(told)
})

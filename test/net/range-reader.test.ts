// One request and the judgement of its answer: every header that lies is found out, and a server that cannot do
// ranges is asked for the whole file, once.
import { describe, expect, test } from 'vitest'
import { httpSource } from '../../src/net/http-source.ts'
import { type AskOptions, ask, differs } from '../../src/net/range-reader.ts'
import { persist } from '../../src/net/retry.ts'

const URL_OF = 'https://models.test/m.gguf'
const BODY = Uint8Array.from({ length: 1000 }, (_, i) => i % 251)

interface Asked {
  readonly method: string
  readonly range: string | null
  readonly mode: string | undefined
  readonly headers: Headers
}

/** A server in a function; notes what it was asked. */
function server(answer: (asked: Asked) => Response | Promise<Response>) {
  const asked: Asked[] = []
  const fetch = async (_: string, init: RequestInit) => {
    const headers = new Headers(init.headers)
    const { method = 'GET', mode } = init
    asked.push({ method, mode, headers, range: headers.get('range') })
    return answer(asked.at(-1)!)
  }
  return { asked, fetch }
}

const whole = (headers: Record<string, string> = {}) =>
  new Response(BODY, { headers: { 'content-length': '1000', ...headers } })
const part = (from: number, to: number, contentRange: string, more: Record<string, string> = {}) =>
  new Response(BODY.slice(from, to), {
    status: 206,
    headers: { 'content-range': contentRange, ...more },
  })

async function bytesOf(options: AskOptions, start = 0, end?: number) {
  const answer = await ask(URL_OF, start, end, options)
  const bytes: number[] = []
  for (let piece = await answer.read(); piece; piece = await answer.read()) bytes.push(...piece)
  return { ...answer, bytes: Uint8Array.from(bytes) }
}

describe('an answer', () => {
  test('of a range gives size and validators', async () => {
    const { fetch } = server(() => part(10, 20, 'bytes 10-19/1000', { etag: 'W/"a"' }))
    const { kind, size, etag, bytes } = await bytesOf({ fetch }, 10, 20)
    expect({ kind, size, etag }).toEqual({ kind: 'range', size: 1000, etag: 'W/"a"' })
    expect(bytes).toEqual(BODY.slice(10, 20))
  })

  test.each([
    ['begins elsewhere', 'bytes 7-16/1000'],
    ['ends before it begins', 'bytes 10-9/1000'],
    ['ends beyond the file', 'bytes 10-19/15'],
    ['is no range', 'bytes 10'],
    ['counts in other units', 'items 10-19/1000'],
  ])('whose Content-Range %s is refused and not asked again', async (_, header) => {
    const { asked, fetch } = server(() => part(10, 20, header))
    const attempt = () => ask(URL_OF, 10, 20, { fetch })
    const failed = persist(attempt, () => 0, { sleep: async () => undefined })
    await expect(failed).rejects.toMatchObject({ code: 'NETWORK', detail: { wrongRange: true } })
    await expect(failed).rejects.toThrow(header)
    expect(asked).toHaveLength(1)
  })

  test('of the whole file says so, whatever was asked', async () => {
    const { fetch } = server(() => whole())
    expect(await bytesOf({ fetch }, 500, 600)).toMatchObject({ kind: 'whole', size: 1000 })
  })

  test('of compressed bytes has no size', async () => {
    const { fetch } = server(() => whole({ 'content-encoding': 'gzip', 'content-length': '70' }))
    expect(await bytesOf({ fetch })).toMatchObject({ kind: 'whole', size: undefined, bytes: BODY })
  })

  test('206 to a request without Range is the whole file when it begins at its start', async () => {
    const { fetch } = server(() => part(0, 1000, 'bytes 0-999/1000'))
    expect(await bytesOf({ fetch, plain: true })).toMatchObject({ kind: 'whole', size: 1000 })
    const { fetch: other } = server(() => part(5, 1000, 'bytes 5-999/1000'))
    await expect(bytesOf({ fetch: other, plain: true })).rejects.toMatchObject({ code: 'NETWORK' })
  })

  test('401 says which option would help, and 429 how long to wait', async () => {
    const locked = server(() => new Response(null, { status: 401 }))
    await expect(ask(URL_OF, 0, 1, { fetch: locked.fetch })).rejects.toThrow('option headers')
    const headers = { Authorization: 'Bearer x' }
    await expect(ask(URL_OF, 0, 1, { fetch: locked.fetch, headers })).rejects.toThrow(
      'check what the option headers sends',
    )
    const waits: number[] = []
    const busy = server(({ range }) =>
      busy.asked.length < 2
        ? new Response(null, { status: 429, headers: { 'retry-after': '7' } })
        : part(0, 1, range === 'bytes=0-0' ? 'bytes 0-0/1000' : ''),
    )
    const sleep = async (ms: number) => void waits.push(ms)
    await persist(
      () => ask(URL_OF, 0, 1, { fetch: busy.fetch }),
      () => 0,
      { sleep },
    )
    expect(waits).toEqual([7000])
  })

  test('weak and strong ETags of the same text are the same', () => {
    expect(differs({ etag: 'W/"a"', size: 5 }, { etag: '"a"', size: 5 })).toBe(false)
    expect(differs({ etag: 'W/"a"', size: 5 }, { etag: 'W/"b"', size: 5 })).toBe(true)
    expect(differs({ etag: '"a"', size: 5 }, { etag: '"a"', size: 6 })).toBe(true)
  })
})

describe('a server that cannot do ranges although it tries', () => {
  test('because it compresses them is asked once without', async () => {
    const { asked, fetch } = server(({ range }) =>
      range
        ? part(0, 100, 'bytes 0-99/700', { 'content-encoding': 'gzip' })
        : whole({ 'content-encoding': 'gzip', 'content-length': '700' }),
    )
    expect(await bytesOf({ fetch }, 0, 100)).toMatchObject({ kind: 'whole', bytes: BODY })
    expect(asked.map(a => a.range)).toEqual(['bytes=0-99', null])
    const source = httpSource(URL_OF, { fetch })
    const read: number[] = []
    for await (const piece of source.stream(300, 310)) read.push(...piece)
    expect(Uint8Array.from(read)).toEqual(BODY.slice(300, 310))
  })

  test('and says 416 to all of them is asked once without', async () => {
    const { asked, fetch } = server(({ range }) =>
      range ? new Response(null, { status: 416 }) : whole(),
    )
    expect(await bytesOf({ fetch })).toMatchObject({ kind: 'whole', bytes: BODY })
    expect(asked).toHaveLength(2)
  })

  test('416 behind the end tells the size', async () => {
    const headers = { 'content-range': 'bytes */800' }
    const { fetch } = server(() => new Response(null, { status: 416, headers }))
    expect(await bytesOf({ fetch }, 900)).toMatchObject({ kind: 'empty', size: 800 })
  })

  test('a short range is gone on behind', async () => {
    const { asked, fetch } = server(({ range }) => {
      const from = Number(/\d+/.exec(range!)![0])
      const to = Math.min(from + 300, 1000)
      return part(from, to, `bytes ${from}-${to - 1}/1000`)
    })
    const read: number[] = []
    for await (const piece of httpSource(URL_OF, { fetch }).stream(0, undefined))
      read.push(...piece)
    expect(Uint8Array.from(read)).toEqual(BODY)
    expect(asked.map(a => a.range)).toEqual(['bytes=0-', 'bytes=300-', 'bytes=600-', 'bytes=900-'])
  })
})

describe('the option headers', () => {
  test('goes with every request, and no other header can be set by it', async () => {
    const { asked, fetch } = server(({ range }) =>
      range === 'bytes=0-'
        ? part(0, 400, 'bytes 0-399/1000')
        : part(400, 1000, 'bytes 400-999/1000'),
    )
    const headers = { Authorization: 'Bearer x' }
    const read: number[] = []
    for await (const piece of httpSource(URL_OF, { fetch, headers }).stream(0, undefined))
      read.push(...piece)
    expect(read).toHaveLength(1000)
    expect(asked.map(a => a.headers.get('authorization'))).toEqual(['Bearer x', 'Bearer x'])
  })
})

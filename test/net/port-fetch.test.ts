// A fetch function at the other end of a port: heads, bodies, errors and cancels come over as they are.
import { afterEach, describe, expect, test } from 'vitest'
import { httpSource } from '../../src/net/http-source.ts'
import { portFetch, serveFetch } from '../../src/net/port-fetch.ts'
import type { FetchLike } from '../../src/net/retry.ts'

const ports: MessagePort[] = []
afterEach(() => {
  for (const port of ports.splice(0)) port.close()
})

function across(doFetch: FetchLike): FetchLike {
  const { port1, port2 } = new MessageChannel()
  ports.push(port1, port2)
  serveFetch(port1, doFetch)
  return portFetch(port2)
}

const BODY = Uint8Array.from({ length: 700_000 }, (_, i) => i % 251)

describe('an answer', () => {
  test('has its head and its bytes, read as they are wanted', async () => {
    let pulled = 0
    const fetch = across(async (url, init) => {
      expect(new Headers(init.headers).get('range')).toBe('bytes=0-')
      let at = 0
      const body = new ReadableStream<Uint8Array>(
        {
          pull(c) {
            pulled++
            if (at >= BODY.length) return c.close()
            c.enqueue(BODY.slice(at, at + 100_000))
            at += 100_000
          },
        },
        { highWaterMark: 0 },
      )
      const response = new Response(body, { status: 206, headers: { etag: '"a"' } })
      return Object.defineProperties(response, {
        url: { value: `${url}?signed` },
        redirected: { value: true },
      })
    })
    const response = await fetch('https://x.test/m', { headers: { Range: 'bytes=0-' } })
    expect(response).toMatchObject({
      status: 206,
      url: 'https://x.test/m?signed',
      redirected: true,
    })
    expect(response.headers.get('etag')).toBe('"a"')
    expect(pulled).toBeLessThanOrEqual(1)
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(BODY)
  })

  test('serves a source', async () => {
    const fetch = across(async (_, init) => {
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(new Headers(init.headers).get('range')!)!
      const end = to === '' ? BODY.length : Number(to) + 1
      return new Response(BODY.slice(Number(from), end), {
        status: 206,
        headers: { 'content-range': `bytes ${from}-${end - 1}/${BODY.length}` },
      })
    })
    const read: number[] = []
    const source = httpSource('https://x.test/m', { fetch })
    for await (const piece of source.stream(10, 300_000)) for (const byte of piece) read.push(byte)
    expect(Uint8Array.from(read)).toEqual(BODY.slice(10, 300_000))
  })

  test('may have no body, and an opaque one no status', async () => {
    const opaque = () =>
      Object.defineProperties(new Response(null), {
        status: { value: 0 },
        type: { value: 'opaque' },
      })
    const fetch = across(async url =>
      url.endsWith('opaque') ? opaque() : new Response(null, { status: 204 }),
    )
    expect(await fetch('x', {})).toMatchObject({ status: 204, body: null })
    expect(await fetch('opaque', {})).toMatchObject({ status: 0, type: 'opaque' })
  })
})

describe('a failure', () => {
  test('of the function, of its body, and of what it gives', async () => {
    const fetch = across(async url => {
      if (url === 'throws') throw new TypeError('no network')
      if (url === 'nothing') return undefined as unknown as Response
      return new Response(new ReadableStream({ pull: c => c.error(new Error('cut')) }))
    })
    await expect(fetch('throws', {})).rejects.toThrow('no network')
    await expect(fetch('nothing', {})).rejects.toThrow('gave no Response')
    await expect((await fetch('breaks', {})).arrayBuffer()).rejects.toThrow('cut')
  })

  test('a cancel reaches the function, before its answer and inside it', async () => {
    const cancelled: string[] = []
    const fetch = across(async (url, init) => {
      init.signal!.addEventListener('abort', () => cancelled.push(url))
      if (url === 'early') return new Promise<Response>(() => undefined)
      return new Response(new ReadableStream({ pull: () => new Promise(() => undefined) }))
    })
    for (const url of ['early', 'late']) {
      const controller = new AbortController()
      const asked = fetch(url, { signal: controller.signal })
      const body = url === 'late' ? asked.then(response => response.arrayBuffer()) : asked
      const failed = expect(body).rejects.toMatchObject({ code: 'ABORTED' })
      await new Promise(done => setTimeout(done, 20))
      controller.abort()
      await failed
    }
    await expect.poll(() => cancelled).toEqual(['early', 'late'])
  })
})

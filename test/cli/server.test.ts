// The HTTP server around a fetch-like function: who may ask, how much and how slowly, clients that go away, and
// a stop that lets answers end. Real sockets on loopback.
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import {
  type Answer,
  type RunningServer,
  type ServerOptions,
  startServer,
} from '../../src/cli/server.ts'

const open: RunningServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.stop(0)
})

async function start(answer: Answer, options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer(answer, { host: '127.0.0.1', port: 0, cors: [], ...options })
  open.push(server)
  return server
}

const echo: Answer = async request =>
  Response.json({ path: new URL(request.url).pathname, body: await request.text() })

/** A request with headers that fetch does not let through. */
function ask(
  url: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<{ status: number; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers }, answer => {
      answer.resume()
      answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers }))
    })
    request.on('error', reject)
    request.end()
  })
}

/** What a socket answers to bytes as they are, until it is closed. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', data => {
      text += data
    })
    socket.on('close', () => resolve(text))
    socket.on('error', () => undefined)
  })
}

const portOf = ({ url }: RunningServer) => Number(new URL(url).port)

test('a request goes in with method, path and body, and its answer comes out', async () => {
  const { url } = await start(echo)
  const answer = await fetch(`${url}/v1/x`, { method: 'POST', body: 'a ü 🦊' })
  expect(await answer.json()).toEqual({ path: '/v1/x', body: 'a ü 🦊' })
})

test('health is told without the engine, and with what it tells', async () => {
  const { url } = await start(echo, { health: async () => ({ waiting: 3 }) })
  expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok', waiting: 3 })
})

describe('who may ask', () => {
  test('a name that is rebound to this machine is refused', async () => {
    const { url } = await start(echo)
    expect(await ask(url, { Host: 'evil.example' })).toMatchObject({ status: 403 })
    expect(await ask(url, { Host: 'localhost:1' })).toMatchObject({ status: 200 })
  })

  test('a page of another origin is refused before its request is read, unless it is listed', async () => {
    let asked = 0
    const counting: Answer = request => {
      asked++
      return echo(request)
    }
    const { url } = await start(counting, { cors: ['https://good.example'] })
    expect(await ask(url, { Origin: 'https://evil.example' }, 'POST')).toMatchObject({
      status: 403,
    })
    expect(await ask(url, { Origin: 'null' }, 'POST')).toMatchObject({ status: 403 })
    expect(asked).toBe(0)
    const good = await ask(url, { Origin: 'https://good.example' }, 'POST')
    expect(good).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-origin': 'https://good.example', vary: 'Origin' },
    })
    const before = {
      Origin: 'https://good.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,x-stainless-os',
    }
    expect(await ask(url, before, 'OPTIONS')).toMatchObject({
      status: 204,
      headers: { 'access-control-allow-headers': 'authorization,x-stainless-os' },
    })
    expect(asked).toBe(1)
  })

  test('with a key, nobody without it; the preflight of a browser carries none', async () => {
    const { url } = await start(echo, { apiKey: 'geheim', cors: ['*'] })
    const status = async (authorization?: string) =>
      (await ask(url, authorization === undefined ? {} : { authorization })).status
    expect(await status()).toBe(401)
    expect(await status('Bearer falsch')).toBe(401)
    expect(await status('geheim')).toBe(401)
    expect(await status('Bearer geheim')).toBe(200)
    expect((await ask(url, { Origin: 'https://a.example' }, 'OPTIONS')).status).toBe(204)
  })

  test('the key does not reach what answers', async () => {
    let seen: string | null = 'not asked'
    const { url } = await start(
      async request => {
        seen = request.headers.get('authorization')
        return new Response('')
      },
      { apiKey: 'geheim' },
    )
    await ask(url, { authorization: 'Bearer geheim' })
    expect(seen).toBeNull()
  })
})

describe('hostile requests', () => {
  test('a body that says it is too long is refused before it comes', async () => {
    const server = await start(echo, { maxBodyBytes: 1000 })
    const head = 'POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n'
    expect(await raw(portOf(server), head)).toContain('HTTP/1.1 413')
  })

  test('a body that does not say so is refused when it is', async () => {
    const { url } = await start(echo, { maxBodyBytes: 1000 })
    const body = new ReadableStream({
      pull: c => c.enqueue(new Uint8Array(600)),
    })
    const sent = fetch(url, { method: 'POST', body, duplex: 'half' } as RequestInit)
    const status = await sent.then(
      answer => answer.status,
      () => 'closed',
    )
    expect([413, 'closed']).toContain(status)
  })

  test('a body that comes too slowly ends with 408, and others are answered meanwhile', async () => {
    const server = await start(echo, { requestTimeoutMs: 300 })
    const slow = raw(
      portOf(server),
      'POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc',
    )
    expect((await fetch(server.url)).status).toBe(200)
    expect(await slow).toMatch(/^HTTP\/1.1 408/)
  })

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['a header without an end', `GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}`],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    ],
    ['a length that is none', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n'],
  ])('%s gets 4xx and harms nobody', async (_, bytes) => {
    const server = await start(echo)
    expect(await raw(portOf(server), bytes)).toMatch(/^HTTP\/1.1 4\d\d/)
    expect((await fetch(server.url)).status).toBe(200)
  })

  test('what throws is a 500 of its own', async () => {
    const { url } = await start(async () => {
      throw new Error('oh')
    })
    const answer = await fetch(url)
    expect(answer.status).toBe(500)
    expect(await answer.json()).toMatchObject({ error: { message: 'oh', type: 'server_error' } })
  })
})

describe('clients and streams', () => {
  /** A stream of numbers until it is cancelled or its request is. */
  const endless = (told: { cancelled?: number }): Answer => {
    return async request => {
      let timer: ReturnType<typeof setInterval>
      const cancel = () => {
        clearInterval(timer)
        told.cancelled ??= performance.now()
      }
      request.signal.addEventListener('abort', cancel)
      const body = new ReadableStream({
        start(controller) {
          timer = setInterval(() => controller.enqueue(new TextEncoder().encode('data: 1\n\n')), 5)
        },
        cancel,
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    }
  }

  test('a client that goes away is heard within 250 ms', async () => {
    const told: { cancelled?: number } = {}
    const { url } = await start(endless(told))
    const leave = new AbortController()
    const answer = await fetch(url, { signal: leave.signal })
    await answer.body!.getReader().read()
    const at = performance.now()
    leave.abort()
    await expect.poll(() => told.cancelled).toBeDefined()
    expect(told.cancelled! - at).toBeLessThan(250)
  })

  test('a stop lets a stream end, refuses new requests, and then closes', async () => {
    let end: () => void = () => undefined
    const server = await start(async () => {
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('first '))
          end = () => {
            controller.enqueue(new TextEncoder().encode('last'))
            controller.close()
          }
        },
      })
      return new Response(body)
    })
    const answer = await fetch(server.url)
    const text = answer.text()
    let stopped = false
    const stop = server.stop().then(() => {
      stopped = true
    })
    await expect(fetch(server.url)).rejects.toThrow()
    expect(stopped).toBe(false)
    end()
    expect(await text).toBe('first last')
    await stop
    expect(server.open).toBe(0)
  })

  test('a stop without patience breaks off what does not end', async () => {
    const told: { cancelled?: number } = {}
    const server = await start(endless(told))
    const answer = await fetch(server.url)
    await server.stop(50)
    await expect(answer.text()).rejects.toThrow()
    expect(told.cancelled).toBeDefined()
  })
})

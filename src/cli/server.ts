// HTTP around a fetch-like function: who may ask (loopback names, origins, key), how much may be sent and how
// slowly, clients that go away, and a stop that lets streams end. Knows no engine. Used by serve.ts.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { allowed, answerHeaders, type Gate } from './gate.ts'
import { bodyOf, send } from './http.ts'
import { Refused, refusal } from './refused.ts'

export interface ServerOptions extends Gate {
  /** Port to listen on; 0 takes a free one. */
  readonly port: number
  /** Bytes that a body may have (default 32 MiB: a text of the longest context many times over). */
  readonly maxBodyBytes?: number
  /** Milliseconds in which headers and body must have come (default 30,000). */
  readonly requestTimeoutMs?: number
  /** What GET /health tells beside `status`. */
  readonly health?: () => Promise<object>
}

export interface RunningServer {
  /** http://host:port */
  readonly url: string
  /** Requests that are being answered. */
  readonly open: number
  /**
   * Takes no new request and resolves when those that run have ended; after `patienceMs` (default 30,000) they
   * are broken off.
   */
  stop(patienceMs?: number): Promise<void>
}

export type Answer = (request: Request) => Promise<Response>

const MAX_BODY = 32 * 1024 * 1024
const REQUEST_MS = 30_000
const PATIENCE_MS = 30_000
/** Longer than the keep-alive of usual proxies (60 s), which otherwise meet a connection that just closed. */
const KEEP_ALIVE_MS = 65_000

/** @throws Error of the system when the port cannot be had */
export async function startServer(answer: Answer, options: ServerOptions): Promise<RunningServer> {
  const { maxBodyBytes = MAX_BODY, requestTimeoutMs = REQUEST_MS } = options
  const running = new Set<AbortController>()
  let stopping = false
  const serve = async (asked: IncomingMessage, given: ServerResponse): Promise<void> => {
    const gone = new AbortController()
    running.add(gone)
    given.on('close', () => {
      if (!given.writableFinished) gone.abort()
    })
    try {
      if (stopping) throw new Refused(503, 'the server is stopping; ask another one')
      const pass = allowed(asked, options)
      if (pass === 'preflight')
        return send(given, new Response(null, { status: 204 }), asked, options)
      const response = await respond(asked, gone.signal, answer, options, maxBodyBytes)
      await send(given, response, asked, options)
    } catch (caught) {
      if (!gone.signal.aborted) await send(given, refusal(caught), asked, options)
    } finally {
      running.delete(gone)
      if (stopping) given.shouldKeepAlive = false
    }
  }
  const server = createServer({
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(1000, requestTimeoutMs),
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.on('request', (asked, given) => void serve(asked, given))
  server.on('checkContinue', (asked, given) => {
    // A body that is refused need not be sent.
    if (Number(asked.headers['content-length'] ?? 0) <= maxBodyBytes) given.writeContinue()
    void serve(asked, given)
  })
  await listening(server, options)
  const { port } = server.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `http://${host}:${port}`,
    get open() {
      return running.size
    },
    async stop(patienceMs = PATIENCE_MS) {
      stopping = true
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeIdleConnections()
      const late = setTimeout(() => {
        for (const one of running) one.abort()
        server.closeAllConnections()
      }, patienceMs)
      const idle = setInterval(() => server.closeIdleConnections(), 50)
      await closed
      clearTimeout(late)
      clearInterval(idle)
    },
  }
}

async function respond(
  asked: IncomingMessage,
  signal: AbortSignal,
  answer: Answer,
  options: ServerOptions,
  maxBodyBytes: number,
): Promise<Response> {
  const { method = 'GET' } = asked
  const url = new URL(
    asked.url ?? '/',
    `http://${options.host.includes(':') ? '[::1]' : options.host}`,
  )
  if (url.pathname === '/health' && method === 'GET') {
    return Response.json({ status: 'ok', ...(await options.health?.()) })
  }
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const body = hasBody ? await bodyOf(asked, maxBodyBytes) : undefined
  return answer(new Request(url, { method, headers: answerHeaders(asked), body, signal }))
}

function listening(server: Server, { host, port }: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

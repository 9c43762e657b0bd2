// A small static server for benchmarks: folders and single files under one origin, isolation headers,
// Range requests, nothing cached, and handlers for what the page posts. Listens on a free port.
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize, resolve, sep } from 'node:path'

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
  'Accept-Ranges': 'bytes',
}

export interface SiteOptions {
  /** URL prefix (ending in /) to folder, or exact URL path to file. */
  readonly mounts: Readonly<Record<string, string>>
  /** Exact URL path to a text of its own. */
  readonly pages?: Readonly<Record<string, string>>
  /** Answers of POSTs, as JSON, by path. */
  readonly posts: Readonly<Record<string, (body: unknown) => unknown>>
}

export interface Site {
  readonly origin: string
  close(): Promise<void>
}

export async function serveSite(options: SiteOptions): Promise<Site> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      response.writeHead(500, HEADERS).end(String(error))
    })
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise(done => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  { mounts, pages = {}, posts }: SiteOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (request.method === 'POST') {
    const post = posts[pathname]
    if (!post) return void response.writeHead(404, HEADERS).end()
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const result = await post(JSON.parse(Buffer.concat(chunks).toString('utf8')))
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'application/json' })
    return void response.end(JSON.stringify(result ?? null))
  }
  if (pages[pathname] !== undefined) {
    const type = TYPES[extname(pathname)] ?? TYPES['.html']
    return void response.writeHead(200, { ...HEADERS, 'Content-Type': type }).end(pages[pathname])
  }
  const file = fileFor(mounts, decodeURIComponent(pathname))
  if (!file) return void response.writeHead(404, HEADERS).end()
  send(file, request, response)
}

/** The file behind a path; undefined outside the mounts. */
export function fileFor(
  mounts: Readonly<Record<string, string>>,
  path: string,
): string | undefined {
  const prefix = Object.keys(mounts)
    .filter(mount => (mount.endsWith('/') ? path.startsWith(mount) : path === mount))
    .sort((a, b) => b.length - a.length)[0]
  if (prefix === undefined) return undefined
  const root = resolve(mounts[prefix])
  if (!prefix.endsWith('/')) return existsSync(root) ? root : undefined
  let file = normalize(join(root, path.slice(prefix.length)))
  if (file !== root && !file.startsWith(root + sep)) return undefined
  if (existsSync(file) && statSync(file).isDirectory()) file = join(file, 'index.html')
  return existsSync(file) ? file : undefined
}

function send(file: string, request: IncomingMessage, response: ServerResponse): void {
  const { size } = statSync(file)
  const type = TYPES[extname(file)] ?? 'application/octet-stream'
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const first = range ? Number(range[1]) : 0
  const last = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1
  if (first > last && size > 0) {
    response.writeHead(416, { ...HEADERS, 'Content-Range': `bytes */${size}` }).end()
    return
  }
  response.writeHead(range ? 206 : 200, {
    ...HEADERS,
    'Content-Type': type,
    'Content-Length': last - first + 1,
    ...(range ? { 'Content-Range': `bytes ${first}-${last}/${size}` } : {}),
  })
  if (request.method === 'HEAD') response.end()
  else if (size < 1 << 20) response.end(readFileSync(file).subarray(first, last + 1))
  else createReadStream(file, { start: first, end: last, highWaterMark: 1 << 20 }).pipe(response)
}

// A static file server for the end-to-end tests: one folder, Range requests, and switches for the
// headers a host may or may not send. Run by playwright.config.ts:
//   node e2e/server.mjs --root demo/dist --port 5181 [--isolate] [--csp] [--cors] [--corp] [--rate BYTES_A_SECOND]
import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.md': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

// As a header it binds the workers too, which a page's <meta> policy does not.
const POLICY = {
  'Content-Security-Policy':
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; object-src 'none'",
}

const { values } = parseArgs({
  options: {
    root: { type: 'string' },
    port: { type: 'string' },
    isolate: { type: 'boolean', default: false },
    csp: { type: 'boolean', default: false },
    cors: { type: 'boolean', default: false },
    corp: { type: 'boolean', default: false },
    rate: { type: 'string' },
  },
})

const root = resolve(values.root ?? '.')
if (!existsSync(root)) {
  console.error(`${root} does not exist; run \`make build\` first`)
  process.exit(1)
}

// What a CDN sends.
const CORS = { 'Access-Control-Allow-Origin': '*' }
const CORP = { 'Cross-Origin-Resource-Policy': 'cross-origin' }

const common = {
  ...(values.cors ? CORS : {}),
  ...(values.corp ? CORP : {}),
  ...(values.isolate ? ISOLATION : {}),
  ...(values.csp ? POLICY : {}),
}

/** The file of a request path, or null when it is outside the root or not a file. */
function fileOf(pathname) {
  let file = normalize(join(root, decodeURIComponent(pathname)))
  if (file !== root && !file.startsWith(root + sep)) return null
  if (existsSync(file) && statSync(file).isDirectory()) file = join(file, 'index.html')
  return existsSync(file) ? file : null
}

/** [first, last] of a single-range header, null without one, undefined when it cannot be met. */
function rangeOf(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return null
  const first = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1])
  const last = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)
  return first <= last && first < size ? [first, last] : undefined
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  const file = fileOf(pathname)
  if (!file) {
    response.writeHead(404, { ...common, 'Content-Type': 'text/html; charset=utf-8' })
    response.end('<!doctype html><title>Not found</title><p>There is no such page here.</p>')
    return
  }
  const { size } = statSync(file)
  const headers = {
    ...common,
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'no-cache',
    // A worker of a test may govern more than its folder.
    'Service-Worker-Allowed': '/',
  }
  const range = rangeOf(request.headers.range, size)
  if (range === undefined) {
    response.writeHead(416, { ...headers, 'Content-Range': `bytes */${size}` }).end()
    return
  }
  const [first, last] = range ?? [0, size - 1]
  response.writeHead(range ? 206 : 200, {
    ...headers,
    'Content-Length': String(last - first + 1),
    ...(range ? { 'Content-Range': `bytes ${first}-${last}/${size}` } : {}),
  })
  if (request.method === 'HEAD' || size === 0) response.end()
  else send(createReadStream(file, { start: first, end: last }), response)
})

/** When the line is free again: all responses share it. */
let lineFreeMs = 0

/** At `--rate`, as a slow line would bring it; else at once. */
async function send(bytes, response) {
  if (values.rate === undefined) return bytes.pipe(response)
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; at += 8192) {
      const piece = chunk.subarray(at, at + 8192)
      lineFreeMs = Math.max(lineFreeMs, Date.now()) + (1000 * piece.length) / Number(values.rate)
      const wait = lineFreeMs - Date.now()
      if (wait > 0) await new Promise(done => setTimeout(done, wait))
      if (response.destroyed) return bytes.destroy()
      response.write(piece)
    }
  }
  response.end()
}

server.listen(Number(values.port ?? 5180), '127.0.0.1')

// A web server that misbehaves on command: cuts, stalls, wrong bytes, no ranges, changed etag, errors,
// truncation, slowness. Serves a folder, and models from memory or disk under /model/; counts what it sent.
// Used in process by test/cache and the specs beside it, and by hand: node e2e/faults/server.mjs --port 5190
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize, resolve, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

/** What a server that lets other origins read sends, and what it allows them to send. */
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'authorization, range',
  'Access-Control-Expose-Headers': 'content-range, etag',
}

/**
 * What can be wrong; all off at first. `times` limits a fault to that many answers, later ones are right.
 * @typedef {object} Faults
 * @property {string} [etag] of every model; absent: no ETag is sent when `validators` is false
 * @property {boolean} [validators] false sends neither ETag nor Last-Modified
 * @property {boolean} [ranges] false answers 200 with the whole file
 * @property {number} [cutAfter] closes the connection after so many bytes of an answer
 * @property {number} [stallAfter] falls silent after so many bytes of an answer
 * @property {number} [endAfter] ends an answer early as if it were whole (chunked, no length)
 * @property {number} [status] answers with this status
 * @property {number} [wrongAt] flips the byte at this offset of the file
 * @property {number} [truncateTo] the file seems to have only so many bytes
 * @property {number} [bytesPerSecond] of each answer
 * @property {boolean} [cors] answers other origins, with Range and Authorization allowed
 * @property {boolean} [gzip] compresses every answer, ranges too (of the compressed bytes)
 * @property {string} [authorization] answers 401 to requests that do not send this
 * @property {boolean} [offline] closes every connection at once
 * @property {number} [times]
 */

/**
 * Starts one on a free port.
 * @param {{ root?: string, port?: number, isolate?: boolean, policy?: string }} [options]
 *   isolate: COOP and COEP on every answer; policy: a Content-Security-Policy on every answer
 */
export async function startFaultServer({ root = '.', port = 0, isolate = true, policy = '' } = {}) {
  const COMMON = {
    ...(isolate ? ISOLATION : {}),
    ...(policy ? { 'Content-Security-Policy': policy } : {}),
    'Cache-Control': 'no-cache',
  }
  const base = resolve(root)
  /** @type {Map<string, Buffer>} */
  const models = new Map()
  /** @type {Faults} */
  let faults = {}
  /** @type {{ path: string, status: number, start: number, end: number, sent: number }[]} */
  let served = []
  let sentBytes = 0

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname.startsWith('/model/')) return void sendModel(pathname, request, response)
    let file = normalize(join(base, decodeURIComponent(pathname)))
    const inside = file === base || file.startsWith(base + sep)
    if (inside && existsSync(file) && statSync(file).isDirectory()) file = join(file, 'index.html')
    if (!inside || !existsSync(file)) {
      response.writeHead(404, COMMON).end('not here')
      return
    }
    const type = TYPES[extname(file)] ?? 'application/octet-stream'
    response.writeHead(200, { ...COMMON, 'Content-Type': type }).end(readFileSync(file))
  })

  /** The fault of this answer; one that is used up is over. */
  function draw() {
    if (faults.times === undefined) return faults
    if (faults.times > 0) {
      faults = { ...faults, times: faults.times - 1 }
      return faults
    }
    const { etag, validators, ranges, bytesPerSecond, cors, gzip, authorization } = faults
    return { etag, validators, ranges, bytesPerSecond, cors, gzip, authorization }
  }

  async function sendModel(pathname, request, response) {
    const whole = models.get(pathname.slice('/model/'.length))
    if (!whole) return response.writeHead(404, COMMON).end('no such model')
    const fault = draw()
    if (fault.offline) return request.socket.destroy()
    const allowed = { ...COMMON, ...(fault.cors ? CORS : {}) }
    if (request.method === 'OPTIONS') return response.writeHead(204, allowed).end()
    const entry = { path: pathname, status: 0, start: 0, end: 0, sent: 0 }
    served.push(entry)
    if (fault.status) {
      entry.status = fault.status
      return response.writeHead(fault.status, allowed).end()
    }
    if (fault.authorization && request.headers.authorization !== fault.authorization) {
      entry.status = 401
      return response.writeHead(401, allowed).end()
    }
    let body = fault.truncateTo === undefined ? whole : whole.subarray(0, fault.truncateTo)
    if (fault.wrongAt !== undefined) {
      body = Buffer.from(body)
      body[fault.wrongAt] ^= 1
    }
    if (fault.gzip) body = gzipSync(body, { level: 1 })
    const etag = fault.etag ?? '"v1"'
    const validators =
      fault.validators === false
        ? {}
        : { ETag: etag, 'Last-Modified': 'Mon, 02 Nov 2026 10:00:00 GMT' }
    const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    const stale = request.headers['if-range'] !== undefined && request.headers['if-range'] !== etag
    const ranged = asked && fault.ranges !== false && !stale
    entry.start = ranged ? Number(asked[1]) : 0
    if (ranged && entry.start >= body.length) {
      entry.status = 416
      response.writeHead(416, { ...allowed, 'Content-Range': `bytes */${body.length}` }).end()
      return
    }
    const last = ranged && asked[2] !== '' ? Number(asked[2]) : body.length - 1
    entry.end = Math.min(last, body.length - 1) + 1
    entry.status = ranged ? 206 : 200
    const part = body.subarray(entry.start, entry.end)
    response.writeHead(entry.status, {
      ...allowed,
      ...(fault.gzip ? { 'Content-Encoding': 'gzip' } : {}),
      ...validators,
      'Content-Type': 'application/octet-stream',
      ...(fault.ranges === false ? {} : { 'Accept-Ranges': 'bytes' }),
      ...(fault.endAfter === undefined ? { 'Content-Length': String(part.length) } : {}),
      ...(ranged
        ? { 'Content-Range': `bytes ${entry.start}-${entry.end - 1}/${body.length}` }
        : {}),
    })
    if (request.method === 'HEAD') return response.end()
    await sendBody(part, fault, entry, response)
  }

  async function sendBody(part, fault, entry, response) {
    const step = fault.bytesPerSecond ? Math.max(1024, fault.bytesPerSecond / 50) : 65_536
    const limit = Math.min(
      fault.cutAfter ?? part.length,
      fault.stallAfter ?? part.length,
      fault.endAfter ?? part.length,
      part.length,
    )
    let gone = false
    const closed = new Promise(done => {
      response.on('close', () => {
        gone = true
        done()
      })
    })
    while (entry.sent < limit && !gone) {
      const piece = part.subarray(entry.sent, Math.min(entry.sent + step, limit))
      entry.sent += piece.length
      sentBytes += piece.length
      if (!response.write(piece)) {
        await Promise.race([new Promise(done => response.once('drain', done)), closed])
      }
      if (fault.bytesPerSecond) await sleep((1000 * piece.length) / fault.bytesPerSecond)
    }
    if (gone) return
    if (fault.stallAfter !== undefined && limit < part.length) return
    // end, not destroy: what was written before the cut still arrives
    if (fault.cutAfter !== undefined && limit < part.length) {
      // A browser drops what it has not read when an answer breaks: give it the time to read.
      await new Promise(done => setTimeout(done, 50))
      response.socket?.end()
    } else response.end()
  }

  await new Promise(done => server.listen(port, '127.0.0.1', done))
  const { port: at } = server.address()
  return {
    url: `http://localhost:${at}/`,
    /** @param {string} name @param {Uint8Array} bytes @returns {string} the URL of the model */
    serve(name, bytes) {
      models.set(name, Buffer.from(bytes))
      return `http://localhost:${at}/model/${name}`
    },
    /** @param {Faults} [next] */
    setFaults(next = {}) {
      faults = next
    },
    /** Bytes of models sent so far. */
    get sentBytes() {
      return sentBytes
    },
    /** What was asked for since the last call. */
    takeServed() {
      const taken = served
      served = []
      return taken
    },
    async close() {
      server.closeAllConnections()
      await new Promise(done => server.close(done))
    },
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const port = Number(process.argv[process.argv.indexOf('--port') + 1] || 5190)
  const { url, serve } = await startFaultServer({ port })
  const name = 'ryz-tales-tq2_0-embq8_0.gguf'
  console.log(url, serve(name, readFileSync(`demo/public/models/${name}`)))
}

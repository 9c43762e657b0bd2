// fetch() for file: URLs, ranges included: kernels and models of this machine are read as from a server. Used by
// thread.ts.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const TYPES: readonly (readonly [string, string])[] = [
  ['.json', 'application/json'],
  ['.wasm', 'application/wasm'],
  ['.js', 'text/javascript'],
]

/** @param others  fetches everything that is no file of this machine */
export function fetchWithFiles(others: typeof fetch): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (url.protocol !== 'file:') return others(input, init)
    return readFile(fileURLToPath(url), new Headers(init?.headers), init?.signal ?? undefined)
  }
}

async function readFile(path: string, asked: Headers, signal?: AbortSignal): Promise<Response> {
  signal?.throwIfAborted()
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || !found.isFile()) return new Response(null, { status: 404 })
  const { size, mtimeMs } = found
  const range = /^bytes=(\d+)-(\d*)$/.exec(asked.get('range') ?? '')
  const start = range ? Number(range[1]) : 0
  const end = Math.min(range?.[2] ? Number(range[2]) : size - 1, size - 1)
  const headers = new Headers({
    'accept-ranges': 'bytes',
    etag: `"${size}-${mtimeMs}"`,
    'content-type': TYPES.find(([end]) => path.endsWith(end))?.[1] ?? 'application/octet-stream',
  })
  if (start > end) {
    headers.set('content-range', `bytes */${size}`)
    return new Response(null, { status: size === 0 && !range ? 200 : 416, headers })
  }
  headers.set('content-length', String(end + 1 - start))
  if (range) headers.set('content-range', `bytes ${start}-${end}/${size}`)
  const file = createReadStream(path, { start, end, highWaterMark: 1 << 20, signal })
  const body = Readable.toWeb(file) as ReadableStream<Uint8Array>
  return new Response(body, { status: range ? 206 : 200, headers })
}

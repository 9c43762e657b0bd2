// A fetch for readers that want the front of a file and stop: an open-ended Range request becomes a
// series of bounded ones, made as the bytes are read, so that a server never starts sending weights
// that nobody asked for. Used by forecast.ts; loading reads through and needs none of this.
import type { FetchLike } from '../../format/source.ts'

/** The first request; most headers of small vocabularies fit. Then doubled up to the last. */
const FIRST_BYTES = 64 * 1024
const LAST_BYTES = 1024 * 1024

/** @param inner  the fetch that is asked; the global one when absent */
export function headerFetch(inner: FetchLike = (url, init) => fetch(url, init)): FetchLike {
  return async (url, init) => {
    const from = /^bytes=(\d+)-$/.exec(new Headers(init.headers).get('range') ?? '')?.[1]
    if (from === undefined) return inner(url, init)
    let at = Number(from)
    let step = FIRST_BYTES
    const next = (): Promise<Response> => {
      const range = `bytes=${at}-${at + step - 1}`
      step = Math.min(2 * step, LAST_BYTES)
      return inner(url, { ...init, headers: { Range: range } })
    }
    const first = await next()
    const total = totalOf(first)
    // No ranges, an error, or an encoding: the reader judges the answer as it is.
    if (total === undefined || first.headers.has('content-encoding')) return first

    let response = first
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          if (at >= total) return controller.close()
          if (at > Number(from)) response = await next()
          if (response.status !== 206 || totalOf(response) !== total) {
            throw new TypeError(`the file changed while its header was read (${response.status})`)
          }
          const bytes = new Uint8Array(await response.arrayBuffer())
          if (bytes.length === 0) throw new TypeError('the server sent an empty range')
          at += bytes.length
          controller.enqueue(bytes)
        },
      },
      { highWaterMark: 0 },
    )
    const headers = new Headers(first.headers)
    headers.set('content-range', `bytes ${from}-${total - 1}/${total}`)
    headers.set('content-length', String(total - Number(from)))
    return new Response(body, { status: 206, headers })
  }
}

function totalOf(response: Response): number | undefined {
  const total = /\/(\d{1,15})$/.exec(response.headers.get('content-range') ?? '')?.[1]
  return response.status === 206 && total !== undefined ? Number(total) : undefined
}

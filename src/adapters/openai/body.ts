// The body of a request, read as JSON: bounded, and given up with its signal. Called by engine-fetch.ts.
import { Refusal } from './http-errors.ts'

/** Above every context that there is; what is longer is no request of a chat. */
const MAX_BYTES = 64 * 2 ** 20

/**
 * The object that a request holds.
 * @throws Refusal 400 for what is no JSON object, 413 for more than 64 MiB; the signal's reason
 */
export async function readBody(
  request: Request,
  signal: AbortSignal | undefined,
): Promise<Record<string, unknown>> {
  let value: unknown
  try {
    const bytes = await readBytes(request, signal)
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (caught) {
    signal?.throwIfAborted()
    if (caught instanceof Refusal) throw caught
    const why = caught instanceof Error ? caught.message.slice(0, 200) : 'it cannot be read'
    throw new Refusal(400, `the body is no JSON: ${why}`, 'invalid_json')
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw new Refusal(400, 'the body must be a JSON object', 'invalid_json')
}

async function readBytes(request: Request, signal: AbortSignal | undefined): Promise<Uint8Array> {
  // Firefox knows no request.body.
  if (!request.body) return bounded(new Uint8Array(await request.arrayBuffer()))
  const reader = request.body.getReader()
  const leave = () => void reader.cancel(signal?.reason).catch(() => undefined)
  signal?.addEventListener('abort', leave, { once: true })
  try {
    const chunks: Uint8Array[] = []
    let length = 0
    for (;;) {
      const { done, value } = await reader.read()
      signal?.throwIfAborted()
      if (done) return joined(chunks, length)
      length += value.length
      chunks.push(value)
      if (length > MAX_BYTES) throw tooLarge()
    }
  } catch (caught) {
    leave()
    throw caught
  } finally {
    signal?.removeEventListener('abort', leave)
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

function bounded(bytes: Uint8Array): Uint8Array {
  if (bytes.length > MAX_BYTES) throw tooLarge()
  return bytes
}

function tooLarge(): Refusal {
  return new Refusal(413, `the body has more than ${MAX_BYTES} bytes`, 'request_too_large')
}

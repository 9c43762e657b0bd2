// Bodies in and answers out. Used by server.ts.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { corsHeaders, type Gate } from './gate.ts'
import { Refused } from './refused.ts'

/**
 * The whole body.
 * @throws Refused 413 as soon as it is too long; 400 when the client breaks it off
 */
export async function bodyOf(asked: IncomingMessage, most: number): Promise<ArrayBuffer> {
  const tooLong = new Refused(413, `the body is longer than ${most} bytes; send less`)
  if (Number(asked.headers['content-length'] ?? 0) > most) throw tooLong
  const pieces: Buffer[] = []
  let bytes = 0
  try {
    for await (const piece of asked as AsyncIterable<Buffer>) {
      bytes += piece.length
      if (bytes > most) throw tooLong
      pieces.push(piece)
    }
  } catch (caught) {
    if (caught instanceof Refused) throw caught
    throw new Refused(400, 'the body did not come whole')
  }
  const whole = Buffer.concat(pieces)
  return whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.byteLength) as ArrayBuffer
}

/** Writes an answer; waits where the client reads slowly, and stops where it is gone. */
export async function send(
  given: ServerResponse,
  response: Response,
  asked: IncomingMessage,
  gate: Gate,
): Promise<void> {
  if (given.destroyed || given.headersSent) return void given.destroy()
  given.statusCode = response.status
  for (const [name, value] of response.headers) given.setHeader(name, value)
  for (const [name, value] of corsHeaders(asked, gate)) given.setHeader(name, value)
  const reader = response.body?.getReader()
  if (reader === undefined) return void given.end()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (given.destroyed) return
      if (!given.write(value)) await drained(given)
    }
    given.end()
  } catch {
    // A stream that fails after its first byte has no status left: the client must see that it is cut.
    given.destroy()
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

function drained(given: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const go = (): void => {
      given.off('drain', go)
      given.off('close', go)
      resolve()
    }
    given.on('drain', go)
    given.on('close', go)
  })
}

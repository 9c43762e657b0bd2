// Reads the body of a response (or any byte stream) piece by piece into one buffer, so that a model of
// 200 MB does not leave 200 MB of garbage behind. Used by format and cache; depends on nothing.

const PIECE_BYTES = 256 * 1024

export interface BodyReader {
  /** The next piece, valid until the next call; undefined at the end. */
  read(): Promise<Uint8Array | undefined>
  /** Lets go of the stream; never throws. */
  cancel(): void
}

/** A reader with a buffer of its own where the browser can (BYOB), else a plain one. */
export function readBody(body: ReadableStream<Uint8Array>): BodyReader {
  let reader: ReadableStreamBYOBReader
  try {
    reader = body.getReader({ mode: 'byob' })
  } catch {
    const plain = body.getReader()
    return {
      read: async () => (await plain.read()).value,
      cancel: () => void plain.cancel().catch(() => undefined),
    }
  }
  let buffer = new ArrayBuffer(PIECE_BYTES)
  return {
    async read() {
      const { value, done } = await reader.read(new Uint8Array(buffer))
      if (!value || done) return undefined
      buffer = value.buffer
      return value
    },
    cancel: () => void reader.cancel().catch(() => undefined),
  }
}

// Reads the body of a response (or any byte stream) piece by piece into one buffer, so that a model of
// 200 MB does not leave 200 MB of garbage behind. Used by format and cache; depends on nothing.

const PIECE_BYTES = 256 * 1024
/** Buffers of readers that have ended: a model is 52 requests, and their buffers would be 13 MB of garbage. */
const spare: ArrayBuffer[] = []
const MOST_SPARE = 4

export interface BodyReader {
  /** The next piece, valid until the next call, or until cancel(); undefined at the end. */
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
  // Undefined while the browser has it, and when it was given back.
  let buffer: ArrayBuffer | undefined = spare.pop() ?? new ArrayBuffer(PIECE_BYTES)
  const giveBack = () => {
    if (buffer && spare.length < MOST_SPARE) spare.push(buffer)
    buffer = undefined
  }
  return {
    async read() {
      const free = buffer ?? new ArrayBuffer(PIECE_BYTES)
      buffer = undefined
      const { value, done } = await reader.read(new Uint8Array(free))
      buffer = value?.buffer
      if (value && !done) return value
      giveBack()
      return undefined
    },
    cancel() {
      giveBack()
      reader.cancel().catch(() => undefined)
    },
  }
}

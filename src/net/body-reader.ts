// Reads the body of a response (or any byte stream) piece by piece into one buffer, so that a model of
// 200 MB does not leave 200 MB of garbage behind. Used by format and cache; limits are the caller's.
import { hold } from './watch.ts'

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
      read: async () => (await hold(plain.read(), plain, body)).value,
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
      const { value, done } = await hold(reader.read(new Uint8Array(free)), reader, body)
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

/**
 * Fills the front of `buffer` with a Blob of at most its size; where byte streams are missing, the Blob's own
 * copy is it.
 */
export async function readBlob(blob: Blob, buffer: ArrayBuffer): Promise<Uint8Array> {
  const body = blob.stream()
  let reader: ReadableStreamBYOBReader
  try {
    reader = body.getReader({ mode: 'byob' })
  } catch {
    return new Uint8Array(await hold(blob.arrayBuffer(), blob))
  }
  // Each read takes the buffer and gives it back in a view of its own.
  let into = buffer
  let got = 0
  while (got < blob.size) {
    const view: Uint8Array<ArrayBuffer> = new Uint8Array(into, got, blob.size - got)
    const reading = reader.read(view)
    const { value, done }: ReadableStreamReadResult<Uint8Array<ArrayBuffer>> = await hold(
      reading,
      reader,
      body,
      blob,
    )
    if (done || !value) break
    into = value.buffer
    got += value.length
  }
  return new Uint8Array(into, 0, got)
}

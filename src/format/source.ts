// Files and Blobs as ByteSources, and the small whole-range reads that headers and JSON files need.
// net/http-source.ts is the network's. Used by the container readers; a source never holds a whole file.

import { asRyzError, RyzError, throwIfAborted } from '../errors.ts'
import { readBody } from '../net/body-reader.ts'
import { watched } from '../net/watch.ts'
import type { ByteSource } from './model-file.ts'

/** A disk that spins up or a network drive may take long, but not this long. */
const SILENT_MS = 30_000

/** Finds a file of the same model by its name; undefined when there is none. */
export type Opener = (name: string) => Promise<ByteSource | undefined>

/** A File or Blob as a ByteSource; slices are read as they are asked for. */
export function blobSource(blob: Blob, name: string): ByteSource {
  return { name, size: blob.size, local: true, stream }

  async function* stream(
    start: number,
    end: number | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    throwIfAborted(signal, `Reading ${name}`)
    const stop = end ?? blob.size
    if (stop > blob.size) {
      throw new RyzError('TRUNCATED', `${name} has ${blob.size} bytes, ${stop} are needed`)
    }
    if (start >= stop) return
    const reader = readBody(blob.slice(start, stop).stream())
    let at = start
    try {
      while (at < stop) {
        const value = await watched(reader.read(), {
          what: `the next bytes of ${name}`,
          ms: SILENT_MS,
          advice: 'choose the file again',
        })
        throwIfAborted(signal, `Reading ${name}`)
        if (!value) throw new RyzError('TRUNCATED', `${name} ends at byte ${at} of ${stop}`)
        at += value.length
        yield value
      }
    } catch (caught) {
      throw asRyzError(
        caught,
        'NETWORK',
        `${name} could not be read; if it was changed or moved, choose it again`,
      )
    } finally {
      reader.cancel()
    }
  }
}

/**
 * Reads a whole small file; memory grows only with the bytes that really arrive.
 * @throws RyzError CORRUPT_HEADER when it is larger than `limit`, and whatever the source throws
 */
export async function readWhole(
  source: ByteSource,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  return readRange(source, 0, undefined, limit, signal)
}

/** Reads [start, end) or to the end of the file; see readWhole. */
export async function readRange(
  source: ByteSource,
  start: number,
  end: number | undefined,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let total = 0
  for await (const piece of source.stream(start, end, signal)) {
    total += piece.length
    if (total > limit) {
      throw new RyzError('CORRUPT_HEADER', `${source.name} is larger than ${limit} bytes`, {
        limit,
      })
    }
    pieces.push(piece.slice())
  }
  const whole = new Uint8Array(total)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

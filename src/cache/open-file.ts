// First contact with one file: what the store has of it, whether the server still has the same, how large it
// is. Decides between going on, starting over, and not caching at all. Called by sessions.ts.
import { RyzError } from '../errors.ts'
import { type Answer, ask, differs, statusError } from '../net/range-reader.ts'
import { persist } from '../net/retry.ts'
import { watched } from '../net/watch.ts'
import { CachedFile, type FileContext } from './cached-file.ts'
import { ChunkFetcher } from './chunk-fetcher.ts'
import { chunkCount, type FileRecord, isWhole } from './records.ts'

export interface OpenFileOptions {
  readonly model: string
  readonly chunkBytes: number
  /** SHA-256 the whole file must have. */
  readonly expected?: string
  /** What is stored is not used, and replaced as soon as the server answers. */
  readonly anew?: boolean
}

/** 'absent': there is no such file. 'pass': its size cannot be known, read it without the cache. */
export type Opened = CachedFile | 'absent' | 'pass'

/** A whole file is used as it is when the server does not answer in this time. */
const REVALIDATE_MS = 3000

/**
 * Opens a file.
 * @throws RyzError NETWORK | ABORTED
 */
export async function openFile(
  url: string,
  context: FileContext,
  options: OpenFileOptions,
): Promise<Opened> {
  const stored = await readRecord(url, context)
  if (options.anew && context.network) return begin(url, context, options)
  if (!context.network) {
    if (stored?.absent) return 'absent'
    if (stored) return resume(stored, context, options)
    throw new RyzError(
      'NETWORK',
      `${url} is not stored, and loading was restricted to what is; load it once with the network`,
      { offline: true },
    )
  }
  if (stored?.absent && (await stillAbsent(url, context))) return 'absent'
  const standing = stored && !stored.absent && (await stillTheSame(stored, context))
  if (stored && standing) {
    const file = resume(stored, context, options)
    return file
  }
  if (stored) await context.store?.dropFile(url)
  return begin(url, context, options)
}

async function readRecord(url: string, context: FileContext): Promise<FileRecord | undefined> {
  try {
    const record = await context.store?.readFile(url)
    // Chunks whose record is damaged are of no use: nothing says what they should be.
    if (!record) await context.store?.dropFile(url)
    return record
  } catch (caught) {
    context.storeFailed(caught)
    return undefined
  }
}

function fetcherOf(record: FileRecord, context: FileContext): ChunkFetcher {
  return new ChunkFetcher(record, context.network, context.counters, context.signal)
}

function resume(record: FileRecord, context: FileContext, options: OpenFileOptions): CachedFile {
  return new CachedFile(record, context, fetcherOf(record, context), options.expected)
}

/** Asks for one byte: the headers of the answer tell. */
export async function stillTheSame(record: FileRecord, context: FileContext): Promise<boolean> {
  const { url } = record
  const whole = isWhole(record)
  const part = `the stored part of ${url}`
  if (!whole && record.etag === undefined && record.lastModified === undefined) {
    const reason = 'the server gives neither ETag nor Last-Modified to know the file again by'
    context.note(part, 'a new download', reason)
    return false
  }
  const { network, signal } = context
  try {
    const stallMs = whole ? REVALIDATE_MS : network?.stallMs
    const attempt = () => ask(url, 0, 1, { ...network, stallMs, signal })
    const answer = whole ? await attempt() : await persist(attempt, () => 0, { ...network, signal })
    answer.stop()
    if (answer.kind === 'absent') {
      if (whole) return true
      const { status } = answer
      throw statusError(url, status, null, network?.headers)
    }
    if (answer.kind === 'whole' && !whole) {
      context.note(part, 'a new download', 'the server has no ranges')
      return false
    }
    if (!differs(record, answer)) return true
    context.note(part, 'a new download', 'the file on the server has changed')
    return false
  } catch (caught) {
    // What is whole serves without the server, too.
    if (whole && caught instanceof RyzError && caught.code === 'NETWORK') return true
    throw caught
  }
}

/** A file that was missing may be there by now; without the server the last answer stands. */
async function stillAbsent(url: string, context: FileContext): Promise<boolean> {
  const { network, signal } = context
  try {
    const answer = await ask(url, 0, 1, { ...network, stallMs: REVALIDATE_MS, signal })
    answer.stop()
    return answer.kind === 'absent'
  } catch (caught) {
    if (caught instanceof RyzError && caught.code === 'NETWORK') return true
    throw caught
  }
}

async function begin(url: string, context: FileContext, options: OpenFileOptions): Promise<Opened> {
  const { network, signal } = context
  const { chunkBytes } = options
  const answer = await persist(
    () => ask(url, 0, chunkBytes, { ...network, signal }),
    () => 0,
    { ...network, onRetry: countRetries(context), signal },
  )
  // What was imported under an address that no server knows is all there is of it.
  if (options.anew && answer.kind === 'absent' && url === options.model) return 'absent'
  if (options.anew) await context.store?.dropFile(url)
  if (answer.kind === 'absent') {
    if (answer.status !== 403) await remember(absentRecord(url, options), context)
    return 'absent'
  }
  const size = answer.size ?? (await sizeElsewhere(url, answer, context))
  if (size === undefined || size === 0) {
    answer.stop()
    if (size === undefined) context.note(url, 'no cache', 'the server does not tell its size')
    return 'pass'
  }
  const record: FileRecord = {
    ...absentRecord(url, options),
    absent: undefined,
    size,
    etag: answer.etag,
    lastModified: answer.lastModified,
    hashes: new Array<null>(chunkCount({ size, chunkBytes })).fill(null),
  }
  const fetcher = fetcherOf(record, context)
  fetcher.adopt(answer)
  return new CachedFile(record, context, fetcher, options.expected)
}

/** Where CORS hides Content-Range, a HEAD request tells; an encoded answer keeps it to itself. */
async function sizeElsewhere(
  url: string,
  answer: Answer,
  { network, signal }: FileContext,
): Promise<number | undefined> {
  if (answer.kind !== 'range') return undefined
  try {
    // With a Range header browsers ask for bytes that are not compressed, whose count this must be.
    const headers = new Headers(network?.headers)
    headers.set('Range', 'bytes=0-')
    const asked = (network?.fetch ?? fetch)(url, { method: 'HEAD', headers, signal })
    const response = await watched(asked, { what: `the size of ${url}`, ms: REVALIDATE_MS })
    const { headers: told } = response
    const length = response.ok && !told.has('content-encoding') ? told.get('content-length') : null
    return length && /^\d{1,15}$/.test(length) ? Number(length) : undefined
  } catch {
    return undefined
  }
}

function absentRecord(url: string, { model, chunkBytes }: OpenFileOptions): FileRecord {
  return { url, model, absent: true, size: 0, chunkBytes, hashes: [], hashed: 0 }
}

async function remember(record: FileRecord, context: FileContext): Promise<void> {
  try {
    await context.store?.writeFile(record)
  } catch (caught) {
    context.storeFailed(caught)
  }
}

function countRetries(context: FileContext): (reason: string) => void {
  return reason => {
    context.counters.retries++
    context.network?.onRetry?.(reason)
  }
}

// What is stored of a file, for a question instead of a load: how many of its bytes need no download, and,
// where it is whole, the bytes themselves. Writes nothing but repairs. Called by engine/load/forecast.ts.
import type { NetworkOptions } from '../net/retry.ts'
import { CachedFile, type FileContext } from './cached-file.ts'
import { ChunkFetcher } from './chunk-fetcher.ts'
import { Counters } from './counters.ts'
import { stillTheSame } from './open-file.ts'
import { isWhole, storedBytes } from './records.ts'
import { type ChunkStore, openStore } from './store.ts'

export interface StoredFile {
  /** Bytes that a load would not fetch. */
  readonly bytes: number
  /** The file, where all of it is there. */
  readonly whole: CachedFile | undefined
  /** The server had no such file. */
  readonly absent?: boolean
}

export interface StoredFileOptions {
  readonly signal: AbortSignal
  /** Undefined offline: what is stored is then not compared with the server's. */
  readonly network: NetworkOptions | undefined
  /** Replaces IndexedDB, for tests. */
  readonly openStore?: () => Promise<ChunkStore>
}

/**
 * Undefined when nothing is stored that a load would use: the server may have another file by now.
 * @throws RyzError NETWORK when a part of it is stored and the server does not answer | ABORTED
 */
export async function storedFile(
  url: string,
  options: StoredFileOptions,
): Promise<StoredFile | undefined> {
  const { signal, network } = options
  const found = await look(url, options.openStore ?? openStore)
  if (!found) return undefined
  const { store, record } = found
  if (record.absent) return network ? undefined : { bytes: 0, whole: undefined, absent: true }
  const context: FileContext = {
    counters: new Counters(),
    network,
    signal,
    store,
    storeFailed: () => undefined,
    note: () => undefined,
  }
  if (network && !(await stillTheSame(record, context))) return undefined
  const fetcher = new ChunkFetcher(record, network, context.counters, signal)
  const whole = isWhole(record) ? new CachedFile(record, context, fetcher, undefined) : undefined
  return { bytes: storedBytes(record), whole }
}

async function look(url: string, open: () => Promise<ChunkStore>) {
  try {
    const store = await open()
    const record = await store.readFile(url)
    return record && { store, record }
  } catch {
    return undefined // a store that cannot be read holds nothing
  }
}

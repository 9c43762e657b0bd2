// The cache during one load of one model: opens its files, holds the lock that keeps a second tab from the
// same download, writes the manifest last, and tells what it did. Made by engine/load/open-parts.ts.
import { asRyzError, type ErrorCode, RyzError, throwIfAborted } from '../errors.ts'
import { fileNameOf } from '../net/model-url.ts'
import type { NetworkOptions } from '../net/retry.ts'
import { watched } from '../net/watch.ts'
import { isQuotaError } from '../storable.ts'
import type { CacheStats, Fallback } from '../types/index.ts'
import type { CachedFile, FileContext } from './cached-file.ts'
import { Counters } from './counters.ts'
import { downloadLock } from './download-lock.ts'
import { openFile } from './open-file.ts'
import { CHUNK_BYTES, isWhole, type ModelRecord, storedBytes } from './records.ts'
import { type ChunkStore, openStore } from './store.ts'

export interface SessionOptions {
  readonly mode: 'auto' | 'require' | 'only'
  readonly signal: AbortSignal
  /** SHA-256 of the source itself, or by file name for a model of several files. */
  readonly sha256?: string | Readonly<Record<string, string>>
  readonly chunkBytes?: number
  /** Nothing that is stored is used: the stored bytes were refused, and the server may have better ones. */
  readonly anew?: boolean
  readonly network?: NetworkOptions
  /** Replaces IndexedDB and the browser's locks, for tests. */
  readonly openStore?: () => Promise<ChunkStore>
  readonly locks?: LockManager | null
  readonly estimate?: () => Promise<StorageEstimate>
  readonly now?: () => number
}

/** The room is asked for, not needed: without an answer writing tells. */
const ESTIMATE_MS = 5000

/**
 * Errors that judge the file: it is not worth its room, and what is stored must not stand in the way of a
 * repaired file, or of a later version of this package that can read it.
 */
export const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NOT_A_MODEL',
  'TRUNCATED',
  'CORRUPT_HEADER',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_ARCH',
  'UNSUPPORTED_TYPE',
  'UNSUPPORTED_FEATURE',
  'BAD_TENSOR_INFO',
  'MISSING_TENSOR',
  'SHAPE_MISMATCH',
  'BAD_HYPERPARAMS',
  'BAD_CONFIG',
  'BAD_WEIGHTS',
  'TOKENIZER_MISSING',
  'TOKENIZER_INVALID',
  'TEMPLATE_ERROR',
])

/** True when a load failed because of what the file holds; an error that names an option blames that. */
export function isRefusal(failure: unknown): failure is RyzError {
  if (!(failure instanceof RyzError) || failure.detail.option !== undefined) return false
  return REFUSALS.has(failure.code)
}

/**
 * Begins a load. Waits while another tab downloads the same model.
 * @param source the model's absolute URL
 * @throws RyzError NO_STORAGE (mode 'require') | ABORTED
 */
export async function openCache(source: string, options: SessionOptions): Promise<CacheSession> {
  const fallbacks: Fallback[] = []
  let store: ChunkStore | undefined
  let model: ModelRecord | undefined
  try {
    store = await (options.openStore ?? openStore)()
    model = await store.readModel(source)
  } catch (caught) {
    const error = asRyzError(caught, 'NO_STORAGE', 'the store could not be read')
    if (options.mode === 'require') throw error
    store = undefined
    fallbacks.push({ from: 'cached weights', to: 'no cache', reason: error.message })
  }
  let release: () => void = () => undefined
  const locks = options.locks === undefined ? globalThis.navigator?.locks : options.locks
  const { anew = false } = options
  if (store && locks && (anew || !model?.complete) && options.mode !== 'only') {
    const lock = await downloadLock(locks, source, store, options.signal)
    release = lock.release
    if (lock.gaveUp) {
      fallbacks.push({ from: 'the download of another tab', to: 'its own', reason: lock.gaveUp })
    }
    model = await store.readModel(source)
    if (model?.complete && !anew) release()
  }
  if (anew) model = undefined
  return new CacheSession(source, options, { store, model, release, fallbacks })
}

interface Begun {
  readonly store: ChunkStore | undefined
  readonly model: ModelRecord | undefined
  readonly release: () => void
  readonly fallbacks: Fallback[]
}

/** One load. */
export class CacheSession {
  readonly #source: string
  readonly #options: SessionOptions
  readonly #abort = new AbortController()
  readonly #counters = new Counters()
  readonly #context: FileContext
  readonly #files = new Map<string, CachedFile>()
  readonly #urls: string[] = []
  readonly #model: ModelRecord | undefined
  readonly #release: () => void
  readonly #onAbort = () => this.#abort.abort()
  #store: ChunkStore | undefined
  #began = false
  /** What was wanted of the cache and could not be had. */
  readonly fallbacks: Fallback[]

  constructor(source: string, options: SessionOptions, begun: Begun) {
    this.#source = source
    this.#options = options
    this.#store = begun.store
    this.#model = begun.model
    this.#release = begun.release
    this.fallbacks = begun.fallbacks
    if (options.signal.aborted) this.#onAbort()
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
    const session = this
    this.#context = {
      counters: this.#counters,
      // What is stored here need not stand in the browser's own cache, too.
      network: options.mode === 'only' ? undefined : { httpCache: 'no-store', ...options.network },
      signal: this.#abort.signal,
      get store() {
        return session.#store
      },
      storeFailed: caught => this.#storeFailed(caught),
      note: (from, to, reason) => void this.fallbacks.push({ from, to, reason }),
    }
  }

  /**
   * Opens a file of the model; undefined when it is to be read without the cache.
   * @throws RyzError NETWORK | STORAGE_FULL | NO_STORAGE | ABORTED
   */
  async open(url: string): Promise<CachedFile | 'absent' | undefined> {
    throwIfAborted(this.#options.signal, 'loading')
    this.#urls.push(url)
    const opened = await openFile(url, this.#context, {
      model: this.#source,
      chunkBytes: this.#options.chunkBytes ?? CHUNK_BYTES,
      expected: this.#expected(url),
      anew: this.#options.anew,
    })
    if (opened === 'absent') return opened
    if (opened === 'pass') {
      this.#requireExpected(url)
      return undefined
    }
    this.#files.set(url, opened)
    await this.#requireRoom(opened)
    await this.#begin()
    return opened
  }

  /** Bytes that have come from the network so far, and from the store. */
  get progress(): { fetchedBytes: number; fromCacheBytes: number } {
    return { fetchedBytes: this.#counters.fetchedBytes, fromCacheBytes: this.#counters.hitBytes }
  }

  /**
   * The weights are in place: fetches the rest of the files, checks the hashes that were demanded, and
   * writes the manifest.
   * @throws RyzError NETWORK | MODEL_HASH | STORAGE_FULL | NO_STORAGE | ABORTED
   */
  async finish(about: Readonly<Record<string, string>>): Promise<void> {
    this.#requireNamed()
    for (const file of this.#files.values()) await file.finish()
    if (!this.#store) return
    const complete = [...this.#files.values()].every(file => isWhole(file.record))
    await this.#writeModel(complete, about)
  }

  /**
   * Lets go of connections and lock; a file that was refused is not kept. May be called twice.
   * @param failure why the load failed
   * @returns true when stored bytes were refused: it is worth one more load, `anew`. Until that has an answer
   *   they stay, since an offline device could not get them again.
   */
  async close(failure?: unknown): Promise<boolean> {
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#abort.abort()
    await Promise.allSettled([...this.#files.values()].map(file => file.settled()))
    const fromStore = isRefusal(failure) && this.#counters.hits > 0
    try {
      if (isRefusal(failure) && !fromStore) await this.#drop()
      else if (failure instanceof RyzError && failure.code === 'MODEL_HASH') {
        const left = await Promise.all(this.#urls.map(url => this.#store?.readFile(url)))
        if (left.every(record => record === undefined)) await this.#store?.dropModel(this.#source)
      }
    } catch {
      // The failure of the load is what the caller must hear of; the store is judged at the next one.
    }
    this.#release()
    return fromStore && this.#context.network !== undefined
  }

  async #drop(): Promise<void> {
    for (const url of this.#urls) await this.#store?.dropFile(url)
    await this.#store?.dropModel(this.#source)
  }

  stats(): CacheStats {
    const { hits, hitBytes, fetched, fetchedBytes, repaired, retries, verify } = this.#counters
    const state = !this.#store
      ? 'uncached'
      : fetched === 0
        ? 'warm'
        : hits === 0
          ? 'cold'
          : repaired === fetched
            ? 'repaired'
            : 'resumed'
    const verifyMs = verify.ms
    return { state, verifyMs, hits, hitBytes, fetched, fetchedBytes, repaired, retries }
  }

  #expected(url: string): string | undefined {
    const { sha256 } = this.#options
    if (sha256 === undefined) return undefined
    if (typeof sha256 === 'string') {
      return url === this.#source ? sha256.toLowerCase() : undefined
    }
    const name = fileNameOf(url)
    return Object.hasOwn(sha256, name) ? sha256[name].toLowerCase() : undefined
  }

  /** A hash that belongs to no file would be a promise not kept. */
  #requireNamed(): void {
    const { sha256 } = this.#options
    if (sha256 === undefined) return
    const urls = [...this.#files.keys()]
    const wanted = typeof sha256 === 'string' ? 1 : Object.keys(sha256).length
    const met = urls.filter(url => this.#expected(url) !== undefined).length
    if (met === wanted && (typeof sha256 !== 'string' || urls.length === 1)) return
    throw new RyzError(
      'BAD_OPTION',
      `sha256 names ${met} of the ${urls.length} files of the model; give { fileName: hash } for each that shall be checked`,
    )
  }

  #requireExpected(url: string): void {
    if (this.#expected(url) === undefined) return
    throw new RyzError(
      'MODEL_HASH',
      `${url} does not tell its size, so its SHA-256 cannot be checked; serve it with Content-Length`,
    )
  }

  /** The manifest stands from the start, unfinished: what is stored is listed and can be deleted. */
  async #begin(): Promise<void> {
    if (this.#began || this.#model?.complete) return
    this.#began = true
    await this.#writeModel(false, this.#model?.about ?? {})
  }

  async #writeModel(complete: boolean, about: ModelRecord['about']): Promise<void> {
    const now = (this.#options.now ?? Date.now)()
    const addedAt = this.#model?.addedAt ?? now
    const record = {
      source: this.#source,
      files: this.#urls,
      complete,
      addedAt,
      usedAt: now,
      about,
    }
    try {
      await this.#store?.writeModel(record)
    } catch (caught) {
      this.#storeFailed(caught)
    }
  }

  async #requireRoom(file: CachedFile): Promise<void> {
    const missing = file.size - storedBytes(file.record)
    if (!this.#store || missing === 0) return
    const estimate =
      this.#options.estimate ?? (() => globalThis.navigator?.storage?.estimate?.() ?? {})
    const asked = Promise.resolve(estimate())
    const { quota, usage } = await watched(asked, {
      what: 'an estimate of the room for storage',
      ms: ESTIMATE_MS,
    }).catch((): StorageEstimate => ({}))
    if (quota === undefined || usage === undefined || quota - usage >= missing) return
    this.#storeFailed(
      new RyzError(
        'STORAGE_FULL',
        `${file.name} needs ${missing} bytes more and the browser grants ${Math.max(0, quota - usage)}; delete stored models`,
        { missing, quota, usage },
      ),
    )
  }

  #storeFailed(caught: unknown): void {
    const full = isQuotaError(caught)
    const error = asRyzError(
      caught,
      full ? 'STORAGE_FULL' : 'NO_STORAGE',
      full ? 'the browser grants no more storage' : 'the store failed',
    )
    if (this.#options.mode === 'require') throw error
    if (!this.#store) return
    this.#store = undefined
    this.fallbacks.push({ from: 'cached weights', to: 'no cache', reason: error.message })
  }
}

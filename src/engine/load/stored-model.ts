// From a ModelSource to an open ModelFile through the cache: URLs are read from the store where it has
// them, local files straight, and a demanded hash is checked either way. Called by open-parts.ts.
import { type Remembered, rememberedInIndexedDb } from '../../cache/remembered.ts'
import { type CacheSession, openCache } from '../../cache/session.ts'
import { runningHash } from '../../cache/sha256.ts'
import { RyzError } from '../../errors.ts'
import type { ModelFile } from '../../format/model-file.ts'
import { openModel } from '../../format/open.ts'
import { blobSource } from '../../format/source.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { isLocalUrl, modelUrl } from '../../net/model-url.ts'
import type { NetworkOptions } from '../../net/retry.ts'
import type { CacheStats, Fallback, LoadOptions, ModelSource } from '../../types/index.ts'
import { hubSource } from './hub-source.ts'

/** An open model and what the cache does for it. */
export interface StoredModelFile {
  readonly file: ModelFile
  /** What was wanted of the cache and could not be had; complete after finish(). */
  readonly fallbacks: readonly Fallback[]
  readonly fromCacheBytes: number
  /** The weights are in place: commits the model. @throws RyzError NETWORK | MODEL_HASH | STORAGE_FULL | NO_STORAGE */
  finish(config: ModelConfig): Promise<void>
  /** Undefined where the cache had no part. */
  stats(): CacheStats | undefined
}

/** What loading through the store needs beside the options. */
export interface Through {
  readonly options: LoadOptions
  readonly signal: AbortSignal
  /** Replaces what is remembered in IndexedDB, for tests. */
  readonly remembered?: Remembered
}

/** How a caller wants requests to be made. */
export function networkOf({ headers, fetch }: LoadOptions): NetworkOptions {
  return { headers, ...(fetch && { fetch }) }
}

/**
 * Opens a model (only headers are read), hands it to `use`, and closes it when that fails. What is refused from
 * stored bytes is fetched anew once: the server may have a repaired file that looks the same (size, ETag).
 * @throws RyzError whatever openModel and `use` throw, and MODEL_HASH | STORAGE_FULL | NO_STORAGE
 */
export async function withStored<T>(
  from: ModelSource,
  { options, signal, remembered = rememberedInIndexedDb() }: Through,
  use: (stored: StoredModelFile) => Promise<T>,
): Promise<T> {
  const source = await hubSource(from, options, signal, remembered)
  const url = storedUrl(source)
  const mode = options.cache ?? 'auto'
  const http = networkOf(options)
  if (url === undefined || mode === 'off') {
    await checkLocal(source, options, signal)
    return use(plain(await openModel(source, { signal, http })))
  }
  let refused: RyzError | undefined
  for (;;) {
    const session = await openCache(url, {
      mode,
      signal,
      sha256: options.sha256,
      chunkBytes: options.cacheChunkBytes,
      anew: refused !== undefined,
      network: http,
    })
    if (refused) {
      const reason = `it was refused: ${refused.message}`
      session.fallbacks.push({ from: 'the stored model', to: 'a new download', reason })
    }
    try {
      const openUrl = (address: string) => session.open(address)
      return await use(through(session, await openModel(url, { signal, http, openUrl })))
    } catch (caught) {
      const fromStore = await session.close(caught)
      // Without an answer of the server the first judgement stands.
      if (refused && caught instanceof RyzError && caught.code === 'NETWORK') throw refused
      if (refused || !fromStore || signal.aborted) throw caught
      refused = caught as RyzError
    }
  }
}

/** Undefined for what has no place in the store: files of this device, and what is no URL, as openModel says. */
function storedUrl(source: ModelSource): string | undefined {
  if (typeof source !== 'string' && !(source instanceof URL)) return undefined
  const url = modelUrl(source)
  return isLocalUrl(url) ? undefined : url.href
}

function plain(file: ModelFile): StoredModelFile {
  return {
    file,
    fallbacks: [],
    fromCacheBytes: 0,
    finish: async () => undefined,
    stats: () => undefined,
  }
}

function through(session: CacheSession, file: ModelFile): StoredModelFile {
  return {
    file,
    fallbacks: session.fallbacks,
    get fromCacheBytes() {
      return session.progress.fromCacheBytes
    },
    async finish(config) {
      await session.finish(aboutOf(file, config))
      await session.close()
    },
    stats: () => session.stats(),
  }
}

/** What the list of stored models tells about one. */
function aboutOf(file: ModelFile, config: ModelConfig): Record<string, string> {
  const about: Record<string, string> = { name: config.name, architecture: config.architecture }
  const text = (key: string, to: string) => {
    const value = file.container === 'gguf' ? file.metadata.get(key) : undefined
    if (typeof value === 'string' && value.length < 1000) about[to] = value
  }
  text('general.license', 'license')
  text('tokenizer.ggml.model', 'tokenizer')
  if (file.container === 'safetensors') about.tokenizer = 'tokenizer.json'
  return about
}

/** Reads local files once more when a hash is demanded of them. */
async function checkLocal(
  source: ModelSource,
  { sha256 }: LoadOptions,
  signal: AbortSignal,
): Promise<void> {
  if (sha256 === undefined) return
  const files = source instanceof Blob ? [source] : Array.isArray(source) ? source : []
  const wanted = typeof sha256 === 'string' ? 1 : Object.keys(sha256).length
  let met = 0
  for (const file of files as Blob[]) {
    const name = file instanceof File ? file.name : 'blob'
    const named = typeof sha256 !== 'string'
    if (named && !Object.hasOwn(sha256, name)) continue
    const expected = (named ? sha256[name] : sha256).toLowerCase()
    const hash = await runningHash()
    for await (const piece of blobSource(file, name).stream(0, file.size, signal))
      hash.update(piece)
    const got = hash.end()
    if (got !== expected) {
      throw new RyzError('MODEL_HASH', `${name} has SHA-256 ${got}, expected was ${expected}`, {
        expected,
        got,
      })
    }
    met++
  }
  if (met === wanted && (typeof sha256 !== 'string' || files.length === 1)) return
  throw new RyzError(
    'BAD_OPTION',
    `sha256 can be checked for ${met} of ${files.length} local files; with cache 'off' a URL has no check, use 'auto'`,
  )
}

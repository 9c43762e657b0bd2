// From a ModelSource to an open ModelFile through the cache: URLs are read from the store where it has
// them, local files straight, and a demanded hash is checked either way. Called by open-parts.ts.
import { type CacheSession, openCache } from '../../cache/session.ts'
import { runningHash } from '../../cache/sha256.ts'
import { RyzError } from '../../errors.ts'
import type { ModelFile } from '../../format/model-file.ts'
import { openModel } from '../../format/open.ts'
import { blobSource } from '../../format/source.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import type { CacheStats, Fallback, LoadOptions, ModelSource } from '../../types/index.ts'

/** An open model and what the cache does for it. */
export interface StoredModelFile {
  readonly file: ModelFile
  /** What was wanted of the cache and could not be had; complete after finish(). */
  readonly fallbacks: readonly Fallback[]
  readonly fromCacheBytes: number
  /** The weights are in place: commits the model. @throws RyzError NETWORK | MODEL_HASH | STORAGE_FULL */
  finish(config: ModelConfig): Promise<void>
  /** @param failure why loading ended early */
  close(failure?: unknown): Promise<void>
  /** Undefined where the cache had no part. */
  stats(): CacheStats | undefined
}

/**
 * Opens a model; only headers are read.
 * @throws RyzError whatever openModel throws, and MODEL_HASH | STORAGE_FULL
 */
export async function openStored(
  source: ModelSource,
  options: LoadOptions,
  signal: AbortSignal,
): Promise<StoredModelFile> {
  const url = typeof source === 'string' || source instanceof URL ? absolute(source) : undefined
  const mode = options.cache ?? 'auto'
  if (url === undefined || mode === 'off') {
    await checkLocal(source, options, signal)
    return plain(await openModel(source, { signal }))
  }
  const session = await openCache(url, {
    mode,
    signal,
    sha256: options.sha256,
    chunkBytes: options.cacheChunkBytes,
  })
  try {
    const file = await openModel(source, { signal, openUrl: address => session.open(address) })
    return through(session, file)
  } catch (caught) {
    await session.close(caught)
    throw caught
  }
}

/** Undefined for what is no URL: openModel says so. */
function absolute(source: string | URL): string | undefined {
  try {
    const url = new URL(source, globalThis.location?.href)
    return /^https?:$/.test(url.protocol) ? url.href : undefined
  } catch {
    return undefined
  }
}

function plain(file: ModelFile): StoredModelFile {
  return {
    file,
    fallbacks: [],
    fromCacheBytes: 0,
    finish: async () => undefined,
    close: async () => undefined,
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
    close: failure => session.close(failure),
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

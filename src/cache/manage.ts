// The stored models as their owner sees them: list, delete, room, persistence, import and export. Needs no
// engine: a page calls it directly. Nothing here removes a model that was not named by the caller.
import { asRyzError, RyzError } from '../errors.ts'
import { fileNameOf, modelUrl } from '../net/model-url.ts'
import { blob, check, kind, number } from '../options/rules.ts'
import { isQuotaError } from '../storable.ts'
import type { StorageRoom, StoredModel } from '../types/index.ts'
import { CHUNK_BYTES, chunkCount, type FileRecord, isWhole, storedBytes } from './records.ts'
import { runningHash, sha256 } from './sha256.ts'
import { type ChunkStore, openStore } from './store.ts'

let opened: Promise<ChunkStore> | undefined

/** One connection a page; opened on first use. */
function store(): Promise<ChunkStore> {
  opened ??= openStore()
  opened.catch(() => {
    opened = undefined
  })
  return opened
}

/**
 * All stored models, the one used last first; half-downloaded ones too.
 * @throws RyzError NO_STORAGE
 */
export async function listModels(): Promise<StoredModel[]> {
  const table = await store()
  const [models, files] = await Promise.all([table.models(), table.files()])
  const listed = models.map(({ source, files: urls, complete, addedAt, usedAt, about }) => {
    const own = urls.flatMap(url => files.filter(f => f.url === url && f.absent !== true))
    const stored = own.map(f => ({
      url: f.url,
      size: f.size,
      storedBytes: storedBytes(f),
      sha256: f.sha256,
      etag: f.etag,
    }))
    return {
      url: source,
      storedBytes: stored.reduce((sum, f) => sum + f.storedBytes, 0),
      totalBytes: stored.reduce((sum, f) => sum + f.size, 0),
      complete: complete && own.every(isWhole),
      addedAt,
      usedAt,
      files: stored,
      about,
    }
  })
  return listed.filter(model => model.storedBytes > 0).sort((a, b) => b.usedAt - a.usedAt)
}

/**
 * Deletes one model. A download that is under way in a tab goes on and ends uncached or stores it again.
 * @returns false when there was none
 */
export async function deleteModel(url: string | URL): Promise<boolean> {
  const source = absolute(url)
  const table = await store()
  const model = await table.readModel(source)
  const files = (await table.files()).filter(f => f.model === source || f.url === source)
  for (const file of files) await table.dropFile(file.url)
  await table.dropModel(source)
  return model !== undefined || files.length > 0
}

/** Deletes everything that is stored. */
export async function clearModels(): Promise<void> {
  await (await store()).clear()
}

/** What the origin uses and may use; show it before a download. */
export async function storageEstimate(): Promise<StorageRoom> {
  const storage = globalThis.navigator?.storage
  const { usage, quota } = (await storage?.estimate?.().catch(() => undefined)) ?? {}
  const persisted = (await storage?.persisted?.().catch(() => false)) ?? false
  return { usage, quota, persisted }
}

/** Asks the browser not to evict the origin's data by itself. @returns what it decided */
export async function persistStorage(): Promise<boolean> {
  return (await globalThis.navigator?.storage?.persist?.().catch(() => false)) ?? false
}

/**
 * The models to offer for deletion so that `bytes` become free, least recently used first; fewer than
 * enough when all together are too small. Deletes nothing.
 */
export async function evictionCandidates(bytes: number): Promise<StoredModel[]> {
  check('bytes', bytes, number(0, Number.POSITIVE_INFINITY))
  const offered: StoredModel[] = []
  let free = 0
  for (const model of (await listModels()).reverse()) {
    if (free >= bytes) break
    offered.push(model)
    free += model.storedBytes
  }
  return offered
}

/**
 * A stored file as it was downloaded, every chunk verified. Its bytes stay in the store until they are read.
 * @param url of a model of one file, or of one file of a model
 * @throws RyzError BAD_OPTION when it is not stored whole | MODEL_HASH when a chunk is damaged
 */
export async function exportModel(url: string | URL): Promise<File> {
  const source = absolute(url)
  const table = await store()
  const record = await table.readFile(source)
  if (!record || record.absent || !isWhole(record)) {
    throw new RyzError('BAD_OPTION', `${source} is not stored whole; load it first`, {
      storedBytes: record ? storedBytes(record) : 0,
    })
  }
  const chunks: Blob[] = []
  for (let index = 0; index < chunkCount(record); index++) {
    const chunk = await table.readChunk(source, index)
    const bytes = new Uint8Array((await chunk?.arrayBuffer()) ?? new ArrayBuffer(0))
    if (!chunk || (await sha256(bytes)) !== record.hashes[index]) {
      throw new RyzError(
        'MODEL_HASH',
        `chunk ${index} of ${source} is damaged in the store; load the model once, which repairs it`,
        { chunk: index },
      )
    }
    chunks.push(chunk)
  }
  const name = fileNameOf(source) || 'model'
  return new File(chunks, name)
}

/**
 * Stores a file as if it had been downloaded from `url`; load(url) then needs no network.
 * @throws RyzError STORAGE_FULL | NO_STORAGE | BAD_OPTION
 */
export async function importModel(file: Blob, url: string | URL): Promise<void> {
  check('file', file, blob)
  const source = absolute(url)
  const table = await store()
  if (file.size === 0) throw new RyzError('BAD_OPTION', 'the file is empty')
  await table.dropFile(source)
  const count = chunkCount({ size: file.size, chunkBytes: CHUNK_BYTES })
  const hash = await runningHash()
  let record: FileRecord = {
    url: source,
    model: source,
    size: file.size,
    chunkBytes: CHUNK_BYTES,
    hashes: new Array<null>(count).fill(null),
    hashed: 0,
  }
  try {
    for (let index = 0; index < count; index++) {
      const start = index * CHUNK_BYTES
      const bytes = new Uint8Array(await file.slice(start, start + CHUNK_BYTES).arrayBuffer())
      hash.update(bytes)
      const hashes = record.hashes.with(index, await sha256(bytes))
      record = { ...record, hashes, hashed: index + 1, hashState: hash.save() }
      await table.writeChunk(index, new Blob([bytes]), record)
    }
    await table.writeFile({ ...record, hashState: undefined, sha256: hash.end() })
    const now = Date.now()
    const manifest = { source, files: [source], complete: true, addedAt: now, usedAt: now }
    await table.writeModel({ ...manifest, about: {} })
  } catch (caught) {
    await table.dropFile(source).catch(() => undefined)
    const full = isQuotaError(caught)
    const what = full
      ? `the browser grants no room for ${file.size} bytes; delete stored models`
      : 'the file could not be stored'
    throw asRyzError(caught, full ? 'STORAGE_FULL' : 'NO_STORAGE', what)
  }
}

/** Names are the URLs that load() was given, seen from the page. */
function absolute(url: string | URL): string {
  if (typeof url !== 'string') check('url', url, kind('URL'))
  return modelUrl(url, globalThis.document?.baseURI ?? globalThis.location?.href).href
}

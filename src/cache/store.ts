// Chunks and records in IndexedDB, through idb-keyval: one Blob a chunk (it stays out of the page's memory
// until it is read), and a chunk together with the record that names it in one transaction. Knows no
// network and judges no hash; cached-file.ts does.
import { createStore, promisifyRequest, type UseStore } from 'idb-keyval'
import { RyzError } from '../errors.ts'
import { type FileRecord, type ModelRecord, seal, unseal } from './records.ts'

export const DATABASE = 'ryzanstein'
const TABLE = 'models'

/** Where chunks and records stand. All of it may throw what IndexedDB throws. */
export interface ChunkStore {
  readFile(url: string): Promise<FileRecord | undefined>
  readModel(source: string): Promise<ModelRecord | undefined>
  readChunk(url: string, index: number): Promise<Blob | undefined>
  /** The chunk and the record that says so, both or neither. */
  writeChunk(index: number, chunk: Blob, record: FileRecord): Promise<void>
  writeFile(record: FileRecord): Promise<void>
  writeModel(record: ModelRecord): Promise<void>
  files(): Promise<FileRecord[]>
  models(): Promise<ModelRecord[]>
  dropFile(url: string): Promise<void>
  dropModel(source: string): Promise<void>
  clear(): Promise<void>
}

const fileKey = (url: string) => ['file', url]
const modelKey = (source: string) => ['model', source]
const chunkKey = (url: string, index: number) => ['chunk', url, index]
/** All keys that begin with these parts: an array sorts behind every string and number. */
const under = (...prefix: string[]) => IDBKeyRange.bound(prefix, [...prefix, []])

/**
 * Opens the store.
 * @throws RyzError STORAGE_FULL when the browser has or allows none (private windows, old engines)
 */
export async function openStore(database = DATABASE): Promise<ChunkStore> {
  if (typeof indexedDB === 'undefined' || indexedDB === null) {
    throw new RyzError('STORAGE_FULL', 'this browser has no IndexedDB here')
  }
  const use = createStore(database, TABLE)
  try {
    await use('readonly', table => promisifyRequest(table.count()))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new RyzError('STORAGE_FULL', `IndexedDB does not open here (${why})`, {}, { cause })
  }
  return storeOver(use)
}

function storeOver(use: UseStore): ChunkStore {
  const get = (key: IDBValidKey): Promise<unknown> =>
    use('readonly', table => promisifyRequest<unknown>(table.get(key)))

  const put = (entries: readonly (readonly [IDBValidKey, unknown])[]): Promise<void> =>
    use('readwrite', table => {
      for (const [key, value] of entries) table.put(value, key)
      return promisifyRequest(table.transaction)
    })

  const drop = (...ranges: (IDBKeyRange | IDBValidKey)[]): Promise<void> =>
    use('readwrite', table => {
      for (const range of ranges) table.delete(range)
      return promisifyRequest(table.transaction)
    })

  const all = async <T>(kind: string): Promise<T[]> => {
    const stored = await use('readonly', table => promisifyRequest(table.getAll(under(kind))))
    const records = await Promise.all(stored.map(unseal<T>))
    return records.filter(record => record !== undefined)
  }

  return {
    readFile: async url => unseal<FileRecord>(await get(fileKey(url))),
    readModel: async source => unseal<ModelRecord>(await get(modelKey(source))),
    async readChunk(url, index) {
      const value = await get(chunkKey(url, index))
      return value instanceof Blob ? value : undefined
    },
    async writeChunk(index, chunk, record) {
      const sealed = await seal(record)
      await put([
        [chunkKey(record.url, index), chunk],
        [fileKey(record.url), sealed],
      ])
    },
    writeFile: async record => put([[fileKey(record.url), await seal(record)]]),
    writeModel: async record => put([[modelKey(record.source), await seal(record)]]),
    files: () => all<FileRecord>('file'),
    models: () => all<ModelRecord>('model'),
    dropFile: url => drop(fileKey(url), under('chunk', url)),
    dropModel: source => drop(modelKey(source)),
    clear: () =>
      use('readwrite', table => {
        table.clear()
        return promisifyRequest(table.transaction)
      }),
  }
}

/** True for what a browser throws when the origin has no room left. */
export function isQuotaError(caught: unknown): boolean {
  return (
    caught instanceof Error &&
    (caught.name === 'QuotaExceededError' || /quota|disk|no space/i.test(caught.message))
  )
}

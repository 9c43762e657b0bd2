// Chunks and records in IndexedDB, through idb-keyval: one Blob a chunk (it stays out of the page's memory
// until it is read), and a chunk together with the record that names it in one transaction. Knows no
// network and judges no hash; cached-file.ts does.
import { createStore, promisifyRequest, type UseStore } from 'idb-keyval'
import { asRyzError, RyzError } from '../errors.ts'
import { watched } from '../net/watch.ts'
import { putBlob, storedBlob } from '../storable.ts'
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
 * @throws RyzError NO_STORAGE when the browser has or allows none (private windows, old engines)
 */
export async function openStore(database = DATABASE): Promise<ChunkStore> {
  if (typeof indexedDB === 'undefined' || indexedDB === null) {
    throw new RyzError(
      'NO_STORAGE',
      'there is no IndexedDB here: a private window, or a site whose storage is blocked',
    )
  }
  const open = createStore(database, TABLE)
  const use: UseStore = (mode, run) => {
    const what = `an answer of IndexedDB (${mode})`
    const advice = 'close other tabs of this site, or restart the browser'
    return watched(open(mode, run), { what, ms: ANSWER_MS, code: 'NO_STORAGE', advice })
  }
  try {
    await use('readonly', table => promisifyRequest(table.count()))
  } catch (caught) {
    throw asRyzError(caught, 'NO_STORAGE', 'IndexedDB does not open here')
  }
  return storeOver(use)
}

/** IndexedDB answers in milliseconds, behind a busy disk in seconds. */
const ANSWER_MS = 30_000

/** All puts of a transaction, or none; WebKit ends some without saying why. */
function committed(table: IDBObjectStore): Promise<void> {
  const { transaction } = table
  return new Promise((resolve, reject) => {
    let why: DOMException | null = null
    transaction.addEventListener('error', event => {
      const { error } = event.target as IDBRequest
      if (error?.name !== 'AbortError') why ??= error // that one says only that others failed
    })
    transaction.addEventListener('complete', () => resolve())
    transaction.addEventListener('abort', () => {
      const nameless = 'IndexedDB ended a write and gave no reason, as in some private windows'
      reject(transaction.error ?? why ?? new RyzError('NO_STORAGE', nameless))
    })
  })
}

function storeOver(use: UseStore): ChunkStore {
  const get = (key: IDBValidKey): Promise<unknown> =>
    use('readonly', table => promisifyRequest<unknown>(table.get(key)))

  const put = (entries: readonly (readonly [IDBValidKey, unknown])[]): Promise<void> =>
    use('readwrite', table => {
      for (const [key, value] of entries) table.put(value, key)
      return committed(table)
    })

  const drop = (...ranges: (IDBKeyRange | IDBValidKey)[]): Promise<void> =>
    use('readwrite', table => {
      for (const range of ranges) table.delete(range)
      return committed(table)
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
      return storedBlob(await get(chunkKey(url, index)))
    },
    async writeChunk(index, chunk, record) {
      const sealed = await seal(record)
      await putBlob(chunk, value =>
        put([
          [chunkKey(record.url, index), value],
          [fileKey(record.url), sealed],
        ]),
      )
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
        return committed(table)
      }),
  }
}

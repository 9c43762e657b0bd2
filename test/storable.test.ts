// Where IndexedDB refuses Blobs, as WebKit's does in private windows, their bytes are stored and read back.
import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

const put = IDBObjectStore.prototype.put
const CHUNK = new Uint8Array(4096).fill(7)
beforeEach(() => void vi.resetModules())
afterEach(() => void vi.restoreAllMocks())

/** IndexedDB that takes everything but Blobs. */
function refuseBlobs() {
  return vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
    this: IDBObjectStore,
    value: unknown,
    key?: IDBValidKey,
  ) {
    if (value instanceof Blob) throw new DOMException('BlobURLs are not yet supported', 'DataError')
    return put.call(this, value, key)
  })
}

const record = (url: string) => ({
  url,
  model: url,
  size: CHUNK.length,
  chunkBytes: CHUNK.length,
  hashes: ['x'],
  hashed: 0,
})

describe('the store', () => {
  test('keeps the bytes of a chunk, and asks for a Blob once', async () => {
    const spy = refuseBlobs()
    const { openStore } = await import('../src/cache/store.ts')
    const store = await openStore('no-blobs')
    await store.writeChunk(0, new Blob([CHUNK]), record('a'))
    await store.writeChunk(0, new Blob([CHUNK]), record('b'))
    const chunk = await store.readChunk('b', 0)
    expect(new Uint8Array(await chunk!.arrayBuffer())).toEqual(CHUNK)
    expect(await store.readFile('b')).toMatchObject({ size: 4096 })
    expect(spy.mock.calls.filter(([value]) => value instanceof Blob)).toHaveLength(1)
  })

  test('names a transaction that ends without a reason', async () => {
    const { openStore } = await import('../src/cache/store.ts')
    const store = await openStore('aborting')
    let ended: IDBTransaction | undefined
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore) {
      const { transaction } = this
      if (ended !== transaction) queueMicrotask(() => transaction.abort())
      ended = transaction
      return put.call(this, 'x', 'x')
    })
    const writing = store.writeChunk(0, new Blob([CHUNK]), record('a'))
    await expect(writing).rejects.toThrow('gave no reason')
  })
})

describe('saved sessions', () => {
  test('are kept as bytes and come back as a Blob', async () => {
    refuseBlobs()
    const { sessions } = await import('../src/api/sessions.ts')
    await sessions.save('a', new Blob([CHUNK]))
    expect(await sessions.list()).toEqual([{ name: 'a', bytes: 4096 }])
    expect((await sessions.load('a'))?.size).toBe(4096)
    expect(await sessions.load('b')).toBeUndefined()
  })
})

test('a full disk is not taken for a refusal of Blobs', async () => {
  const { putBlob } = await import('../src/storable.ts')
  const full = new DOMException('no room', 'QuotaExceededError')
  const tried: unknown[] = []
  const failing = putBlob(new Blob(['x']), async value => {
    tried.push(value)
    throw full
  })
  await expect(failing).rejects.toBe(full)
  expect(tried).toHaveLength(1)
})

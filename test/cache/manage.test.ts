import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  clearModels,
  deleteModel,
  evictionCandidates,
  exportModel,
  importModel,
  listModels,
  persistStorage,
  storageEstimate,
} from '../../src/cache/manage.ts'
import { openStore } from '../../src/cache/store.ts'
import { bench, noise, SIZE } from './support.ts'

const b = bench()
/** The database that the management calls use themselves. */
const own = { openStore: () => openStore() }
beforeEach(() => clearModels())

describe('stored models', () => {
  test('are listed, the one used last first, half-downloaded ones too', async () => {
    await b.load({ ...own, now: () => 1000 })
    const other = b.server.serve('other.gguf', noise(5000, 3))
    await importModel(new Blob([noise(5000, 3)]), other)
    const [newest, oldest] = await listModels()
    expect(newest).toMatchObject({ url: other, complete: true, storedBytes: 5000 })
    expect(oldest).toMatchObject({
      url: b.url,
      complete: true,
      storedBytes: SIZE,
      totalBytes: SIZE,
      usedAt: 1000,
      about: { name: 'test' },
    })
    expect(oldest?.files[0]).toMatchObject({ url: b.url, etag: '"v1"' })
    expect(oldest?.files[0]?.sha256).toBe(createHash('sha256').update(b.bytes).digest('hex'))

    await clearModels()
    const session = await b.open(own)
    const file = await session.open(b.url)
    expect(await listModels(), 'nothing has arrived').toEqual([])
    if (file === 'absent' || file === undefined) throw new Error('no file')
    for await (const _ of file.stream(0, undefined)) break
    await session.close()
    const [part] = await listModels()
    expect(part).toMatchObject({ url: b.url, complete: false, storedBytes: 4096, totalBytes: SIZE })
  })

  test('a warm load renews the time of last use and keeps the time of storing', async () => {
    await b.load({ ...own, now: () => 1000 })
    await b.load({ ...own, now: () => 2000 })
    expect(await listModels()).toMatchObject([{ addedAt: 1000, usedAt: 2000 }])
  })

  test('are deleted one by one, chunks and all', async () => {
    await b.load(own)
    expect(await deleteModel(b.url)).toBe(true)
    expect(await deleteModel(b.url)).toBe(false)
    expect(await listModels()).toEqual([])
    const store = await openStore()
    expect(await store.readChunk(b.url, 0)).toBeUndefined()
  })

  test('least recently used ones are offered for eviction, none is removed', async () => {
    const urls = [3, 1, 2].map(n => [n, b.server.serve(`n${n}.gguf`, noise(1000, n))] as const)
    for (const [n, url] of urls) {
      await importModel(new Blob([noise(1000, n)]), url)
      const store = await openStore()
      const model = await store.readModel(url)
      if (model) await store.writeModel({ ...model, usedAt: n })
    }
    const names = async (bytes: number) =>
      (await evictionCandidates(bytes)).map(m => m.url.replace(/.*\//, ''))
    expect(await names(1)).toEqual(['n1.gguf'])
    expect(await names(1001)).toEqual(['n1.gguf', 'n2.gguf'])
    expect(await names(1e9)).toEqual(['n1.gguf', 'n2.gguf', 'n3.gguf'])
    expect(await listModels()).toHaveLength(3)
  })

  test('go out as the file they were and come back in', async () => {
    await b.load(own)
    const file = await exportModel(b.url)
    expect(file.name).toBe(b.url.replace(/.*\//, ''))
    expect(Buffer.from(await file.arrayBuffer()).equals(b.bytes)).toBe(true)
    await clearModels()
    await importModel(file, b.url)
    expect((await b.load({ ...own, mode: 'only' })).stats.state).toBe('warm')
  })

  test('that are damaged or not whole are not exported', async () => {
    await expect(exportModel(b.url)).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await b.load(own)
    const store = await openStore()
    const record = await store.readFile(b.url)
    if (record) await store.writeChunk(3, new Blob([new Uint8Array(4096)]), record)
    await expect(exportModel(b.url)).rejects.toMatchObject({ code: 'MODEL_HASH' })
  })

  test('an empty file and a wrong URL are BAD_OPTION', async () => {
    await expect(importModel(new Blob([]), b.url)).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await expect(deleteModel('no url')).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })
})

test('without navigator.storage the room is unknown and nothing is promised', async () => {
  expect(await storageEstimate()).toMatchObject({ persisted: false })
  expect(await persistStorage()).toBe(false)
})

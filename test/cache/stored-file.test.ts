// What a question before a load learns from the store: bytes that need no download, and whole files.
import { describe, expect, test } from 'vitest'
import { storedFile } from '../../src/cache/stored-file.ts'
import { bench, CHUNK, SIZE } from './support.ts'

const b = bench()
const { signal } = new AbortController()
const look = (online = true) =>
  storedFile(b.url, {
    signal,
    network: online ? {} : undefined,
    openStore: async () => b.store,
  })

describe('a stored file', () => {
  test('that was never loaded is unknown', async () => {
    expect(await look()).toBeUndefined()
  })

  test('that is whole serves its bytes, offline too', async () => {
    await b.load()
    for (const online of [true, false]) {
      const found = await look(online)
      expect(found?.bytes).toBe(SIZE)
      let got = 0
      for await (const piece of found!.whole!.stream(0, undefined)) {
        expect(piece).toEqual(b.bytes.subarray(got, got + piece.length))
        got += piece.length
      }
      expect(got).toBe(SIZE)
    }
  })

  test('that is whole but changed on the server counts for nothing', async () => {
    await b.load()
    b.server.setFaults({ etag: '"v2"' })
    expect(await look()).toBeUndefined()
    expect((await look(false))?.bytes).toBe(SIZE)
  })

  test('of which a part is there counts that part', async () => {
    const session = await b.open()
    const file = await session.open(b.url)
    if (file === 'absent' || file === undefined) throw new Error('no file')
    let seen = 0
    for await (const _ of file.stream(0, SIZE)) if (++seen === 3) break
    await session.close()
    const found = await look()
    expect(found?.whole).toBeUndefined()
    expect(found?.bytes).toBeGreaterThanOrEqual(2 * CHUNK)
    expect(found?.bytes).toBeLessThan(SIZE)
  })

  test('that the server did not have is absent offline and asked for online', async () => {
    const missing = `${b.url}.json`
    const session = await b.open()
    expect(await session.open(missing)).toBe('absent')
    await session.close()
    const openStore = async () => b.store
    expect(await storedFile(missing, { signal, network: {}, openStore })).toBeUndefined()
    expect(await storedFile(missing, { signal, network: undefined, openStore })).toMatchObject({
      absent: true,
    })
  })

  test('is unknown where there is no store', async () => {
    const openStore = () => Promise.reject(new Error('private'))
    expect(await storedFile(b.url, { signal, network: {}, openStore })).toBeUndefined()
  })
})

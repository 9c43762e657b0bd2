import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { isWhole } from '../../src/cache/records.ts'
import type { CacheSession } from '../../src/cache/session.ts'
import { bench, CHUNK, noise, readAll, SIZE } from './support.ts'

const b = bench()
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/** Reads some chunks and walks away, as a closed tab does. */
async function readPart(chunks: number, session?: CacheSession): Promise<void> {
  const opened = session ?? (await b.open())
  const file = await opened.open(b.url)
  if (file === 'absent' || file === undefined) throw new Error('no file')
  let left = chunks
  for await (const _ of file.stream(0, undefined)) if (--left === 0) break
  await opened.close()
}

describe('cold and warm', () => {
  test('a first load downloads each chunk once and a second one asks for one byte', async () => {
    const cold = await b.load()
    expect(cold.stats).toMatchObject({ state: 'cold', fetched: 10, hits: 0, fetchedBytes: SIZE })
    expect(b.ranges()).toEqual(ALL)
    const warm = await b.load()
    expect(warm.stats).toMatchObject({ state: 'warm', fetched: 0, hits: 10, hitBytes: SIZE })
    expect(warm.fallbacks).toEqual([])
    const asked = b.server.takeServed()
    expect(asked).toHaveLength(1)
    expect(asked[0]).toMatchObject({ start: 0, end: 1 })
  })

  test('the record holds the hash of every chunk and of the whole file', async () => {
    await b.load()
    const record = await b.store.readFile(b.url)
    expect(record?.sha256).toBe(hashOf(b.bytes))
    expect(record?.hashes[3]).toBe(hashOf(b.bytes.subarray(3 * CHUNK, 4 * CHUNK)))
    expect(await b.store.readModel(b.url)).toMatchObject({ complete: true, files: [b.url] })
  })

  test('what the pour does not read is fetched before the model counts as stored', async () => {
    const session = await b.open()
    await readPart(2, session)
    const second = await b.open()
    await readAll(second, b.url, b.bytes.subarray(0, 4 * CHUNK))
    await second.finish({})
    await second.close()
    const record = await b.store.readFile(b.url)
    expect(record && isWhole(record)).toBe(true)
    expect(record?.sha256).toBe(hashOf(b.bytes))
  })

  test('a model whose server is gone loads from the store', async () => {
    await b.load()
    b.server.setFaults({ offline: true })
    expect((await b.load()).stats.state).toBe('warm')
    b.server.setFaults({ status: 404 })
    expect((await b.load()).stats.state).toBe('warm')
  })

  test('only: no request at all, and NETWORK for what is not stored', async () => {
    await expect(b.load({ mode: 'only' })).rejects.toMatchObject({ code: 'NETWORK' })
    await b.load()
    b.server.takeServed()
    expect((await b.load({ mode: 'only' })).stats.state).toBe('warm')
    expect(b.server.takeServed()).toEqual([])
  })

  test('three connections at most are open at once, and never more than four chunks are ahead', async () => {
    let open = 0
    let most = 0
    let begun = 0
    const counting: typeof fetch = async (url, init) => {
      open++
      begun++
      most = Math.max(most, open)
      const response = await fetch(url, init)
      const bytes = await response.arrayBuffer()
      open--
      return new Response(bytes, { status: response.status, headers: response.headers })
    }
    const session = await b.open({}, { fetch: (url, init) => counting(url, init) })
    const file = await session.open(b.url)
    if (file === 'absent' || file === undefined) throw new Error('no file')
    let seen = 0
    for await (const _ of file.stream(0, SIZE)) {
      seen++
      await new Promise(done => setTimeout(done, 5))
      expect(begun).toBeLessThanOrEqual(seen + 3)
    }
    expect(most).toBe(3)
    await session.close()
  })
})

describe('resuming', () => {
  test.each([1, 4, 9])('after %i chunks only the others are fetched', async chunks => {
    await readPart(chunks)
    b.server.takeServed()
    const { stats } = await b.load()
    expect(stats).toMatchObject({ state: 'resumed', hits: chunks, fetched: 10 - chunks })
    expect(b.ranges()).toEqual(ALL.slice(chunks))
    expect((await b.store.readFile(b.url))?.sha256).toBe(hashOf(b.bytes))
  })

  test('a changed etag starts over and says so', async () => {
    await readPart(4)
    b.server.takeServed()
    b.server.setFaults({ etag: '"v2"' })
    const { stats, fallbacks } = await b.load()
    expect(stats).toMatchObject({ state: 'cold', fetched: 10 })
    expect(fallbacks[0]?.reason).toContain('changed')
  })

  test('a changed size starts over, a whole model too', async () => {
    await b.load()
    const longer = noise(SIZE + 5, 2)
    b.server.serve(b.url.replace(/.*\/model\//, ''), longer)
    const session = await b.open()
    await readAll(session, b.url, longer)
    await session.finish({})
    expect(session.stats()).toMatchObject({ state: 'cold', fetched: 10 })
    await session.close()
  })

  test('an etag that changes during the download ends it with NETWORK, and the next load is right', async () => {
    const session = await b.open()
    const file = await session.open(b.url)
    if (file === 'absent' || file === undefined) throw new Error('no file')
    const reading = async () => {
      for await (const _ of file.stream(0, SIZE)) b.server.setFaults({ etag: '"v2"' })
    }
    const failure = await reading().catch((caught: unknown) => caught)
    expect(failure).toMatchObject({ code: 'NETWORK', detail: { changed: true } })
    await session.close(failure)
    expect((await b.load()).stats).toMatchObject({ fetched: 10, hits: 0 })
  })

  test('without ETag and Last-Modified a part is not trusted', async () => {
    b.server.setFaults({ validators: false })
    await readPart(4)
    const { stats, fallbacks } = await b.load()
    expect(stats).toMatchObject({ state: 'cold', fetched: 10 })
    expect(fallbacks[0]?.reason).toContain('ETag')
  })

  test('pausing is aborting: what had arrived is there afterwards', async () => {
    const controller = new AbortController()
    const session = await b.open({ signal: controller.signal })
    const file = await session.open(b.url)
    if (file === 'absent' || file === undefined) throw new Error('no file')
    let seen = 0
    const reading = async () => {
      for await (const _ of file.stream(0, SIZE)) if (++seen === 3) controller.abort()
    }
    await expect(reading()).rejects.toMatchObject({ code: 'ABORTED' })
    await session.close()
    const { stats } = await b.load()
    expect(stats.state).toBe('resumed')
    expect(stats.hits).toBeGreaterThanOrEqual(3)
    expect(stats.hits + stats.fetched).toBe(10)
  })
})

describe('a server that misbehaves', () => {
  test('a cut connection is continued at the byte where it broke', async () => {
    b.server.setFaults({ cutAfter: 1000, times: 3 })
    const { stats } = await b.load()
    expect(stats).toMatchObject({ state: 'cold', retries: 3 })
    expect(stats.fetchedBytes).toBe(SIZE)
  })

  test('every answer cut short still ends in the right bytes', async () => {
    b.server.setFaults({ cutAfter: 700 })
    expect((await b.load()).stats.state).toBe('cold')
  })

  test('an answer that ends early without a length is continued', async () => {
    b.server.setFaults({ endAfter: 900, times: 4 })
    expect((await b.load()).stats).toMatchObject({ state: 'cold', fetchedBytes: SIZE })
  })

  test('silence counts as a broken connection', async () => {
    b.server.setFaults({ stallAfter: 512, times: 2 })
    expect((await b.load()).stats).toMatchObject({ retries: 2, fetchedBytes: SIZE })
  })

  test('a busy server is asked again, later and later; then NETWORK with its status', async () => {
    b.server.setFaults({ status: 503, times: 3 })
    await b.load()
    expect(b.waits).toEqual([300, 600, 1200])
    await b.store.clear()
    b.server.setFaults({ status: 500 })
    await expect(b.load()).rejects.toMatchObject({ code: 'NETWORK', detail: { status: 500 } })
    expect(b.server.takeServed().filter(s => s.status === 500)).toHaveLength(5)
  })

  test('a refusal is not asked again', async () => {
    b.server.setFaults({ status: 401 })
    await expect(b.load()).rejects.toMatchObject({ code: 'NETWORK', detail: { status: 401 } })
    expect(b.server.takeServed()).toHaveLength(1)
  })

  test('a server without ranges is read once, in order, and stored', async () => {
    b.server.setFaults({ ranges: false })
    const { stats } = await b.load()
    expect(stats).toMatchObject({ state: 'cold', fetched: 10, fetchedBytes: SIZE })
    expect(b.server.takeServed().map(s => s.status)).toEqual([200])
    expect((await b.load()).stats.state).toBe('warm')
  })

  test('a server without ranges that breaks off is read again from the start', async () => {
    b.server.setFaults({ ranges: false, cutAfter: 5 * CHUNK, times: 1 })
    expect((await b.load()).stats).toMatchObject({ state: 'cold', retries: 1 })
  })

  test('a part from a server without ranges starts over and says so', async () => {
    b.server.setFaults({ ranges: false })
    await readPart(4)
    const { stats, fallbacks } = await b.load()
    expect(stats).toMatchObject({ state: 'cold', fetched: 10 })
    expect(fallbacks[0]?.reason).toBe('the server has no ranges')
  })

  test('ranges that vanish during the download are done without', async () => {
    const session = await b.open()
    const file = await session.open(b.url)
    if (file === 'absent' || file === undefined) throw new Error('no file')
    let at = 0
    for await (const piece of file.stream(0, SIZE)) {
      b.server.setFaults({ ranges: false })
      expect(Buffer.from(piece).equals(b.bytes.subarray(at, at + piece.length))).toBe(true)
      at += piece.length
    }
    expect(at).toBe(SIZE)
    await session.close()
  })

  test('a truncated file is judged by its reader and then not kept', async () => {
    b.server.setFaults({ truncateTo: 3 * CHUNK })
    const failure = await b.load().catch((caught: unknown) => caught)
    expect(failure).toMatchObject({ code: 'TRUNCATED' })
    expect(await b.store.files()).toEqual([])
    expect(await b.store.models()).toEqual([])
  })

  test('a file that is not there is absent, offline too', async () => {
    const missing = b.url.replace('.gguf', '.json')
    const session = await b.open()
    expect(await session.open(missing)).toBe('absent')
    await session.close()
    b.server.setFaults({ offline: true })
    const again = await b.open()
    expect(await again.open(missing)).toBe('absent')
    await again.close()
  })

  test('a file that was missing once is asked for again and found', async () => {
    b.server.setFaults({ status: 404 })
    const session = await b.open()
    expect(await session.open(b.url)).toBe('absent')
    await session.close()
    b.server.setFaults()
    expect((await b.load()).stats.state).toBe('cold')
  })
})

describe('a demanded SHA-256', () => {
  test('the right one passes, cold, warm and resumed', async () => {
    const sha256 = hashOf(b.bytes).toUpperCase()
    await readPart(3)
    expect((await b.load({ sha256 })).stats.state).toBe('resumed')
    expect((await b.load({ sha256 })).stats.state).toBe('warm')
  })

  test('wrong bytes of the server are MODEL_HASH, after a resume too, and nothing is kept', async () => {
    const sha256 = hashOf(b.bytes)
    b.server.setFaults({ wrongAt: 100 })
    await readPart(3)
    b.server.setFaults()
    const session = await b.open({ sha256 })
    await session.open(b.url)
    const failure = await session.finish({}).catch((caught: unknown) => caught)
    expect(failure).toMatchObject({ code: 'MODEL_HASH' })
    await session.close(failure)
    expect(await b.store.files()).toEqual([])
    expect((await b.load({ sha256 })).stats.state).toBe('cold')
  })

  test('a stored model with another hash is refused', async () => {
    await b.load()
    await expect(b.load({ sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'MODEL_HASH' })
    expect(await b.store.files()).toEqual([])
  })

  test('it is checked where nothing can be stored', async () => {
    const none = { openStore: () => Promise.reject(new Error('private window')) }
    const right = { ...none, sha256: hashOf(b.bytes) }
    expect((await b.load(right)).stats.state).toBe('uncached')
    const wrong = { ...none, sha256: '0'.repeat(64) }
    await expect(b.load(wrong)).rejects.toMatchObject({ code: 'MODEL_HASH' })
  })

  test('a hash that belongs to no file is BAD_OPTION', async () => {
    const sha256 = { 'other.gguf': hashOf(b.bytes) }
    await expect(b.load({ sha256 })).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })
})

describe('a store that fails', () => {
  test('without one the load goes on and says so; require refuses', async () => {
    const openStore = () => Promise.reject(new Error('private window'))
    const { stats, fallbacks } = await b.load({ openStore })
    expect(stats.state).toBe('uncached')
    expect(fallbacks[0]).toMatchObject({ to: 'no cache' })
    expect(fallbacks[0]?.reason).toContain('private window')
    await expect(b.load({ openStore, mode: 'require' })).rejects.toMatchObject({
      code: 'NO_STORAGE',
    })
  })

  const quota = () => new DOMException('no room', 'QuotaExceededError')

  test.each([0, 4])('a quota that ends at chunk %i does not end the load', async at => {
    const full = {
      ...b.store,
      writeChunk: (i: number, chunk: Blob, record: Parameters<typeof b.store.writeChunk>[2]) =>
        i >= at ? Promise.reject(quota()) : b.store.writeChunk(i, chunk, record),
    }
    const { stats, fallbacks } = await b.load({ openStore: async () => full })
    expect(stats.state).toBe('uncached')
    expect(fallbacks[0]?.reason).toContain('grants no more storage')
    // What fitted before is of use to the next load.
    const again = await b.load()
    expect(again.stats.state).toBe(at === 0 ? 'cold' : 'resumed')
  })

  test('require: a quota that ends during the download is STORAGE_FULL', async () => {
    const full = { ...b.store, writeChunk: () => Promise.reject(quota()) }
    await expect(b.load({ openStore: async () => full, mode: 'require' })).rejects.toMatchObject({
      code: 'STORAGE_FULL',
    })
  })

  test('too little room is known before the download', async () => {
    const estimate = async () => ({ quota: 10_000, usage: 2000 })
    const { stats, fallbacks } = await b.load({ estimate })
    expect(stats.state).toBe('uncached')
    expect(fallbacks[0]?.reason).toContain(`${SIZE}`)
    expect(fallbacks[0]?.reason).toContain('8000')
    expect((await b.store.files()).flatMap(f => f.hashes.filter(h => h !== null))).toEqual([])
    await expect(b.load({ estimate, mode: 'require' })).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      detail: { missing: SIZE },
    })
  })

  test('a store that is emptied under our feet costs a download, not the load', async () => {
    await b.load()
    const session = await b.open()
    const file = await session.open(b.url)
    if (file === 'absent' || file === undefined) throw new Error('no file')
    let at = 0
    for await (const piece of file.stream(0, SIZE)) {
      if (at === 0) await b.store.clear()
      expect(Buffer.from(piece).equals(b.bytes.subarray(at, at + piece.length))).toBe(true)
      at += piece.length
    }
    expect(session.stats().repaired).toBeGreaterThanOrEqual(6)
    await session.close()
  })
})

describe('two tabs', () => {
  /** navigator.locks, as far as it is used. */
  function fakeLocks(): LockManager {
    const tails = new Map<string, Promise<unknown>>()
    const request = (name: string, _: unknown, callback: () => Promise<unknown>) => {
      const turn = (tails.get(name) ?? Promise.resolve()).then(callback)
      tails.set(name, turn)
      return turn
    }
    return { request } as unknown as LockManager
  }

  test('the second waits for the first and downloads nothing', async () => {
    const locks = fakeLocks()
    const [first, second] = await Promise.all([b.load({ locks }), b.load({ locks })])
    expect([first.stats.state, second.stats.state].sort()).toEqual(['cold', 'warm'])
    expect(b.ranges()).toEqual(ALL)
  })

  test('the second goes on where the first gave up', async () => {
    const locks = fakeLocks()
    const first = await b.open({ locks })
    const second = b.load({ locks })
    await readPart(4, first)
    expect((await second).stats).toMatchObject({ state: 'resumed', hits: 4 })
  })

  test('without locks both load, and the store is whole', async () => {
    const [first, second] = await Promise.all([b.load(), b.load()])
    expect(first.stats.hits + first.stats.fetched).toBe(10)
    expect(second.stats.hits + second.stats.fetched).toBe(10)
    const { stats } = await b.load()
    expect(stats.hits + stats.fetched).toBe(10)
    expect((await b.load()).stats.state).toBe('warm')
  })
})

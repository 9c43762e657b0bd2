// What the cache tests share: a session over fake-indexeddb and the fault server, and a file of random
// bytes whose every read is compared. No clock is waited for.
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import 'fake-indexeddb/auto'
import { type FaultServer, startFaultServer } from '../../e2e/faults/server.mjs'
import { type CacheSession, openCache, type SessionOptions } from '../../src/cache/session.ts'
import { type ChunkStore, openStore } from '../../src/cache/store.ts'
import type { NetworkOptions } from '../../src/net/retry.ts'
import type { CacheStats, Fallback } from '../../src/types/index.ts'

export const CHUNK = 4096
/** Ten chunks, the last one short. */
export const SIZE = 9 * CHUNK + 1000

/** Bytes that look random and are the same in every run. */
export function noise(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  let state = seed
  return Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  })
}

export interface Bench {
  readonly server: FaultServer
  readonly url: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly store: ChunkStore
  /** Waits that were asked for, ms. */
  readonly waits: number[]
  open(options?: Partial<SessionOptions>, network?: NetworkOptions): Promise<CacheSession>
  /** Opens, streams all, finishes and closes; fails when a byte differs. */
  load(options?: Partial<SessionOptions>, network?: NetworkOptions): Promise<Loaded>
  /** Chunks asked of the server since the last call, by index; the one-byte probes are left out. */
  ranges(): number[]
}

export interface Loaded {
  readonly stats: CacheStats
  readonly fallbacks: readonly Fallback[]
}

/** A fresh file, store and server state for every test of a file. */
export function bench(): Bench {
  let server: FaultServer
  let store: ChunkStore
  let url = ''
  let count = 0
  const bytes = noise(SIZE)
  const waits: number[] = []

  beforeAll(async () => {
    server = await startFaultServer()
  })
  beforeEach(async () => {
    store = await openStore(`test-${count++}`)
    url = server.serve(`m${count}.gguf`, bytes)
    server.setFaults()
    server.takeServed()
    waits.length = 0
  })
  afterEach(() => server.setFaults())
  afterAll(() => server.close())

  const open: Bench['open'] = (options = {}, network = {}) =>
    openCache(url, {
      mode: 'auto',
      signal: new AbortController().signal,
      chunkBytes: CHUNK,
      openStore: async () => store,
      locks: null,
      estimate: async () => ({}),
      network: {
        sleep: async ms => {
          waits.push(ms)
        },
        stallMs: 200,
        ...network,
      },
      ...options,
    })

  return {
    get server() {
      return server
    },
    get url() {
      return url
    },
    get store() {
      return store
    },
    bytes,
    waits,
    open,
    async load(options, network) {
      const session = await open(options, network)
      try {
        await readAll(session, url, bytes)
        await session.finish({ name: 'test' })
        await session.close()
        return { stats: session.stats(), fallbacks: session.fallbacks }
      } catch (caught) {
        await session.close(caught)
        throw caught
      }
    },
    ranges: () =>
      server
        .takeServed()
        .filter(s => s.end - s.start > 1)
        .map(s => Math.floor(s.start / CHUNK))
        .sort((a, b) => a - b),
  }
}

/** Streams the file through the session as the pour does and compares every byte. */
export async function readAll(
  session: CacheSession,
  url: string,
  expected: Uint8Array,
  start = 0,
): Promise<void> {
  const file = await session.open(url)
  if (file === 'absent' || file === undefined) throw new Error(`no file: ${file}`)
  let at = start
  for await (const piece of file.stream(start, expected.length)) {
    for (const [i, byte] of piece.entries()) {
      if (byte !== expected[at + i]) throw new Error(`byte ${at + i} is ${byte}`)
    }
    at += piece.length
  }
  if (at !== expected.length) throw new Error(`${at} of ${expected.length} bytes`)
}

// Waiting for another tab's download, and ending it when that tab stores nothing any more.
import { describe, expect, test } from 'vitest'
import { downloadLock } from '../../src/cache/download-lock.ts'
import type { FileRecord } from '../../src/cache/records.ts'
import type { ChunkStore } from '../../src/cache/store.ts'

const SOURCE = 'https://x.test/m.gguf'
const { signal } = new AbortController()

/** A lock that another tab holds for ever, and a store that fills by a chunk a look. */
function otherTab(chunks: () => number) {
  const locks = {
    request: (_: string, options: { signal: AbortSignal }) =>
      new Promise((_, reject) => {
        options.signal.addEventListener('abort', () => reject(options.signal.reason))
      }),
  } as unknown as LockManager
  const file = (): FileRecord => ({
    url: SOURCE,
    model: SOURCE,
    size: 1000,
    chunkBytes: 10,
    hashes: Array.from({ length: 100 }, (_, i) => (i < chunks() ? 'x' : null)),
    hashed: 0,
  })
  return { locks, store: { files: async () => [file()] } as unknown as ChunkStore }
}

describe('another tab that holds the lock', () => {
  test('and stores nothing is given up, with the reason', async () => {
    const { locks, store } = otherTab(() => 3)
    const lock = await downloadLock(locks, SOURCE, store, signal, 5)
    expect(lock.gaveUp).toContain('has stored nothing for')
    lock.release()
  })

  test('and goes on storing is waited for', async () => {
    let chunks = 0
    const { locks, store } = otherTab(() => Math.min(20, chunks++))
    await downloadLock(locks, SOURCE, store, signal, 5)
    expect(chunks).toBeGreaterThan(20)
  })

  test('is not waited for after a cancel', async () => {
    const { locks, store } = otherTab(() => 0)
    const controller = new AbortController()
    const waiting = downloadLock(locks, SOURCE, store, controller.signal, 1000)
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

test('a free lock is held until it is let go', async () => {
  let over = false
  const locks = {
    request: (_: string, __: unknown, run: () => Promise<void>) =>
      run().then(() => {
        over = true
      }),
  } as unknown as LockManager
  const { store } = otherTab(() => 0)
  const lock = await downloadLock(locks, SOURCE, store, signal)
  expect(lock.gaveUp).toBeUndefined()
  expect(over).toBe(false)
  lock.release()
  await Promise.resolve()
  await Promise.resolve()
  expect(over).toBe(true)
})

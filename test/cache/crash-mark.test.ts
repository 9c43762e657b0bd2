// The mark that tells whether a page ended between two points: believed only when the page that set it is gone.
import { describe, expect, it } from 'vitest'
import { crashMark } from '../../src/cache/crash-mark.ts'

/** Notes that outlive pages, and the locks of the pages that live. */
function machine() {
  const notes = new Map<string, unknown>()
  const held = new Map<string, Set<string>>()
  const remembered = {
    get: async (key: string) => notes.get(key),
    set: async (key: string, value: unknown) => void notes.set(key, value),
  }
  /** A page; end() is a crash. */
  const page = (name: string) => {
    const own = new Set<string>()
    held.set(name, own)
    const locks = {
      query: async () => ({
        held: [...held.values()].flatMap(s => [...s].map(n => ({ name: n }))),
      }),
      async request(lock: string, run: () => Promise<void>) {
        own.add(lock)
        await run()
        own.delete(lock)
      },
    } as unknown as LockManager
    return { locks, end: () => held.delete(name) }
  }
  let time = 0
  const mark = (locks: LockManager | undefined) => crashMark(remembered, 'gpu', locks, () => time)
  const later = (ms: number): void => {
    time += ms
  }
  return { page, mark, later }
}

describe('a crash mark', () => {
  it('is found when its page ended, once; after a second end always, for a day', async () => {
    const { page, mark, later } = machine()
    for (const times of [1, 2]) {
      const first = page('first')
      await mark(first.locks).set()
      first.end()
      const next = page('next')
      expect(await mark(next.locks).found()).toBe(true)
      expect(await mark(next.locks).found()).toBe(times === 2)
    }
    later(25 * 3600 * 1000)
    expect(await mark(page('third').locks).found()).toBe(false)
  })

  it('is not found while its page lives, nor after it was taken back', async () => {
    const { page, mark } = machine()
    const first = page('first')
    const own = mark(first.locks)
    await own.set()
    expect(await mark(page('other').locks).found()).toBe(false)
    await own.clear()
    first.end()
    expect(await mark(page('next').locks).found()).toBe(false)
  })
})

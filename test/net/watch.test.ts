// Waits end, name what they waited for, and are held while they last.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { watched } from '../../src/net/watch.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const never = new Promise<never>(() => undefined)

describe('a wait', () => {
  test('gives what comes in time and leaves no timer', async () => {
    expect(await watched(Promise.resolve(7), { what: 'a number', ms: 100 })).toBe(7)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('that is over names what it waited for and gives the work up', async () => {
    const giveUp = vi.fn()
    const wait = watched(never, {
      what: 'an answer of IndexedDB',
      ms: 1000,
      code: 'STORAGE_FULL',
      advice: 'close other tabs',
      giveUp,
    })
    const failed = expect(wait).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      message: '1000 ms passed without an answer of IndexedDB; close other tabs',
      detail: { waitedFor: 'an answer of IndexedDB', silentMs: 1000 },
    })
    await vi.advanceTimersByTimeAsync(999)
    expect(giveUp).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    await failed
    expect(giveUp).toHaveBeenCalledOnce()
  })

  test('hands on what the work throws', async () => {
    const broken = Promise.reject(new TypeError('broken'))
    await expect(watched(broken, { what: 'x', ms: 10 })).rejects.toThrow('broken')
  })

  test('begins again after the device slept', async () => {
    let over = false
    const wait = watched(never, { what: 'x', ms: 1000 }).catch(() => {
      over = true
    })
    await vi.advanceTimersByTimeAsync(900)
    vi.setSystemTime(Date.now() + 3_600_000)
    await vi.advanceTimersByTimeAsync(200)
    expect(over).toBe(false)
    await vi.advanceTimersByTimeAsync(1000)
    await wait
    expect(over).toBe(true)
  })
})

// Reads that never come, come too late, or are slow because the page is hidden: the limit is one of ticks, not of
// the clock. The device is a fake, and so is time.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ReadBack, STATUS_BYTES, stagingBytes } from '../../../src/backend/webgpu/read-back.ts'
import type { RyzError } from '../../../src/errors.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function reading(step = 7) {
  let answer: () => void = () => undefined
  const mapped = new Uint32Array(8 + STATUS_BYTES / 4)
  mapped[2] = step // behind two values
  const buffer = {
    mapAsync: () =>
      new Promise<void>(resolve => {
        answer = resolve
      }),
    getMappedRange: () => mapped.buffer,
    unmap: () => undefined,
    destroy: () => undefined,
  }
  const device = { createBuffer: () => buffer } as unknown as GPUDevice
  let lose: (error: RyzError) => void = () => undefined
  const lost = new Promise<RyzError>(resolve => {
    lose = resolve
  })
  const reads = new ReadBack(device, lost)
  const result = reads.settle(reads.take(8), 8, 7)
  const outcome = result.then(
    values => values.length,
    (error: RyzError) => error,
  )
  return { outcome, answer: () => answer(), lose }
}

describe('a read', () => {
  it('that never comes ends after 20 ticks of a second', async () => {
    const { outcome } = reading()
    const seen = vi.fn()
    void outcome.then(seen)
    await vi.advanceTimersByTimeAsync(19_500)
    expect(seen).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1000)
    expect(await outcome).toMatchObject({ code: 'DEVICE_LOST', detail: { reason: 'silent' } })
  })

  it('that comes after that is not taken any more, and throws nothing', async () => {
    const { outcome, answer } = reading()
    await vi.advanceTimersByTimeAsync(21_000)
    answer()
    await vi.advanceTimersByTimeAsync(1000)
    expect(await outcome).toMatchObject({ code: 'DEVICE_LOST' })
  })

  it('of a hidden page, whose timers come once a minute, has as many of them', async () => {
    const { outcome, answer } = reading()
    const seen = vi.fn()
    void outcome.then(seen)
    // A timer that is due fires late: the clock runs on, the ticks do not.
    for (let minute = 0; minute < 15; minute++) {
      vi.setSystemTime(Date.now() + 60_000)
      await vi.advanceTimersByTimeAsync(1000)
    }
    expect(seen).not.toHaveBeenCalled()
    answer()
    await vi.advanceTimersByTimeAsync(0)
    expect(await outcome).toBe(2)
  })

  it('of a device that is lost ends with the loss', async () => {
    const { outcome, lose } = reading()
    lose({ code: 'DEVICE_LOST', message: 'gone' } as RyzError)
    await vi.advanceTimersByTimeAsync(0)
    expect(await outcome).toBeDefined()
  })

  it('that answers with another step is not believed', async () => {
    const { outcome, answer } = reading(6)
    answer()
    await vi.advanceTimersByTimeAsync(0)
    expect(await outcome).toMatchObject({ detail: { step: 7, ran: 6 } })
  })
})

it('keeps one large buffer, however many rows are read at a time, and leaves it to large reads', async () => {
  const sizes = new Set<number>()
  let step = 0
  const createBuffer = ({ size }: GPUBufferDescriptor) => {
    sizes.add(size)
    return {
      mapAsync: async () => undefined,
      getMappedRange: (_: number, bytes: number) => {
        const mapped = new Uint32Array(bytes / 4)
        mapped[(bytes - STATUS_BYTES) / 4] = step
        return mapped.buffer
      },
      unmap: () => undefined,
      destroy: () => sizes.delete(size),
    }
  }
  const device = { createBuffer } as unknown as GPUDevice
  const reads = new ReadBack(device, new Promise(() => undefined))
  const read = (bytes: number) => reads.settle(reads.take(bytes), bytes, ++step)
  for (const rows of [1, 8, 32, 1, 8]) {
    await read(4 * 50_000 * rows)
    await read(4)
  }
  const large = stagingBytes(4 * 50_000 * 32)
  expect([...sizes].sort((a, b) => a - b)).toEqual([stagingBytes(4), large])
  expect(reads.count).toBe(2)
  expect(large).toBeLessThan(4 * 50_000 * 32 + 2 * stagingBytes(4))
  // Two at once: the small one, asked for first, does not stand in the large one.
  const small = reads.take(4)
  expect(reads.take(4 * 50_000).bytes).toBe(large)
  expect(small.bytes).toBe(stagingBytes(4))
  reads.destroy()
  expect(sizes.size).toBe(0)
})

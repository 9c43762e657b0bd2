// The watch over the pool with made-up kernels: what it asks of them from step to step, and whom it misses.
import { describe, expect, it } from 'vitest'
import { PoolWatch, type PoolWatchOptions } from '../../../src/backend/wasm/pool-watch.ts'

const DONE = 1024
const WAITS = 256

/** Kernels that do nothing: the test writes their counters. */
function pool(threads: number, more: Partial<PoolWatchOptions> = {}) {
  const memory = new ArrayBuffer(4096)
  const words = new Int32Array(memory)
  const waits = new Float64Array(memory, WAITS, 2)
  const used: number[] = []
  const clock = { now: 1000 }
  const kernels = {
    ryz_pool_use: (count: number) => void used.push(count),
    ryz_pool_done: () => DONE,
    ryz_pool_waits: () => WAITS,
  }
  const watch = new PoolWatch(kernels, memory, {
    threads,
    cores: threads,
    adapts: true,
    limitMs: 1000,
    now: () => clock.now,
    ...more,
  })
  return {
    watch,
    used,
    clock,
    /** A step whose regions were shared, and all active workers came; its milliseconds by threads. */
    step(
      cost: number | ((threads: number) => [ms: number, lateMs: number]),
      came = true,
      rows = 1,
    ) {
      const answered = watch.begin(rows)
      watch.between()
      words[(WAITS + 16) / 4]!++
      const LAYERS = 4
      for (let layer = 0; layer < LAYERS; layer++) {
        const { active } = watch.stats()
        const [ms, lateMs] = typeof cost === 'number' ? [cost, 0] : cost(active)
        if (came) for (let t = 1; t < active; t++) words[DONE / 4 + 16 * t + 1]!++
        waits[0]! += lateMs / LAYERS
        waits[1]! += lateMs / LAYERS
        clock.now += ms / LAYERS
        watch.between()
        watch.layer()
      }
      watch.mark()
      return answered
    },
    again(pieces: number) {
      words[(WAITS + 20) / 4]! += pieces
    },
    late(ms: number) {
      waits[0]! += ms
      waits[1]! += ms
    },
  }
}

describe('the watch over the pool', () => {
  it('begins with the cores, and with all threads where they do not adapt', () => {
    expect(pool(4, { cores: 2 }).used).toEqual([2])
    expect(pool(4, { cores: 2, adapts: false }).used).toEqual([4])
    expect(pool(2, { cores: 0 }).used).toEqual([1])
  })

  /** 20 ms of work; beside others, a second thread is late by more than it saves. */
  const idle = (threads: number): [number, number] => [20 / threads, 0]
  const busy = (threads: number): [number, number] => (threads === 1 ? [20, 0] : [26, 16])

  it('sets threads aside that come late, says that others are busy, and tries them again', () => {
    const { watch, used, step } = pool(2)
    for (let i = 0; i < 20; i++) step(idle)
    expect(watch.stats()).toMatchObject({ active: 2, othersBusy: false })
    const before = watch.stats().msByActive[0]!
    for (let i = 0; i < 100; i++) step(busy)
    expect(watch.stats()).toMatchObject({ othersBusy: true })
    expect(watch.stats().msByActive[0]! - before).toBeGreaterThan(1300)
    used.length = 0
    for (let i = 0; i < 100; i++) step(busy)
    expect(used.join(' ')).toContain('2 1')
    for (let i = 0; i < 100; i++) step(idle)
    expect(watch.stats().active).toBe(2)
    for (let i = 0; i < 150; i++) step(idle)
    expect(watch.stats().othersBusy).toBe(false)
  })

  it('follows a load that comes and goes, though nobody waits and drawing takes as long as a step', () => {
    const { watch, clock, step } = pool(2)
    const seen = { idle: { right: 0, all: 0 }, busy: { right: 0, all: 0 } }
    const began = clock.now
    while (clock.now < began + 20_000) {
      const isBusy = Math.floor((clock.now - began) / 1000) % 2 === 1
      step(threads => [threads === 1 ? 0.3 : isBusy ? 0.36 : 0.2, 0])
      if ((clock.now - began) % 1000 > 400) {
        const of = seen[isBusy ? 'busy' : 'idle']
        of.all++
        if (watch.stats().active === (isBusy ? 1 : 2)) of.right++
      }
      clock.now += 0.3
    }
    expect(seen.idle.right / seen.idle.all).toBeGreaterThan(0.85)
    expect(seen.busy.right / seen.busy.all).toBeGreaterThan(0.85)
  })

  it('does not count the answers between prompts: they bring nothing forward', () => {
    const { watch, clock, step } = pool(2)
    let alone = 0
    for (let request = 0; request < 13; request++) {
      for (let piece = 0; piece < 3; piece++) {
        step(threads => [3 / threads, 0], true, 32)
        if (watch.stats().active === 1) alone++
      }
      for (let token = 0; token < 60; token++) step(threads => [0.4 / threads, 0])
      clock.now += 500
    }
    expect(alone).toBe(0)
  })

  it('finds the number of threads for each number of rows, and for prompts of about one length', () => {
    const { watch, step } = pool(2)
    // Short pieces of a prompt are slower on two threads; tokens and long pieces are not.
    const cost =
      (rows: number) =>
      (threads: number): [number, number] => {
        const ms = rows === 1 ? 10 : rows
        return [rows === 20 ? ms * threads : ms / threads, 0]
      }
    const active = (rows: number) => {
      step(cost(rows), true, rows)
      return watch.stats().active
    }
    for (let i = 0; i < 300; i++) for (const rows of [1, 20, 60]) step(cost(rows), true, rows)
    const counts = [1, 20, 60].map(rows => {
      const all = Array.from({ length: 20 }, () => active(rows))
      return all.reduce((sum, n) => sum + n, 0) / all.length
    })
    expect(counts[0]).toBeGreaterThan(1.8)
    expect(counts[1]).toBeLessThan(1.2)
    expect(counts[2]).toBeGreaterThan(1.8)
  })

  it('finds the number of threads within a few long steps, layer by layer', () => {
    const { watch, clock } = pool(2)
    // 24 layers of 13 ms on one thread; a second one hinders from the third step on.
    const step = (hinders: boolean) => {
      const began = clock.now
      watch.begin(64)
      for (let layer = 0; layer < 24; layer++) {
        clock.now += hinders ? 13 * watch.stats().active : 13 / watch.stats().active
        watch.layer()
      }
      watch.mark()
      return clock.now - began
    }
    for (let i = 0; i < 4; i++) expect(step(false)).toBeLessThan(24 * 13 * 0.6)
    const first = step(true)
    expect(first).toBeLessThan(24 * 13 * 2)
    step(true)
    expect(step(true)).toBeLessThan(24 * 13 * 1.2)
    const { msByActive, activeBySecond } = watch.stats()
    watch.begin(64)
    expect(msByActive[0]! + msByActive[1]!).toBeGreaterThan(1000)
    expect(activeBySecond.length).toBeGreaterThan(0)
    // And back, when it helps again.
    for (let i = 0; i < 4; i++) step(false)
    expect(step(false)).toBeLessThan(24 * 13 * 0.6)
  })

  it('takes a fixed number where it is told one, and learns nothing from it', () => {
    let fixed = 0
    const { watch, step } = pool(2, { fixed: () => fixed })
    for (let i = 0; i < 20; i++) step(idle)
    expect(watch.stats().active).toBe(2)
    fixed = 1
    for (let i = 0; i < 50; i++) step(idle)
    expect(watch.stats().active).toBe(1)
    expect(watch.stats().msByActive[0]).toBeGreaterThanOrEqual(50 * 20)
    fixed = 0
    step(idle)
    expect(watch.stats().active).toBe(2)
  })

  it('ends a trial of more threads between two ops, when one was late', () => {
    const { watch, clock, late, step } = pool(2)
    for (let i = 0; i < 20; i++) step(idle)
    for (let i = 0; i < 30; i++) step(busy)
    expect(watch.stats().active).toBe(1)
    for (let i = 0; i < 200; i++) {
      watch.begin(1)
      watch.layer()
      clock.now += 20
      watch.layer()
      if (watch.stats().active === 2) break
      watch.mark()
    }
    expect(watch.stats().active).toBe(2)
    watch.between()
    expect(watch.stats().active).toBe(2)
    late(15)
    watch.between()
    expect(watch.stats().active).toBe(2)
    late(15)
    watch.between()
    expect(watch.stats().active).toBe(1)
  })

  it('says that others are busy where pieces were done again, though nobody waited', () => {
    const { watch, step, again } = pool(2)
    for (let i = 0; i < 50; i++) step(idle)
    expect(watch.stats().othersBusy).toBe(false)
    for (let i = 0; i < 50; i++) {
      step(threads => {
        again(1)
        return idle(threads)
      })
    }
    expect(watch.stats()).toMatchObject({ active: 2, othersBusy: true })
  })

  it('tries one thread no more often where pieces are done again', () => {
    const onOneThread = (rows: number, pieces: number) => {
      const { watch, step, again } = pool(2)
      for (let i = 0; i < 200; i++) {
        again(pieces)
        step(idle, true, rows)
      }
      return watch.stats().msByActive[0]!
    }
    for (const rows of [1, 64]) expect(onOneThread(rows, 4)).toBe(onOneThread(rows, 0))
  })

  it('misses a worker that was wanted and does not come, when the limit is over, and not before', () => {
    const { step } = pool(2, { adapts: false })
    for (let i = 0; i < 10; i++) expect(step(10)).toBe(true)
    let silent = 0
    while (step(100, false)) silent += 100
    expect(silent).toBeGreaterThanOrEqual(1000)
    expect(silent).toBeLessThan(1400)
  })

  it('does not hold the sleep of a device against a worker', () => {
    const { clock, step } = pool(2, { adapts: false })
    step(10)
    step(10, false)
    step(10, false)
    clock.now += 3_600_000
    expect(step(10)).toBe(true)
    expect(step(10)).toBe(true)
  })
})

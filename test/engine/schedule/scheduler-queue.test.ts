// Who waits, in which order, and what they are told: priorities, positions, estimates, time limits. The
// clock is the test's: a step takes 10 ms on it, nothing else takes time.
import { describe, expect, it } from 'vitest'
import { orderOf } from '../../../src/engine/schedule/queue.ts'
import type { GenerateOptions } from '../../../src/types/index.ts'
import { type Run, run, start, tokens } from '../driver.ts'

const STEP_MS = 10

function timed(options: Parameters<typeof start>[1]) {
  const clock = { now: 0 }
  const tick = () => {
    clock.now += STEP_MS
  }
  return { ...start({ onStep: tick }, options, { now: () => clock.now }), clock }
}

/** Names in the order in which the requests end. */
function finishing(runs: Record<string, Run>): Promise<string[]> {
  const order: string[] = []
  return Promise.all(
    Object.entries(runs).map(([name, r]) => r.ended.then(() => order.push(name))),
  ).then(() => order)
}

describe('64 requests at once', () => {
  it('with a queue of 16 are served, refused and timed out exactly', async () => {
    const { engine, network } = timed({ maxSequences: 4, queueLimit: 16, queueTimeoutMs: 135 })
    const runs = Array.from({ length: 64 }, (_, i) => run(engine, [i], { maxTokens: 5 }))
    const ended = await Promise.all(runs.map(r => r.ended))

    // 4 start, 16 wait, 44 find the queue full.
    expect(ended.slice(20).map(r => r.error?.code)).toEqual(new Array(44).fill('QUEUE_FULL'))
    expect(ended[20]!.error!.detail).toEqual({
      waiting: 16,
      limit: 16,
      position: 17,
      estimatedWaitMs: null,
    })
    // A prompt is read in each step, so seats free up one after another; whoever has not started after
    // 135 ms is sent away at the first step after that, on the clock, not one earlier.
    const served = ended.filter(r => r.result !== undefined)
    const late = ended.filter(r => r.error?.code === 'QUEUE_TIMEOUT')
    expect(served.length + late.length).toBe(20)
    expect(late.length).toBeGreaterThan(0)
    for (const r of served) expect(r.result!.queueMs).toBeLessThan(135)
    for (const r of late) expect(r.error!.detail).toEqual({ waitedMs: 140 })
    // First come, first served: no one who waited longer was passed.
    expect(ended.slice(0, served.length).every(r => r.result !== undefined)).toBe(true)
    const starts = served.map(r => r.result!.queueMs)
    expect(starts).toEqual([...starts].sort((a, b) => a - b))
    expect(ended.every(r => r.ends === 1)).toBe(true)
    expect(engine.stats().queue).toEqual({
      waiting: 0,
      running: 0,
      served: served.length,
      refused: 44,
      timedOut: late.length,
      cancelled: 0,
      failed: 0,
    })
    expect(network.kv.usedBlocks).toBe(0)
  })

  it('share the steps evenly: live sequences never differ by more than their start', async () => {
    const { engine, network } = timed({ maxSequences: 4, queueLimit: 64 })
    const runs = Array.from({ length: 64 }, (_, i) => run(engine, [i], { maxTokens: 9 }))
    await Promise.all(runs.map(r => r.ended))
    // Once a sequence generates it has one row in each step until its end: no gaps.
    const stepsOf = new Map<number, number[]>()
    for (const [i, rows] of network.steps.entries()) {
      for (const { seq } of rows) stepsOf.set(seq, [...(stepsOf.get(seq) ?? []), i])
    }
    expect(stepsOf.size).toBe(64)
    for (const steps of stepsOf.values()) {
      expect(steps).toHaveLength(9)
      expect(steps[8]! - steps[0]!).toBe(8)
    }
  })
})

describe('priority', () => {
  it('starts the higher first, and equals in the order they came', async () => {
    const { engine } = timed({ maxSequences: 1 })
    const ask = (priority: number) => run(engine, [1], { maxTokens: 2, priority })
    const runs = { first: ask(0), low: ask(-1), a: ask(0), high: ask(5), b: ask(0), top: ask(10) }
    expect(await finishing(runs)).toEqual(['first', 'top', 'high', 'a', 'b', 'low'])
  })

  it('is worth a second of waiting a level, so that the lowest start in the end', async () => {
    expect(orderOf(0, -10)).toBeLessThan(orderOf(20_001, 10))
    expect(orderOf(0, -10)).toBeGreaterThan(orderOf(19_999, 10))
    const { engine, clock } = timed({ maxSequences: 1, queueTimeoutMs: 1e6 })
    const busy = run(engine, [1], { maxTokens: 400 })
    const low = run(engine, [2], { maxTokens: 1, priority: -2 })
    clock.now = 3001
    const later = run(engine, [3], { maxTokens: 1, priority: 1 })
    const urgent = run(engine, [4], { maxTokens: 1, priority: 2 })
    expect(await finishing({ busy, low, later, urgent })).toEqual([
      'busy',
      'urgent',
      'low',
      'later',
    ])
  })

  it('does not lift the limit of the queue', async () => {
    const { engine } = timed({ maxSequences: 1, queueLimit: 1 })
    const runs = [0, 0, 10].map(priority => run(engine, [1], { maxTokens: 2, priority }))
    const refused = await runs[2]!.ended
    expect(refused.error).toMatchObject({ code: 'QUEUE_FULL', detail: { position: 1, waiting: 1 } })
  })
})

describe('queue events', () => {
  it('tell position and wait as they change, and nothing to a request that starts at once', async () => {
    const { engine } = timed({ maxSequences: 1 })
    const options: GenerateOptions = { maxTokens: 10 }
    const runs = [1, 2, 3].map(first => run(engine, [first], options))
    await Promise.all(runs.map(r => r.ended))
    expect(runs[0]!.queue).toEqual([])
    expect(runs[1]!.queue).toEqual([{ position: 1, waiting: 1, estimatedWaitMs: null }])
    expect(runs[2]!.queue).toEqual([
      { position: 2, waiting: 2, estimatedWaitMs: null },
      { position: 1, waiting: 1, estimatedWaitMs: 100 }, // the first one took ten steps
    ])
  })

  it('tell those who are passed by a higher priority', async () => {
    const { engine } = timed({ maxSequences: 1 })
    const busy = run(engine, [1], { maxTokens: 3 })
    const passed = run(engine, [2], { maxTokens: 1 })
    const urgent = run(engine, [3], { maxTokens: 1, priority: 3 })
    await Promise.all([busy, passed, urgent].map(r => r.ended))
    expect(urgent.queue.map(e => e.position)).toEqual([1])
    expect(passed.queue.map(e => e.position)).toEqual([1, 2, 1])
  })
})

describe('time limits', () => {
  it('of 0 start at once or not at all', async () => {
    const { engine } = timed({ maxSequences: 1 })
    const runs = [1, 2].map(first => run(engine, [first], { maxTokens: 2, queueTimeoutMs: 0 }))
    await Promise.all(runs.map(r => r.ended))
    expect(runs.map(r => r.error?.code ?? r.result!.queueMs)).toEqual([0, 'QUEUE_TIMEOUT'])
  })

  it('end at the first step on or after them, before anyone starts late', async () => {
    const { engine } = timed({ maxSequences: 1 })
    const busy = run(engine, tokens(3), { maxTokens: 5 })
    // The seat is free after five steps: 50 ms.
    const limits = [49, 50, 51].map((queueTimeoutMs, i) =>
      run(engine, [i], { maxTokens: 1, queueTimeoutMs }),
    )
    await Promise.all([busy, ...limits].map(r => r.ended))
    expect(limits.map(r => r.error?.code ?? r.result!.queueMs)).toEqual([
      'QUEUE_TIMEOUT',
      'QUEUE_TIMEOUT',
      50,
    ])
  })
})

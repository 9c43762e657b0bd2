// What `make soak` says of a run: drift beside an engine that rests, memory after the warm-up, books, bits, and how
// sure a run without a failure makes one.
import { describe, expect, test } from 'vitest'
import {
  availabilityOf,
  driftOf,
  memoryOf,
  notMet,
  type Pairs,
  type SoakRun,
} from '../../e2e/soak/judge.ts'
import { noTally, sumOf } from '../../e2e/soak/traffic.ts'

const pairs = (soaked: number, rested: number, noise: readonly number[] = [0, 0, 0]): Pairs => ({
  soaked: noise.map(n => soaked + n),
  rested: noise.map(() => rested),
})

function run(facts: Partial<SoakRun> = {}): SoakRun {
  const samples = [1, 2, 3, 4, 5, 6, 7, 8].map(n => ({
    tokens: 50 * n,
    seconds: n,
    tokensPerSecond: 50,
    rssMb: n === 1 ? 100 : 300,
    kvBlocksCached: 0,
    engineBytes: 7,
  }))
  const path = { backend: 'wasm', variant: 'relaxed', threads: 2 }
  const head = { date: '2026-11-28', machine: 'M', command: 'make soak', seed: 1 }
  return {
    ...{ name: 'embedded', model: 'm.gguf', ...path, ...head, tokens: 400, seconds: 7200 },
    ...{ parts: 1, failures: [], requests: { ...noTally(), asked: 1000 }, wrong: [] },
    ...{ logits: ['ab', 'ab'], samples },
    drift: { tokens: 390, start: pairs(10, 10), end: pairs(10, 10) },
    ...facts,
  }
}

describe('drift', () => {
  test('is what changed beside the engine that rests, whatever both share', () => {
    // The machine became half as fast, and the engines differed by a tenth from the first.
    const { change, soaked } = driftOf({ start: pairs(110, 100), end: pairs(55, 50) })
    expect(change).toBeCloseTo(0, 10)
    expect(soaked).toEqual([110, 55])
    expect(driftOf({ start: pairs(100, 100), end: pairs(97, 100) }).change).toBeCloseTo(-0.03, 10)
  })

  test('has a range that holds it and grows with the noise', () => {
    const noise = [-8, -5, -3, -1, 0, 2, 3, 4, 6]
    const { change, range } = driftOf({ start: pairs(100, 100, noise), end: pairs(98, 100, noise) })
    expect(change).toBeCloseTo(-0.02, 10)
    expect(range[0]).toBeLessThan(change)
    expect(range[1]).toBeGreaterThan(change)
    expect(range[1] - range[0]).toBeGreaterThan(0.02)
  })
})

describe('the verdict', () => {
  test('is empty for a run without fault, though it warmed up', () => {
    expect(notMet(run())).toEqual([])
    expect(memoryOf(run())).toEqual({ mb: [300, 300], growth: 0 })
  })

  test.each<[string, Partial<SoakRun>, string]>([
    ['drift', { drift: { tokens: 1, start: pairs(100, 100), end: pairs(97.9, 100) } }, 'drift -2'],
    ['no pairs', { drift: null }, 'no drift was measured'],
    ['other bits', { logits: ['ab', 'ac'] }, 'the logits of the fixed prompt changed'],
    ['no bits', { logits: [] }, 'the logits of the fixed prompt changed'],
    ['a wrong answer', { wrong: ['json: failed'] }, 'wrong: json: failed'],
    [
      'a death',
      { failures: [{ tokens: 9, secondsDown: 3, message: 'the browser ended' }] },
      'failed at 9: the browser ended',
    ],
    [
      'growth',
      { samples: run().samples.map((s, i) => ({ ...s, rssMb: 300 + 5 * i })) },
      'memory grew',
    ],
    [
      'a larger engine',
      { samples: run().samples.map((s, i) => ({ ...s, engineBytes: i })) },
      'the engine grew',
    ],
  ])('names %s', (_, facts, words) => {
    expect(notMet(run(facts)).join()).toContain(words)
  })

  test('of two hours without a failure are 40 minutes between failures, and no more', () => {
    const { requests, time, hoursBetweenFailures } = availabilityOf(run())
    expect([requests, time]).toEqual([1, 1])
    expect(hoursBetweenFailures).toBeCloseTo(2 / 3, 2)
    const failures = [{ tokens: 9, secondsDown: 7.2, message: 'x' }]
    const failed = availabilityOf(run({ failures, wrong: ['a'] }))
    expect(failed.time).toBeCloseTo(0.999, 4)
    expect(failed.hoursBetweenFailures).toBeCloseTo(2, 10)
    expect(failed.requests).toBe(0.999)
  })
})

test('books of two pieces add up, kind by kind', () => {
  const a = { ...noTally(), asked: 2, served: 2, tokens: 5, kinds: { 'chat served': 2 } }
  const b = { ...noTally(), asked: 1, failed: 1, kinds: { 'chat failed': 1 }, wrong: ['x'] }
  expect(sumOf(a, b)).toEqual({
    ...{ ...noTally(), asked: 3, served: 2, failed: 1, tokens: 5 },
    ...{ kinds: { 'chat served': 2, 'chat failed': 1 }, wrong: ['x'] },
  })
})

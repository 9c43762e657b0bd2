// What `make soak` says of a run: drift beside an engine that rests, memory after the warm-up, books, bits, and how
// sure a run without a failure makes one. And that its traffic has all kinds of requests, within few tokens too.
import { describe, expect, test } from 'vitest'
import {
  availabilityOf,
  driftOf,
  memoryOf,
  notMet,
  type Pairs,
  type SoakRun,
} from '../../e2e/soak/judge.ts'
import { ALL_KINDS } from '../../e2e/soak/requests.ts'
import { longest } from '../../e2e/soak/run.ts'
import { noTally, runTraffic, sumOf } from '../../e2e/soak/traffic.ts'
import type { GenerateOptions, Ryzanstein } from '../../src/index.ts'

/** All of them, each once. */
const KINDS = Object.fromEntries(ALL_KINDS.map(({ name, ends }) => [`${name} ${ends[0]}`, 1]))

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
    ...{ parts: 1, failures: [], wrong: [] },
    requests: { ...noTally(), asked: 1000, kinds: KINDS },
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
    [
      'a drift of few of the tokens',
      { drift: { tokens: 150, start: pairs(10, 10), end: pairs(10, 10) } },
      'a drift over 150 tokens alone',
    ],
    [
      'kinds that never came',
      { requests: { ...noTally(), asked: 9, kinds: { 'short served': 9, 'json timedOut': 1 } } },
      'never asked: long, past the context, left',
    ],
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

test('a run that was cut keeps the drift of its longest part', () => {
  const drift = (tokens: number) => ({ tokens, start: pairs(10, 10), end: pairs(10, 10) })
  expect(longest(null, drift(100))).toEqual(drift(100))
  expect(longest(drift(900), drift(100))?.tokens).toBe(900)
  expect(longest(drift(100), drift(900))?.tokens).toBe(900)
})

describe('traffic', () => {
  /** Answers everything at once with as many tokens as it may. */
  function servant() {
    const asked: number[] = []
    const answer = (tokens: readonly number[], { maxTokens = 4 }: GenerateOptions) => {
      if (tokens.some(id => id >= 1000)) {
        throw Object.assign(new Error('no such token'), { code: 'BAD_OPTION' })
      }
      if (tokens.length >= 128) {
        throw Object.assign(new Error('no room'), { code: 'CONTEXT_FULL' })
      }
      asked.push(maxTokens)
      const call = { function: { name: 'paint', arguments: '{"colour":"red","whole":true}' } }
      const text = call.function.arguments
      const result = { text, toolCalls: [call], complete: true, finishReason: 'stop' }
      return {
        result: Promise.resolve(result),
        async *[Symbol.asyncIterator]() {
          for (let i = 0; i < maxTokens; i++) yield { tokens: [i] }
        },
      }
    }
    const engine = {
      model: { vocab: 1000 },
      generate: answer,
      chat: (_: unknown, options: GenerateOptions) => answer([], options),
      score: async () => ({ logprobs: new Float32Array(2) }),
      embed: async () => ({ embeddings: [new Float32Array(2)] }),
      saveSession: async (tokens: readonly number[]) => tokens.length,
      restoreSession: async (tokens: number) => ({ tokens: tokens - (tokens % 32) }),
    }
    return { engine: engine as unknown as Ryzanstein, asked }
  }
  const names = (kinds: Record<string, number>) =>
    new Set(Object.keys(kinds).map(key => key.slice(0, key.lastIndexOf(' '))))

  test('that is short has every kind within a few pieces, each in turn before one comes twice', async () => {
    const { engine, asked } = servant()
    const due = [...ALL_KINDS]
    const calm = { contextLength: 128, callers: 4, rich: true, length: 0.5, due }
    let all = noTally()
    for (let piece = 0; piece < 4 && due.length > 0; piece++) {
      all = sumOf(all, await runTraffic(engine, { ...calm, tokens: 100, seed: piece }))
    }
    expect(due).toEqual([])
    expect(names(all.kinds)).toEqual(new Set(ALL_KINDS.map(kind => kind.name)))
    expect(all.wrong).toEqual([])
    expect(Math.max(...asked.filter(n => n !== 200 && n !== 60))).toBeLessThanOrEqual(90)
  })
})

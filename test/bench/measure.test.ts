// What a cell's measurement does with an engine: a fake one, whose clock and tokens are known.
import type { EngineStats, GenerateResult, LoadOptions, TokenStream } from 'ryzanstein'
import { describe, expect, test } from 'vitest'
import { type Bench, busyShares, measureCell } from '../../demo/bench/measure.ts'
import { NOBODY } from '../../demo/bench/observer.ts'
import { planCells } from '../../demo/bench/plan.ts'
import { type Engine, randomPrompt } from '../../demo/bench/requests.ts'
import { DEFAULTS, type SweepKind } from '../../demo/bench/settings.ts'
import { RyzError } from '../../src/errors.ts'

interface Fake extends Bench {
  readonly opened: LoadOptions[]
  closed: number
  forgotten: number
}

/** @param token  gives the i-th token of an answer */
function fakeBench(token: (i: number) => number = i => i): Fake {
  let steps = 0
  const engine = {
    model: { vocab: 1000, name: 'fake' },
    generate(prompt: readonly number[], options: { maxTokens: number }): TokenStream {
      const tokens = Array.from({ length: options.maxTokens }, (_, i) => token(i))
      // A step of one token costs 3 ms of qkv.
      steps += options.maxTokens
      const result = { tokens, promptTokens: prompt.length, prefillMs: 20, queueMs: 0, ttftMs: 2 }
      return {
        result: Promise.resolve(result as GenerateResult),
        async *[Symbol.asyncIterator]() {
          for (const id of tokens) {
            await new Promise(done => setTimeout(done, 2))
            yield { text: '', tokens: [id] }
          }
        },
      } as unknown as TokenStream
    },
    async stats() {
      return {
        backend: 'wasm',
        variant: 'relaxed',
        threads: 2,
        kv: 'f16',
        model: { name: 'fake' },
        fallbacks: [],
        memory: { weights: 1e6, kv: 2e6, scratch: 3e6, total: 6e6 },
        ops: [
          { op: 'qkv', calls: 2 * steps, ms: 3 * steps },
          { op: 'logits', calls: steps, ms: steps },
        ],
      } as unknown as EngineStats
    },
    async close() {
      bench.closed++
    },
  }
  const bench: Fake = {
    opened: [],
    closed: 0,
    forgotten: 0,
    source: 'x',
    model: 'x.gguf',
    shape: 'tiny',
    observe: NOBODY,
    load: async (_source, options) => {
      bench.opened.push(options)
      return engine as unknown as Engine
    },
    readBandwidth: async threads => threads * 10,
    settle: async () => undefined,
    forget: async () => {
      bench.forgotten++
    },
  }
  return bench
}

async function measure(bench: Bench, sweep: SweepKind, value: string) {
  const settings = { ...DEFAULTS, sweep, values: [value], prompt: 10, generate: 6, repeat: 3 }
  return measureCell(bench, planCells(settings, 2)[0])
}

describe('measuring a cell', () => {
  test('gives medians with their spread, and says what really ran', async () => {
    const bench = fakeBench()
    const row = await measure(bench, 'threads', '1')
    expect(bench.opened[0]).toEqual({ threads: 1, contextLength: 16, maxSequences: 1 })
    expect(row).toMatchObject({ threads: 2, variant: 'relaxed', kv: 'f16', runs: 3, shape: 'tiny' })
    expect(row.prefill_tok_s).toBe(500)
    expect(row.decode_tok_s).toBeGreaterThan(50)
    expect(row.decode_tok_s).toBeLessThanOrEqual(510)
    expect(row.spread.decode_tok_s?.[0]).toBeLessThanOrEqual(row.decode_tok_s ?? 0)
    expect(row.memory_mb).toEqual({ weights: 1, kv: 2, scratch: 3, total: 6 })
    expect(row.output).toMatch(/^[0-9a-f]{8}$/)
    expect(row.error).toBeUndefined()
    expect(bench.closed).toBe(1)
  })

  test('refuses figures of runs whose tokens differ', async () => {
    let calls = 0
    const bench = fakeBench(() => calls++)
    const row = await measure(bench, 'threads', '1')
    expect(row.error?.code).toBe('OUTPUT_DIFFERS')
    expect(row.decode_tok_s).toBeNull()
    expect(bench.closed).toBe(1)
  })

  test('keeps the code of an engine that refuses, instead of figures', async () => {
    const bench = fakeBench()
    const load = () => Promise.reject(new RyzError('MEMORY_BUDGET', 'too large'))
    const row = await measure({ ...bench, load }, 'batch', '8')
    expect(row.error).toEqual({ code: 'MEMORY_BUDGET', message: 'too large' })
    expect(row.batch).toBe(8)
  })

  test('tells the time of an operation by token', async () => {
    const row = await measure(fakeBench(), 'breakdown', 'token')
    expect(row.ops_ms?.qkv).toBeCloseTo(3, 5)
    expect(row.ops_ms).toHaveProperty('other')
  })

  test('deletes what is stored before every cold load, and never before a warm one', async () => {
    const cold = fakeBench()
    const row = await measure(cold, 'load', 'cold')
    expect(cold.forgotten).toBe(3)
    expect(row.load_ms).toBeGreaterThanOrEqual(0)
    expect(row.runs).toBe(3)
    const warm = fakeBench()
    await measure(warm, 'load', 'warm')
    expect(warm.forgotten).toBe(0)
    expect(warm.opened).toHaveLength(4)
    expect(warm.closed).toBe(4)
  })

  test('reads memory without opening an engine', async () => {
    const bench = fakeBench()
    const row = await measure(bench, 'bandwidth', '2')
    expect(row).toMatchObject({ read_gb_s: 20, threads: 2, model: 'none', decode_tok_s: null })
    expect(bench.opened).toEqual([])
  })

  test('goes on for as many requests as a sustained run asks for', async () => {
    const row = await measure(fakeBench(), 'soak', '4')
    expect(row.segments).toHaveLength(4)
    expect(row.segments?.[0]).toMatchObject({ tokens: 6, memory_mb: 6 })
  })

  test('is cancelled by its signal', async () => {
    const stop = new AbortController()
    stop.abort()
    const bench = { ...fakeBench(), load: () => Promise.reject(new Error('aborted')) }
    await expect(measure({ ...bench, signal: stop.signal }, 'kv', 'f16')).rejects.toThrow('aborted')
  })
})

test('busy shares are those of each thread, those of new threads too', () => {
  const seen = (worker_cpu_s: Record<string, number>) => ({
    peak_rss_mb: 1,
    cpu_s: 1,
    worker_cpu_s,
  })
  expect(busyShares(seen({ 7: 1, 8: 2 }), seen({ 7: 2, 8: 3.5, 9: 0.2 }), 2)).toEqual([
    0.75, 0.5, 0.1,
  ])
})

test('random prompts are the same every time and other for other sequences', () => {
  expect(randomPrompt(0, 20, 1000)).toEqual(randomPrompt(0, 20, 1000))
  expect(randomPrompt(1, 20, 1000)).not.toEqual(randomPrompt(0, 20, 1000))
  expect(randomPrompt(3, 500, 64).every(id => id >= 16 && id < 61)).toBe(true)
})

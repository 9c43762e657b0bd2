// Numeric options of load() and of requests at their ends, alone and together, on a real model: each load and
// each request gives a right result or a RyzError, and what runs is within what was asked for.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Engine } from '../../../src/engine/engine.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import { RyzError } from '../../../src/errors.ts'
import type { GenerateOptions, GenerateResult, LoadOptions } from '../../../src/types/index.ts'
import { referenceFactory } from '../../support/open.ts'

const bytes = readFileSync(new URL('../../golden/data/b158-k192.gguf', import.meta.url))
const file = new File([bytes], 'b158-k192.gguf')

async function open(options: LoadOptions): Promise<Engine> {
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const parts = await openEngineParts(file, options, hooks, [referenceFactory])
  return new Engine(parts, options)
}

function generate(engine: Engine, tokens: number[], options: GenerateOptions) {
  return new Promise<GenerateResult>((done, error) => {
    engine.generate({ kind: 'tokens', tokens }, options, { token: () => {}, done, error })
  })
}

const thrown = (caught: unknown): string => {
  if (caught instanceof RyzError) return caught.code
  throw caught
}
const x = <T>(...values: T[]) => fc.constantFrom(...values)

describe('numeric options at their ends', () => {
  it('of load(), alone and together', async () => {
    const options = fc.record<LoadOptions>(
      {
        contextLength: x(1, 2, 31, 32, 33, 2 ** 20),
        maxSequences: x(1, 8, 9, 256),
        memoryBudget: x(1, 160e6, 175e6, 500e6, 2 ** 40),
        queueLimit: x(0, 2 ** 20),
        queueTimeoutMs: x(0, 5e-324, 2 ** 31, Number.POSITIVE_INFINITY),
        prefillPiece: x(1, 512),
        threads: x(1, 64),
        kv: x('f32', 'f16', 'int8', 'int4'),
      },
      { requiredKeys: [] },
    )
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(options, async given => {
        let engine: Engine
        try {
          engine = await open(given)
        } catch (caught) {
          seen.add(`load ${thrown(caught)}`)
          return
        }
        const { contextLength, maxSequences, memory } = engine.stats()
        expect(contextLength).toBeLessThanOrEqual(given.contextLength ?? 2 ** 20)
        expect(maxSequences).toBeLessThanOrEqual(given.maxSequences ?? 4)
        expect(maxSequences).toBeGreaterThan(0)
        expect(memory.total).toBeLessThan(given.memoryBudget ?? 500e6)
        try {
          const { tokens, finishReason } = await generate(engine, [1, 2], {
            maxTokens: 40,
            temperature: 0,
            ignoreEos: true,
          })
          expect(tokens.length).toBe(Math.min(40, contextLength - 2))
          seen.add(finishReason)
        } catch (caught) {
          seen.add(thrown(caught))
          expect(contextLength).toBeLessThanOrEqual(2)
        }
        await engine.close()
      }),
      { numRuns: 40, seed: 5 },
    )
    expect(seen).toContain('length')
    expect(seen).toContain('context')
    expect(seen).toContain('CONTEXT_FULL')
    expect(seen).toContain('load MEMORY_BUDGET')
  })

  it('of requests, alone and together, many at once', async () => {
    const engine = await open({ contextLength: 96, maxSequences: 3, queueLimit: 4 })
    const options = fc.record<GenerateOptions>(
      {
        maxTokens: x(1, 2, 90, 2 ** 53 - 1),
        keep: x(0, -0, 1, 48, 2 ** 53 - 1),
        overflow: x('stop', 'slide'),
        priority: x(-10, -0, 0, 10),
        queueTimeoutMs: x(0, -0, 5e-324, 1e6, Number.POSITIVE_INFINITY),
        logprobs: x(0, 20),
        temperature: x(0, 5e-324, 1, Number.MAX_VALUE),
        topP: x(0, 1),
        minP: x(0, 1),
        penaltyWindow: x(0, 2 ** 20),
        repetitionPenalty: x(5e-324, 1000),
        frequencyPenalty: x(-1000, 1000),
        seed: x(-0, 2 ** 32 - 1),
      },
      { requiredKeys: ['maxTokens'] },
    )
    const endless = (o: GenerateOptions) => o.overflow === 'slide' && o.maxTokens! > 1000
    await fc.assert(
      fc.asyncProperty(fc.array(options, { minLength: 1, maxLength: 10 }), async all => {
        const ended = all
          .filter(o => !endless(o))
          .map(o =>
            generate(engine, [1, 2, 3], { ignoreEos: true, ...o }).then(r => ({ o, r }), thrown),
          )
        for (const one of await Promise.all(ended)) {
          if (typeof one === 'string') {
            expect(one).toMatch(/^QUEUE_(FULL|TIMEOUT)$/)
            continue
          }
          const { o, r } = one
          const room = o.overflow === 'slide' ? Number.POSITIVE_INFINITY : 93
          expect(r.tokens.length).toBe(Math.min(o.maxTokens!, room))
          expect(Object.is(r.seed, -0)).toBe(false)
        }
        const { queue, memory } = engine.stats()
        expect(queue).toMatchObject({ running: 0, waiting: 0, failed: 0 })
        expect(memory.kvBlocksUsed).toBe(0)
      }),
      { numRuns: 8, seed: 7 },
    )
    await engine.close()
  })

  it('a time limit of 0 starts at once or not at all, Infinity waits as long as it takes', async () => {
    const engine = await open({ contextLength: 96, maxSequences: 1 })
    const long = { maxTokens: 60, ignoreEos: true }
    const ends = await Promise.all([
      generate(engine, [1], { ...long, queueTimeoutMs: 0 }).then(r => r.finishReason, thrown),
      generate(engine, [1], { ...long, queueTimeoutMs: 0 }).then(r => r.finishReason, thrown),
      generate(engine, [1], { ...long, queueTimeoutMs: Number.POSITIVE_INFINITY }).then(
        r => r.finishReason,
        thrown,
      ),
    ])
    expect(ends).toEqual(['length', 'QUEUE_TIMEOUT', 'length'])
    await engine.close()
  })
})

// Steps with numbers that are not finite: repaired by the scalar kernels, then the reference, with the
// bits that a healthy engine gives; what nothing repairs ends its own request only.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Backend } from '../../../src/backend/backend.ts'
import type { BackendFactory, Guards } from '../../../src/backend/factory.ts'
import { allFinite } from '../../../src/backend/finite.ts'
import { Engine } from '../../../src/engine/engine.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import type { RyzError } from '../../../src/errors.ts'
import type { GenerateResult, KvType, LoadOptions } from '../../../src/types/index.ts'
import { EMBEDDED, fileOf, referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'
import { broken, poke } from './broken.ts'

const GOLDEN = ' there lived a king who had three sons. One day the king said to his wife, "'
const GREEDY = { temperature: 0, maxTokens: 24 }
const GUARDS: Guards = { reference: referenceFactory, scalar: wasmFactory('scalar', 1) }

const engines: Engine[] = []
const warn = vi.spyOn(console, 'warn')
beforeEach(() => warn.mockReset().mockImplementation(() => undefined))
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close()
})

async function open(
  factory: BackendFactory,
  guards: Guards = GUARDS,
  options: LoadOptions = {},
): Promise<Engine> {
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const load = { maxSequences: 2, contextLength: 160, ...options }
  const source = fileOf(EMBEDDED)
  const parts = await openEngineParts(source, load, hooks, [factory], undefined, guards)
  const engine = new Engine(parts, load)
  engines.push(engine)
  return engine
}

function text(engine: Engine, prompt = 'Once upon a time', options = {}): Promise<GenerateResult> {
  return new Promise((resolve, reject) => {
    engine.generate(
      { kind: 'text', text: prompt },
      { ...GREEDY, ...options },
      {
        token: () => undefined,
        done: resolve,
        error: reject,
      },
    )
  })
}

/** Switched on after the load, so that self-test and warm-up pass. */
interface Switch {
  on: boolean
  calls: number
}

/** An op that spoils its results with `value` while the switch is on, from its `skip`-th call on. */
function spoiled(
  factory: BackendFactory,
  op: 'norm' | 'linear' | 'attend' | 'gate' | 'embed' | 'add',
  fault: Switch,
  { value = Number.NaN, skip = 0, times = Number.POSITIVE_INFINITY } = {},
): BackendFactory {
  return broken(factory, real => {
    const run = Reflect.get(real, op) as (
      out: Parameters<Backend['writer']>[0],
      ...rest: unknown[]
    ) => void
    const wrapped = (...args: Parameters<typeof run>) => {
      run.apply(real, args)
      if (!fault.on) return
      const call = fault.calls++
      if (call >= skip && call < skip + times) poke(real, args[0], value)
    }
    return { [op]: wrapped } as Partial<Backend>
  })
}

describe('allFinite', () => {
  it('sees a NaN or an infinity in any place, and only between the bounds', () => {
    const values = Float32Array.from({ length: 23 }, (_, i) => (i % 2 ? -1e38 : 3e38))
    expect(allFinite(values, 0, 23)).toBe(true)
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (let i = 0; i < 23; i++) {
        const spoiledRow = values.slice()
        spoiledRow[i] = bad
        expect(allFinite(spoiledRow, 0, 23)).toBe(false)
        expect(allFinite(spoiledRow, 0, i)).toBe(true)
        expect(allFinite(spoiledRow, i + 1, 23)).toBe(true)
      }
    }
  })
})

describe('a step that is not finite', () => {
  it('is nothing that a healthy engine has', async () => {
    const engine = await open(wasmFactory('relaxed', 2))
    expect((await text(engine)).text).toContain(GOLDEN)
    expect(engine.stats().faults).toEqual({
      recomputed: 0,
      ended: 0,
      events: [],
      restarts: [],
    })
    expect(warn).not.toHaveBeenCalled()
  })

  it.each([
    ['embed', Number.NaN],
    ['norm', Number.POSITIVE_INFINITY],
    ['linear', Number.NaN],
    ['attend', Number.NEGATIVE_INFINITY],
    ['gate', Number.NaN],
    ['add', Number.POSITIVE_INFINITY],
  ] as const)(
    'after %s gave %s is repaired by the scalar kernels, text unchanged',
    async (op, value) => {
      const fault = { on: false, calls: 0 }
      const engine = await open(spoiled(wasmFactory('simd128', 1), op, fault, { value }))
      fault.on = true
      const result = await text(engine)
      expect(fault.calls).toBeGreaterThan(20)
      expect(result.text).toContain(GOLDEN)
      // The prompt's step and one for each token but the last.
      expect(engine.stats().faults).toEqual({
        recomputed: 24,
        ended: 0,
        events: [{ op: 'a step', by: 'scalar', count: 24 }],
        restarts: [],
      })
      expect(warn.mock.calls).toEqual([
        [
          'ryzanstein: a step gave a number that is not finite; it was computed again by the scalar kernels',
        ],
      ])
    },
  )

  it.each<[KvType, LoadOptions]>([
    ['int8', { kv: 'int8' }],
    ['int4', { kv: 'int4' }],
    ['f32', { kv: 'f32', strict: true }],
    ['f16', { kv: 'f16', activations: 'float' }],
  ])('is repaired with %s KV, over several KV blocks and pieces', async (_, options) => {
    const prompt = 'Once upon a time there lived a king who had three sons. '.repeat(5)
    const healthy = await open(wasmFactory('simd128', 1), GUARDS, options)
    const want = await text(healthy, prompt)
    expect(want.promptTokens).toBeGreaterThan(64)
    const fault = { on: false, calls: 0 }
    // Every 7th call: pieces without logits are hit as well.
    const factory = broken(wasmFactory('simd128', 1), real => ({
      attend: (out, ...rest) => {
        real.attend(out, ...rest)
        if (fault.on && ++fault.calls % 7 === 0) poke(real, out, Number.NaN)
      },
    }))
    const engine = await open(factory, GUARDS, options)
    fault.on = true
    expect((await text(engine, prompt)).tokens).toEqual(want.tokens)
    expect(engine.stats().faults.recomputed).toBeGreaterThan(10)
    expect(engine.stats().faults.ended).toBe(0)
  })

  it('in a prompt piece without logits is found before it reaches the cache of later tokens', async () => {
    const prompt = 'Once upon a time there lived a king who had three sons. '.repeat(5)
    const want = await text(await open(wasmFactory('simd128', 1)), prompt)
    const fault = { on: false, calls: 0 }
    const once = spoiled(wasmFactory('simd128', 1), 'attend', fault, { times: 1 })
    const engine = await open(once)
    fault.on = true
    expect((await text(engine, prompt)).tokens).toEqual(want.tokens)
    expect(engine.stats().faults).toMatchObject({ recomputed: 1, ended: 0 })
  })

  it('goes to the reference when the scalar kernels fail too, and the op is named', async () => {
    const fault = { on: false, calls: 0 }
    const worse = { on: true, calls: 0 }
    const guards = { ...GUARDS, scalar: spoiled(GUARDS.scalar!, 'norm', worse) }
    const engine = await open(spoiled(wasmFactory('simd128', 1), 'gate', fault), guards)
    fault.on = true
    expect((await text(engine, undefined, { maxTokens: 2 })).text).toBe(' there lived')
    const { faults } = engine.stats()
    expect(faults).toMatchObject({ recomputed: 2, ended: 0 })
    expect(faults.events.length).toBeGreaterThan(0)
    for (const { op, by } of faults.events) {
      expect(op).toMatch(/^norm \(.+\)$/)
      expect(by).toBe('reference')
    }
  })

  it('goes to the reference when the scalar kernels cannot start', async () => {
    const fault = { on: false, calls: 0 }
    const scalar = { ...GUARDS.scalar!, create: () => Promise.reject(new Error('no such file')) }
    const engine = await open(spoiled(wasmFactory('relaxed', 1), 'gate', fault), {
      ...GUARDS,
      scalar,
    })
    fault.on = true
    expect((await text(engine, undefined, { maxTokens: 2 })).text).toBe(' there lived')
    expect(engine.stats().faults.events.every(e => e.by === 'reference')).toBe(true)
  })

  it('that nothing can repair ends its request with BAD_WEIGHTS, and others go on', async () => {
    const fault = { on: false, calls: 0 }
    // A damaged row of the table: token 2496, ' upon', is NaN in every backend.
    const bad = (factory: BackendFactory) =>
      broken(factory, real => ({
        embed: (out, table, ids, count) => {
          real.embed(out, table, ids, count)
          const at = ids.subarray(0, count).indexOf(2496)
          const nan = new Uint8Array(Float32Array.of(Number.NaN).buffer)
          if (fault.on && at >= 0) real.writer(out).write(4 * at * table.cols, nan)
        },
        read: async (slot, first, count) => {
          // A copy: what read() gives may be the memory itself.
          const values = (await real.read(slot, first, count)).slice()
          // The repairers read the damaged row from memory.
          if (fault.on && /table|embd|token/.test(slot.label) && count > 0) values.fill(Number.NaN)
          return values
        },
      }))
    const engine = await open(bad(wasmFactory('simd128', 1)))
    fault.on = true
    const [failed, served] = await Promise.allSettled([
      text(engine),
      text(engine, 'The fox', { maxTokens: 30 }),
    ])
    expect(failed).toMatchObject({ status: 'rejected', reason: { code: 'BAD_WEIGHTS' } })
    const { message } = (failed as PromiseRejectedResult).reason as RyzError
    expect(message).toMatch(/^embed gives numbers that are not finite in every kernel/)
    expect(served).toMatchObject({ status: 'fulfilled', value: { tokens: { length: 30 } } })
    const stats = engine.stats()
    expect(stats.faults).toMatchObject({ ended: 1 })
    expect(stats.faults.events).toContainEqual({ op: 'embed', by: 'none', count: 1 })
    expect(stats.queue).toMatchObject({ served: 1, failed: 1, running: 0 })
    expect(stats.memory.kvBlocksUsed).toBe(0)
  })

  it('in a batch costs the other requests nothing but time', async () => {
    const prompts = ['Once upon a time', 'The fox']
    const healthy = await open(wasmFactory('simd128', 1))
    const want = await Promise.all(prompts.map(p => text(healthy, p)))
    const fault = { on: false, calls: 0 }
    // Sparse faults, so that some hit a step of both and some a step of one.
    const factory = broken(wasmFactory('simd128', 1), real => ({
      gate: (out, ...rest) => {
        real.gate(out, ...rest)
        if (fault.on && ++fault.calls % 23 === 0) poke(real, out, Number.NaN)
      },
    }))
    const engine = await open(factory)
    fault.on = true
    const got = await Promise.all(prompts.map(p => text(engine, p)))
    expect(got.map(r => r.tokens)).toEqual(want.map(r => r.tokens))
    const { faults } = engine.stats()
    expect(faults.ended).toBe(0)
    expect(faults.events.map(e => e.by)).toContain('alone')
  })

  it('at load is a refusal: BAD_WEIGHTS before any request', async () => {
    const reference = broken(referenceFactory, real => ({
      // Not in the self-test, whose rows are odd: the model's own width.
      norm: (out, x, gain, eps, count, n) => {
        real.norm(out, x, gain, eps, count, n)
        if (n % 64 === 0) poke(real, out, Number.NaN)
      },
    }))
    await expect(open(reference, { reference })).rejects.toMatchObject({ code: 'BAD_WEIGHTS' })
  })

  it('lets the event loop run meanwhile, so that the heartbeat hears the engine', async () => {
    const fault = { on: false, calls: 0 }
    // A repair of 24 norms, 5 ms each.
    const reference = broken(referenceFactory, real => ({
      norm: (...given) => {
        for (const until = performance.now() + 5; performance.now() < until; );
        real.norm(...given)
      },
    }))
    const guards = { reference }
    const engine = await open(spoiled(wasmFactory('simd128', 1), 'gate', fault), guards)
    fault.on = true
    let ticks = 0
    const timer = setInterval(() => ticks++, 2)
    const began = performance.now()
    // One step: the engine's own turns between steps must not be what is seen.
    await text(engine, 'Once upon a time there lived', { maxTokens: 1 })
    const took = performance.now() - began
    clearInterval(timer)
    expect(engine.stats().faults.recomputed).toBe(1)
    expect(took).toBeGreaterThan(100)
    expect(ticks).toBeGreaterThanOrEqual(2)
  })
})

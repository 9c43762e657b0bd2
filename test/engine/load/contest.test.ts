// backend: 'auto': when a GPU is asked for, who wins, what is remembered, and that the loser's memory is given back
// before the winner's is taken. GPUs here are kernels that call themselves one, speeds are given.
import { describe, expect, it } from 'vitest'
import {
  type BackendFactory,
  EXACT,
  kernelPath,
  REFERENCE_PATH,
} from '../../../src/backend/factory.ts'
import type { Remembered } from '../../../src/cache/remembered.ts'
import type { Arrange } from '../../../src/engine/load/arrange.ts'
import { decide, withContest } from '../../../src/engine/load/contest.ts'
import { measureSpeed } from '../../../src/engine/load/measure-speed.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import type { ModelWork } from '../../../src/engine/load/plan.ts'
import type { BackendChoice, ExpectedSpeed } from '../../../src/types/index.ts'
import { EMBEDDED, fileOf } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'
import { FakeNetwork } from '../fakes.ts'

const WORK: ModelWork = {
  cols: 1536,
  ternaryBytes: 170e6,
  ternaryWeights: 680e6,
  floatBytes: 0,
  headBytes: 49e6,
  headLayout: 'i8',
  layers: 24,
  attendMacs: 2 * 24 * 1536,
  key: 'large',
}
const CPU: ExpectedSpeed = { decodeTokensPerSecond: 20, prefillTokensPerSecond: 100 }
const FAST: ExpectedSpeed = { decodeTokensPerSecond: 60, prefillTokensPerSecond: 900 }
const SLOW: ExpectedSpeed = { decodeTokensPerSecond: 2, prefillTokensPerSecond: 30 }

function memory(): Remembered & { notes: Map<string, unknown> } {
  const notes = new Map<string, unknown>()
  return {
    notes,
    get: async key => structuredClone(notes.get(key)),
    set: async (key, value) => void notes.set(key, structuredClone(value)),
  }
}

function gpu(given: Partial<BackendFactory> = {}) {
  let asked = 0
  const factory: BackendFactory = {
    path: { backend: 'webgpu', adapter: '' },
    traits: EXACT,
    scratchBytes: () => 0,
    create: () => Promise.reject(new Error('not here')),
    whyNot: async () => void asked++,
    identity: async () => 'acme|f16|1|2',
    ...given,
  }
  return { factory, asked: () => asked }
}

const kernels: BackendFactory = {
  path: kernelPath('relaxed', 4),
  traits: EXACT,
  scratchBytes: () => 0,
  create: () => Promise.reject(new Error('not here')),
}
const calibrated: Arrange = async factories => ({
  factories,
  calibration: { source: 'measured', ms: 1, rates: [], expected: CPU },
})

const setUp = (
  factory: BackendFactory,
  notes: Remembered = memory(),
  machine = 'browser 1',
  arrange = calibrated,
) => withContest(arrange, { gpu: async () => factory, remembered: notes, machine })

describe('a GPU', () => {
  it('stands in front where a token costs enough, and is not asked for elsewhere', async () => {
    const one = gpu()
    const arranged = await setUp(one.factory)([kernels], WORK)
    expect(arranged.factories).toEqual([one.factory, kernels])
    expect(one.asked()).toBe(1)
    const small = { ...WORK, ternaryBytes: 2e6, headBytes: 1e6 }
    const few = await setUp(one.factory)([kernels], small)
    expect(few.factories).toEqual([kernels])
    expect(few.choice).toMatchObject({ backend: 'wasm', source: 'skipped' })
    expect(few.choice!.reason).toContain('3.0 MB')
    const unknown: Arrange = async factories => ({ factories })
    const blind = await setUp(one.factory, memory(), 'b', unknown)([kernels], WORK)
    expect(blind.choice!.reason).toContain('not known')
    expect(one.asked()).toBe(1)
  })

  it('that is not here, or computes on the CPU, is told with its reason', async () => {
    const why = 'the only adapter (swiftshader) computes on the CPU'
    const { choice, factories, contest } = await setUp(gpu({ whyNot: async () => why }).factory)(
      [kernels],
      WORK,
    )
    expect(choice).toEqual({ backend: 'wasm', source: 'skipped', reason: why })
    expect(factories).toEqual([kernels])
    expect(contest).toBeUndefined()
  })

  it('wins by a tenth of the time of a token read and one written', () => {
    expect(decide(FAST, CPU).backend).toBe('webgpu')
    expect(decide(SLOW, CPU).backend).toBe('wasm')
    expect(decide(CPU, CPU).backend).toBe('wasm')
    // Slower at writing, yet faster at both together.
    const mixed = { decodeTokensPerSecond: 18, prefillTokensPerSecond: 5000 }
    expect(decide(mixed, { ...CPU, prefillTokensPerSecond: 40 }).backend).toBe('webgpu')
    expect(decide(FAST, CPU).reason).toBe(
      'the GPU reached 60.0 tokens a second written and 900 read, the CPU is expected to reach 20.0 tokens a second written and 100 read',
    )
  })

  it('that lost is remembered, for this browser, adapter and model', async () => {
    const notes = memory()
    const first = await setUp(gpu().factory, notes)([kernels], WORK)
    expect(await first.contest!(SLOW)).toMatchObject({ backend: 'wasm', source: 'measured' })
    const second = await setUp(gpu().factory, notes)([kernels], WORK)
    expect(second.contest).toBeUndefined()
    expect(second.choice).toMatchObject({ backend: 'wasm', source: 'remembered', gpu: SLOW })
    for (const other of [
      setUp(gpu().factory, notes, 'browser 2')([kernels], WORK),
      setUp(gpu({ identity: async () => 'acme|f16|1|4' }).factory, notes)([kernels], WORK),
      setUp(gpu({ identity: async () => 'acme||1|2' }).factory, notes)([kernels], WORK),
      setUp(gpu().factory, notes)([kernels], { ...WORK, key: 'other' }),
    ]) {
      expect((await other).contest).toBeDefined()
    }
    // One that won is measured, and proven, in each load.
    await first.contest!(FAST)
    expect((await setUp(gpu().factory, notes)([kernels], WORK)).contest).toBeDefined()
  })
})

describe('a load with a contest', () => {
  const real = wasmFactory('simd128', 1)

  async function load(choice: BackendChoice) {
    const open = new Set<string>()
    const most = { together: 0 }
    const tracked = (factory: BackendFactory, name: string): BackendFactory => ({
      ...factory,
      async create(...given) {
        const backend = await factory.create(...given)
        open.add(name)
        most.together = Math.max(most.together, open.size)
        const close = backend.close.bind(backend)
        backend.close = () => {
          open.delete(name)
          close()
        }
        return backend
      },
    })
    const asGpu = { ...real, path: { backend: 'webgpu', adapter: 'of a test' } as const }
    const seen: ExpectedSpeed[] = []
    const arrange: Arrange = async () => ({
      factories: [
        tracked(
          {
            ...asGpu,
            create: async (...given) => {
              const backend = await real.create(...given)
              Object.defineProperty(backend, 'path', { value: asGpu.path })
              return backend
            },
          },
          'gpu',
        ),
        tracked(real, 'cpu'),
      ],
      contest: async speed => {
        seen.push(speed)
        return choice
      },
    })
    const hooks = { progress: () => undefined, signal: new AbortController().signal }
    const parts = await openEngineParts(
      fileOf(EMBEDDED),
      { contextLength: 128 },
      hooks,
      [],
      arrange,
    )
    parts.close()
    return { parts, seen, together: most.together }
  }

  it('keeps the GPU that won', async () => {
    const choice = decide(FAST, CPU)
    const { parts, seen } = await load(choice)
    expect(parts.path.backend).toBe('webgpu')
    expect(parts.choice).toEqual(choice)
    expect(parts.fallbacks).toEqual([])
    expect(seen[0]!.decodeTokensPerSecond).toBeGreaterThan(0)
    expect(seen[0]!.prefillTokensPerSecond).toBeGreaterThan(0)
  })

  it('pours the CPU where that won, when the GPU has given its memory back', async () => {
    const choice = decide(SLOW, CPU)
    const { parts, together } = await load(choice)
    expect(parts.path).toEqual(kernelPath('simd128', 1))
    expect(parts.choice).toEqual(choice)
    expect(parts.fallbacks[0]).toMatchObject({ from: 'WebGPU on of a test', reason: choice.reason })
    expect(together).toBe(1)
  })
})

describe('the speed of a loaded network', () => {
  it('is that of steps behind the first, which records; a slow one is measured in few', async () => {
    for (const [stepMs, steps] of [
      [2, 1 + 1 + 8 + 2],
      [400, 1 + 1 + 1],
    ] as const) {
      let now = 0
      const network = new FakeNetwork({
        onStep: () => {
          now += stepMs
        },
      })
      const speed = await measureSpeed(network, () => now)
      expect(speed.decodeTokensPerSecond).toBeCloseTo(1000 / stepMs)
      expect(speed.prefillTokensPerSecond).toBeCloseTo((32 * 1000) / stepMs)
      expect(network.steps).toHaveLength(steps)
      expect(network.kv.usedBlocks).toBe(0)
    }
  })
})

it('the reference is no kernel that the GPU is compared with', async () => {
  const only = { ...kernels, path: REFERENCE_PATH }
  const none: Arrange = async factories => ({
    factories,
    calibration: {
      source: 'skipped',
      reason: 'no WebAssembly kernels can run here',
      ms: 0,
      rates: [],
    },
  })
  const { choice } = await setUp(gpu().factory, memory(), 'b', none)([only], WORK)
  expect(choice!.reason).toContain('no WebAssembly kernels can run here')
})

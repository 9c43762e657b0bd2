// backend: 'auto': when a GPU is asked for, who wins, what is remembered, and that the loser's memory is given back
// before the winner's is taken. GPUs here are kernels that call themselves one, speeds are given.
import { describe, expect, it } from 'vitest'
import { type BackendFactory, EXACT, kernelPath } from '../../../src/backend/factory.ts'
import type { Remembered } from '../../../src/cache/remembered.ts'
import type { Arrange } from '../../../src/engine/load/arrange.ts'
import { decide, withContest } from '../../../src/engine/load/contest.ts'
import { measureSpeed } from '../../../src/engine/load/measure-speed.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import { PageView } from '../../../src/engine/load/page-view.ts'
import type { ModelWork } from '../../../src/engine/load/plan.ts'
import type { BackendChoice, ExpectedSpeed, LoadOptions } from '../../../src/types/index.ts'
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

const NO_ROOM = 'both copies need 700 MB of a memory budget of 500 MB'
const choose = (gpu: ExpectedSpeed, cpu: ExpectedSpeed, noRoom?: string) =>
  decide({ gpu, cpu, measured: true, noRoom })

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
    expect(one.asked()).toBe(1)
    const unknown: Arrange = async factories => ({ factories })
    const blind = await setUp(one.factory, memory(), 'b', unknown)([kernels], WORK)
    expect(blind.contest!.cpu).toBeUndefined()
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
    expect(choose(FAST, CPU).backend).toBe('webgpu')
    expect(choose(SLOW, CPU).backend).toBe('wasm')
    expect(choose(CPU, CPU).backend).toBe('wasm')
    // Slower at writing, yet faster at both together; where there is no room for both.
    const cpu = { ...CPU, prefillTokensPerSecond: 40 }
    const mixed = { decodeTokensPerSecond: 19, prefillTokensPerSecond: 5000 }
    expect(choose(mixed, cpu, NO_ROOM).backend).toBe('webgpu')
    expect(choose(FAST, CPU).reason).toBe(
      'the GPU reached 60.0 tokens a second written and 900 read, the CPU reached 20.0 tokens a second written and 100 read',
    )
    const expected = decide({ gpu: FAST, cpu: CPU, measured: false, noRoom: undefined })
    expect(expected).toMatchObject({ cpuSource: 'expected' })
    expect(expected.reason).toContain('is expected to reach')
  })

  it('reads and the CPU writes, where that is a tenth faster than either alone', () => {
    const reader = { decodeTokensPerSecond: 10, prefillTokensPerSecond: 900 }
    expect(choose(reader, CPU).backend).toBe('hybrid')
    expect(choose({ ...reader, prefillTokensPerSecond: 110 }, CPU).backend).toBe('wasm')
    expect(choose({ ...reader, decodeTokensPerSecond: 19.9 }, CPU).backend).toBe('webgpu')
    const refused = choose(reader, CPU, NO_ROOM)
    expect(refused.backend).toBe('wasm')
    expect(refused.reason).toContain(`would be faster, but ${NO_ROOM}`)
    expect(choose(FAST, CPU, NO_ROOM).reason).not.toContain('would be faster')
  })

  it('is not taken where the speed of the CPU is not known', () => {
    const told = decide({ gpu: FAST, cpu: undefined, measured: false, noRoom: NO_ROOM })
    expect(told).toMatchObject({ backend: 'wasm', source: 'skipped' })
    expect(told.reason).toContain(NO_ROOM)
  })

  it('that lost is remembered, for this browser, adapter and model', async () => {
    const notes = memory()
    const first = await setUp(gpu().factory, notes)([kernels], WORK)
    await first.contest!.keep(choose(SLOW, CPU))
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
    // One that won is measured, and proven, in each load; what the CPU reached then counts.
    const reached = { decodeTokensPerSecond: 21, prefillTokensPerSecond: 101 }
    await first.contest!.keep(choose(FAST, reached))
    const { contest } = await setUp(gpu().factory, notes)([kernels], WORK)
    expect(contest!.cpu).toEqual({ speed: reached, measured: true })
    expect(contest!.before).toMatchObject({ backend: 'webgpu', gpu: FAST })
  })

  it('whose race was not decided is not remembered as the loser', async () => {
    const notes = memory()
    const { contest } = await setUp(gpu().factory, notes)([kernels], WORK)
    expect(contest!.cpu).toEqual({ speed: CPU, measured: false })
    await contest!.keep(decide({ gpu: FAST, cpu: undefined, measured: false, noRoom: NO_ROOM }))
    expect(notes.notes.size).toBe(0)
  })
})

describe('a load with a contest', () => {
  const real = wasmFactory('simd128', 1)

  async function load(
    gpu: ExpectedSpeed,
    cpu: ExpectedSpeed,
    options: LoadOptions = {},
    hides?: PageView,
  ) {
    const open = new Set<string>()
    const most = { together: 0, opened: 0 }
    const tracked = (factory: BackendFactory, name: string): BackendFactory => ({
      ...factory,
      async create(...given) {
        const backend = await factory.create(...given)
        open.add(name)
        most.opened++
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
    const kept: BackendChoice[] = []
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
      contest: {
        cpu: { speed: CPU, measured: false },
        measure: async (network, side) => {
          // It is loaded, and computes.
          const { decodeTokensPerSecond } = await measureSpeed(network)
          expect(decodeTokensPerSecond).toBeGreaterThan(0)
          hides?.set(side === 'webgpu')
          return side === 'webgpu' ? gpu : cpu
        },
        decide,
        keep: async choice => void kept.push(choice),
        ...(hides && { watch: hides.watch }),
      },
    })
    const hooks = { progress: () => undefined, signal: new AbortController().signal }
    const parts = await openEngineParts(
      fileOf(EMBEDDED),
      { contextLength: 128, ...options },
      hooks,
      [],
      arrange,
    )
    const running = [...open]
    parts.close()
    expect(open.size).toBe(0)
    expect(kept).toEqual(hides ? [] : [parts.choice])
    return { parts, running, ...most }
  }

  it('keeps the GPU that won', async () => {
    const { parts, running } = await load(FAST, CPU)
    expect(parts.path.backend).toBe('webgpu')
    expect(parts.choice).toEqual(choose(FAST, CPU))
    expect(parts.fallbacks).toEqual([])
    expect(running).toEqual(['gpu'])
  })

  it('keeps the CPU that won, both measured on the loaded model', async () => {
    const { parts, running } = await load(SLOW, CPU)
    expect(parts.path).toEqual(kernelPath('simd128', 1))
    const choice = choose(SLOW, CPU)
    expect(parts.choice).toEqual(choice)
    expect(parts.fallbacks[0]).toMatchObject({ from: 'WebGPU on of a test', reason: choice.reason })
    expect(running).toEqual(['cpu'])
  })

  it('whose page is hidden meanwhile is decided, and not remembered', async () => {
    const { parts, running } = await load(SLOW, CPU, {}, new PageView())
    expect(running).toEqual(['cpu'])
    expect(parts.choice).toMatchObject({ backend: 'wasm', source: 'measured' })
    expect(parts.choice!.reason).toContain('the page was hidden meanwhile')
  })

  it('keeps both where that is faster', async () => {
    const reader = { decodeTokensPerSecond: 10, prefillTokensPerSecond: 900 }
    const { parts, running } = await load(reader, CPU)
    expect(parts.choice!.backend).toBe('hybrid')
    expect(parts.path).toEqual({ ...kernelPath('simd128', 1), prompts: 'of a test' })
    expect(parts.fallbacks).toEqual([])
    expect(running.sort()).toEqual(['cpu', 'gpu'])
  })

  it('never holds both without room: the CPU is poured when the GPU has given its memory back', async () => {
    const reader = { decodeTokensPerSecond: 10, prefillTokensPerSecond: 900 }
    for (const gpu of [SLOW, reader]) {
      const { parts, together } = await load(gpu, CPU, { memoryBudget: 215e6 })
      expect(parts.path).toEqual(kernelPath('simd128', 1))
      expect(parts.choice).toMatchObject({ backend: 'wasm', cpuSource: 'expected' })
      expect(together).toBe(1)
      if (gpu === reader) expect(parts.choice!.reason).toContain('of a memory budget of 215 MB')
    }
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

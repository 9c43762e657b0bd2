// A GPU that is looked at again while nothing runs: one that begins to differ is refused by name, and the answer goes on
// with the CPU; one that became slower than the CPU gives way to it. The GPU here is a path of kernels that calls itself
// one, and spoils its results from a moment on.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Engine } from '../../../src/engine/engine.ts'
import { GpuWatch, type Quiet } from '../../../src/engine/faults/gpu-watch.ts'
import { decide } from '../../../src/engine/load/contest.ts'
import type { OpenNetwork } from '../../../src/engine/load/open-network.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import { PageView } from '../../../src/engine/load/page-view.ts'
import { Idle } from '../../../src/engine/schedule/idle.ts'
import { type ErrorCode, RyzError } from '../../../src/errors.ts'
import type { BackendChoice, ExpectedSpeed } from '../../../src/types/index.ts'
import { EMBEDDED, fileOf, referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'
import { mortal } from './mortal.ts'

const CPU = wasmFactory('simd128', 1)
const hooks = { progress: () => {}, signal: new AbortController().signal }
const guards = { reference: referenceFactory }
const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close()
})

async function openEngine(
  idleMs: number,
  speeds?: (side: 'webgpu' | 'wasm') => ExpectedSpeed,
  view = new PageView(),
) {
  const gpu = mortal()
  const kept: BackendChoice[] = []
  const contest = speeds && {
    measure: async (_: unknown, side: 'webgpu' | 'wasm') => speeds(side),
    decide,
    keep: async (choice: BackendChoice) => void kept.push(choice),
    watch: view.watch,
  }
  const parts = await openEngineParts(
    fileOf(EMBEDDED),
    { contextLength: 256 },
    hooks,
    [],
    async () => ({ factories: [gpu.factory, CPU], ...(contest && { contest }) }),
    guards,
  )
  const engine = new Engine(parts, {}, { idleMs })
  open.push(engine)
  return { engine, gpu, parts, kept }
}

function generate(engine: Engine, maxTokens: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const options = { temperature: 0, maxTokens, ignoreEos: true }
    engine.generate({ kind: 'text', text: 'Once upon a time' }, options, {
      token: () => undefined,
      done: result => resolve(result.tokens),
      error: reject,
    })
  })
}

const RIGHT_TOKENS = 30
const waitFor = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 20 })

describe('a GPU that is looked at again', () => {
  it('stays while it is right, and answers are not disturbed', async () => {
    const { engine, parts, gpu } = await openEngine(20)
    const before = gpu.count('linear')
    const first = await generate(engine, RIGHT_TOKENS)
    await waitFor(() => expect(parts.watch!.proofs).toBeGreaterThan(1))
    expect(gpu.count('linear')).toBeGreaterThan(before)
    expect(await generate(engine, RIGHT_TOKENS)).toEqual(first)
    expect(engine.stats()).toMatchObject({ backend: 'webgpu', fallbacks: [] })
  })

  it('is refused by name when its ops begin to differ, and the text is the CPU’s', async () => {
    const { engine, gpu } = await openEngine(300)
    const want = await generate(engine, RIGHT_TOKENS)
    gpu.spoil(values => {
      if (values.length < 3000) values[values.length - 1]! += 100
    })
    await waitFor(() => expect(engine.stats().backend).toBe('wasm'))
    const [fallback] = engine.stats().fallbacks
    expect(fallback).toMatchObject({ from: 'WebGPU on of a test', to: 'simd128 with 1 thread' })
    expect(fallback!.reason).toMatch(
      /^the GPU began to differ: .* gives .* as value \d+, and .* is right$/,
    )
    expect(await generate(engine, RIGHT_TOKENS)).toEqual(want)
  })

  it('is refused when its weights do, though every op is right', async () => {
    const { engine, gpu, parts } = await openEngine(50)
    const { vocab } = parts.network.config
    gpu.spoil(values => {
      if (values.length !== vocab) return
      for (let i = 0; i < vocab; i += 2) values[i] = values[i]! + 1
    })
    await waitFor(() => expect(engine.stats().backend).toBe('wasm'))
    expect(engine.stats().fallbacks[0]!.reason).toContain('the logits of one token moved by')
  })

  it('in the middle of an answer: it waits, or the answer goes on with the CPU', async () => {
    const { engine, gpu } = await openEngine(1)
    const want = await generate(engine, 60)
    let spoiled = false
    const answer = generate(engine, 60)
    gpu.spoil(values => {
      spoiled = true
      // Probes are small; logits are left alone, so that the text of before is right.
      if (values.length < 400) values[0]! += 100
    })
    expect(await answer).toEqual(want)
    expect(spoiled).toBe(true)
    await waitFor(() => expect(engine.stats().backend).toBe('wasm'))
    expect(engine.stats().queue).toMatchObject({ served: 2, failed: 0 })
  })
})

describe('a look', () => {
  const quiet = (more: Partial<Quiet> = {}): Quiet => ({
    stopped: () => false,
    between: async work => {
      await work()
      return true
    },
    written: () => ({ tokens: 0, ms: 0 }),
    ...more,
  })

  it('ends between two ops when a request comes, and gives its memory back', async () => {
    const { gpu, parts, engine } = await openEngine(1e6)
    let [asked, reads] = [0, 0]
    gpu.spoil(() => void reads++)
    const made = gpu.closed.length
    // Asked once before the first op.
    await parts.watch!.look(quiet({ stopped: () => ++asked > 3 }))
    expect(reads).toBe(3)
    expect(gpu.closed).toHaveLength(made + 1)
    expect(parts.watch!.proofs).toBe(0)
    expect(engine.stats()).toMatchObject({ backend: 'webgpu', fallbacks: [] })
  })

  it('delays no request: what is computed after it came is the request’s', async () => {
    const { engine, gpu, parts } = await openEngine(100)
    const want = await generate(engine, 6)
    const { vocab } = parts.network.config
    const reads: ('logits' | 'a probe')[] = []
    gpu.spoil(async values => {
      reads.push(values.length === vocab ? 'logits' : 'a probe')
      await new Promise(resolve => setTimeout(resolve, 1))
    })
    await waitFor(() => expect(reads.length).toBeGreaterThan(4))
    const before = reads.length
    expect(reads).not.toContain('logits')
    const made = gpu.closed.length
    expect(await generate(engine, 6)).toEqual(want)
    // One that was under way, at most.
    expect(reads.slice(before).filter(read => read === 'a probe').length).toBeLessThan(2)
    expect(gpu.closed).toHaveLength(made + 1)
    expect(parts.watch!.proofs).toBe(0)
  })

  it('takes no token’s place where a step runs, and does not count as one then', async () => {
    const { parts } = await openEngine(1e6)
    await parts.watch!.look(quiet({ between: async () => false }))
    expect(parts.watch!.proofs).toBe(0)
    await parts.watch!.look(quiet())
    expect(parts.watch!.proofs).toBe(1)
  })

  it('that fails says so of the device; memory that is short says nothing', async () => {
    const failing = (code: ErrorCode) => async () => {
      throw new RyzError(code, 'the GPU left a step out')
    }
    for (const [code, times] of [
      ['DEVICE_LOST', 1],
      ['GPU_OOM', 0],
    ] as const) {
      const condemn = vi.fn()
      const open = { proven: { sample: failing(code), condemn } } as unknown as OpenNetwork
      await new GpuWatch(() => open, undefined, undefined).look(quiet())
      expect(condemn).toHaveBeenCalledTimes(times)
    }
  })
})

describe('a GPU that writes slower than the CPU would', () => {
  const CPUS: ExpectedSpeed = { decodeTokensPerSecond: 1e6, prefillTokensPerSecond: 100 }
  const fast: ExpectedSpeed = { decodeTokensPerSecond: 2e6, prefillTokensPerSecond: 900 }
  const slow: ExpectedSpeed = { decodeTokensPerSecond: 10, prefillTokensPerSecond: 90 }

  it('is measured again, and stays where it is faster', async () => {
    const { engine } = await openEngine(20, side => (side === 'wasm' ? CPUS : fast))
    expect(engine.stats().choice!.backend).toBe('webgpu')
    await generate(engine, 40)
    await waitFor(() => expect(engine.stats().choice!.reason).toContain('measured again'))
    expect(engine.stats().backend).toBe('webgpu')
  })

  it('is measured later where there was no time', async () => {
    const { parts, engine } = await openEngine(1e6, side => (side === 'wasm' ? CPUS : fast))
    let looks = 0
    // The logits of one token, then the speed; in the first look something comes in between.
    const look: Quiet = {
      stopped: () => false,
      between: async work => {
        if (++looks === 2) return false
        await work()
        return true
      },
      written: () => ({ tokens: 40, ms: 20 }),
    }
    await parts.watch!.look(look)
    expect(engine.stats().choice!.reason).not.toContain('measured again')
    await parts.watch!.look(look)
    expect(engine.stats().choice!.reason).toContain(
      'it wrote 2000.0 tokens a second and was measured',
    )
  })

  it('gives way to the CPU where it is not, by name; the next load measures again', async () => {
    let now = fast
    // It reads as fast as the GPU, so that writing decides.
    const cpu = { ...CPUS, prefillTokensPerSecond: 800 }
    const { engine, kept } = await openEngine(20, side => (side === 'wasm' ? cpu : now))
    now = slow
    const want = await generate(engine, 40)
    await waitFor(() => expect(engine.stats().backend).toBe('wasm'))
    const { choice, fallbacks } = engine.stats()
    expect(choice).toMatchObject({ backend: 'wasm', gpu: { prefillTokensPerSecond: 900 } })
    expect(choice!.gpu!.decodeTokensPerSecond).toBeLessThan(CPUS.decodeTokensPerSecond)
    expect(fallbacks[0]!.reason).toMatch(/^the GPU became slow: it wrote /)
    expect(kept.map(({ backend }) => backend)).toEqual(['webgpu'])
    expect(await generate(engine, 40)).toEqual(want)
  })

  it('stays where the CPU alone would be slower, though both would be faster', async () => {
    // It reads so fast that its answers hardly matter.
    const both = { decodeTokensPerSecond: 500, prefillTokensPerSecond: 1e5 }
    const cpu = { decodeTokensPerSecond: 1000, prefillTokensPerSecond: 10 }
    let now: ExpectedSpeed = { ...both, decodeTokensPerSecond: 2000 }
    const { parts, engine } = await openEngine(1e6, side => (side === 'wasm' ? cpu : now))
    now = both
    await parts.watch!.look({
      stopped: () => false,
      between: async work => {
        await work()
        return true
      },
      written: () => ({ tokens: 40, ms: 80 }),
    })
    expect(engine.stats()).toMatchObject({ backend: 'webgpu', choice: { backend: 'webgpu' } })
    expect(engine.stats().choice!.reason).toContain(
      'would be faster, but both are opened by a load',
    )
  })

  it('is not judged by what it wrote while its page was hidden, only by what comes later', async () => {
    const view = new PageView()
    const gpuNow = { ...fast }
    const { parts, engine } = await openEngine(1e6, side => (side === 'wasm' ? CPUS : gpuNow), view)
    let tokens = 0
    const look = () =>
      parts.watch!.look({
        stopped: () => false,
        between: async work => {
          await work()
          return true
        },
        written: () => ({ tokens, ms: tokens / 2 }),
      })
    const judged = () => engine.stats().choice!.reason.includes('measured again')
    // Hidden and shown again between two looks: slow, and nobody's fault.
    tokens += 40
    view.set(true)
    view.set(false)
    await look()
    expect(judged()).toBe(false)
    // Hidden all the time.
    view.set(true)
    tokens += 40
    await look()
    tokens += 40
    await look()
    expect(judged()).toBe(false)
    // In sight again, but not all the time since the look before.
    view.set(false)
    tokens += 40
    await look()
    expect(judged()).toBe(false)
    tokens += 40
    await look()
    expect(judged()).toBe(true)
  })

  it('is not measured again for a few tokens, nor where it keeps its pace', async () => {
    const { engine, parts } = await openEngine(20, side =>
      side === 'wasm' ? { ...CPUS, decodeTokensPerSecond: 1e-3 } : fast,
    )
    await generate(engine, 40)
    await waitFor(() => expect(parts.watch!.proofs).toBeGreaterThan(1))
    expect(engine.stats().choice!.reason).not.toContain('measured again')
  })
})

describe('idle', () => {
  afterEach(() => void vi.useRealTimers())

  it('comes in pauses that double, and begins anew after work', async () => {
    vi.useFakeTimers()
    let [busy, done] = [false, 0]
    const at: number[] = []
    const began = Date.now()
    const idle = new Idle({
      busy: () => busy,
      done: () => done,
      work: async () => void at.push(Date.now() - began),
      firstMs: 10,
    })
    await vi.advanceTimersByTimeAsync(75)
    expect(at).toEqual([10, 30, 70])
    busy = true
    await vi.advanceTimersByTimeAsync(85)
    expect(at).toHaveLength(3)
    done++
    busy = false
    await vi.advanceTimersByTimeAsync(35)
    expect(at.length).toBeGreaterThan(4)
    idle.close()
    const count = at.length
    await vi.advanceTimersByTimeAsync(1000)
    expect(at).toHaveLength(count)
  })
})

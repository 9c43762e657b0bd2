// A real device that is destroyed at any point of an engine's life, on SwiftShader in Node: the text is what the
// kernels give from there on. faults/revive.test.ts has the many cases, with a fake.
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { BackendFactory } from '../../src/backend/factory.ts'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import { Engine } from '../../src/engine/engine.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { Input } from '../../src/options/input.ts'
import type { LoadOptions } from '../../src/types/index.ts'
import { CASES, caseFiles } from '../golden/load.ts'
import { changeOf, LOSSES, PROMPTS, STREAMS, TOKENS } from '../support/losses.ts'
import { EMBEDDED, fileOf } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'
import { adapterHere, nodeGpu, observed } from '../support/webgpu.ts'
import { writeLosses } from '../support/write-losses.ts'

const adapter = await adapterHere()
const CASE = CASES.find(c => c.name === 'b158-x86')!
const CPU = wasmFactory('simd128', 1)

const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close()
})

async function openEngine(
  factories: readonly BackendFactory[],
  progress: (phase: string) => void = () => undefined,
  source: Blob = caseFiles(CASE)[0]!,
  options: LoadOptions = { contextLength: 64, maxSequences: 2 },
  ahead?: number,
): Promise<Engine> {
  const hooks = {
    progress: ({ phase }: { phase: string }) => progress(phase),
    signal: new AbortController().signal,
  }
  const parts = await openEngineParts(source, options, hooks, factories)
  const engine = new Engine(parts, options, { ...(ahead !== undefined && { ahead }) })
  open.push(engine)
  return engine
}

function tokensOf(
  engine: Engine,
  maxTokens: number,
  onToken: (count: number) => void = () => undefined,
  text = 'a b c d',
): Promise<number[]> {
  let count = 0
  return new Promise((resolve, reject) => {
    const options = { maxTokens, temperature: 0, ignoreEos: true }
    engine.generate({ kind: 'text', text }, options, {
      token: chunk => {
        count += chunk.tokens.length
        onToken(count)
      },
      done: result => resolve(result.tokens),
      error: reject,
    })
  })
}

describe.skipIf(adapter === undefined)(`a device on ${adapter ?? 'no adapter'} destroyed`, () => {
  it('while its weights are poured', async () => {
    // Nothing has run by then: Dawn's null backend loses devices as others do, and compiles in no time.
    const { gpu, devices } = observed(nodeGpu('backend=null'))
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    const engine = await openEngine([factory, CPU], phase => {
      if (phase === 'weights') for (const device of devices.splice(0)) device.destroy()
    })
    const stats = engine.stats()
    expect(stats.backend).toBe('wasm')
    expect(stats.fallbacks[0]).toMatchObject({ from: 'WebGPU', to: 'simd128 with 1 thread' })
    expect(stats.fallbacks[0]!.reason).toContain('destroyed')
    expect(await tokensOf(engine, 3)).toHaveLength(3)
  })

  it('while it decodes', async () => {
    const want = await tokensOf(await openEngine([CPU]), 12)
    const { gpu, devices } = observed(nodeGpu())
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    const engine = await openEngine([factory, CPU])
    expect(engine.stats().backend).toBe('webgpu')
    const got = await tokensOf(engine, 12, count => {
      if (count === 5) devices[0]!.destroy()
    })
    expect(got).toEqual(want)
    expect(engine.stats()).toMatchObject({ backend: 'wasm', queue: { served: 1, failed: 0 } })
  })

  // A loss for every 200 tokens; `make losses` takes ten, 2,000 tokens.
  it('while its shaders compile', async () => {
    const { gpu, devices } = observed(nodeGpu())
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    const engine = await openEngine([factory, CPU], phase => {
      if (phase === 'compile') for (const device of devices.splice(0)) device.destroy()
    })
    expect(devices).toEqual([])
    expect(engine.stats().backend).toBe('wasm')
    expect(engine.stats().fallbacks[0]!.reason).toContain('destroyed')
    expect(await tokensOf(engine, 3)).toEqual(await tokensOf(await openEngine([CPU]), 3))
  })

  it('while it reads a prompt, and with steps ahead of the one that is read', async () => {
    const options = { contextLength: 64, maxSequences: 2, prefillPiece: 4 }
    const cpu = await openEngine([CPU], undefined, undefined, options)
    const { gpu, devices } = observed(nodeGpu())
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    const lost = await openEngine([factory, CPU], undefined, undefined, options)
    const before = lost.stats().gpu!.submits
    const text = 'a b c d '.repeat(5)
    const reading = tokensOf(lost, 4, undefined, text)
    const untilHalf = setInterval(() => {
      // Its first pieces were sent, and no token has come.
      if ((lost.stats().gpu?.submits ?? before) < before + 2) return
      for (const device of devices.splice(0)) device.destroy()
    }, 0)
    expect(await reading).toEqual(await tokensOf(cpu, 4, undefined, text))
    clearInterval(untilHalf)
    expect(devices).toEqual([])
    expect(lost.stats()).toMatchObject({ backend: 'wasm', queue: { served: 1, failed: 0 } })

    const ahead = await openEngine([factory, CPU], undefined, undefined, options, 3)
    const got = await tokensOf(ahead, 12, count => {
      if (count === 5) for (const device of devices.splice(0)) device.destroy()
    })
    expect(got).toEqual(await tokensOf(cpu, 12))
    expect(ahead.stats()).toMatchObject({ backend: 'wasm', queue: { served: 1, failed: 0 } })
  }, 120_000)

  it('while nothing runs', async () => {
    const { gpu, devices } = observed(nodeGpu())
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    const engine = await openEngine([factory, CPU])
    const want = await tokensOf(engine, 4)
    devices[0]!.destroy()
    await vi.waitFor(() => expect(engine.stats().backend).toBe('wasm'), { timeout: 20_000 })
    expect(engine.stats().fallbacks[0]!.reason).toContain('destroyed')
    expect(await tokensOf(engine, 4)).toEqual(want)
  })

  it('again and again: nothing is lost, nothing comes twice', {
    timeout: 180_000 * LOSSES,
  }, async () => {
    const options = { contextLength: 128, maxSequences: STREAMS }
    const began = performance.now()
    const cpu = await openEngine([CPU], undefined, fileOf(EMBEDDED), options)
    const alone = (ids: readonly number[], count: number) =>
      stream(cpu, { kind: 'tokens', tokens: ids }, count).ended
    const found = { fromGpu: 0, fromCpu: 0, wrong: 0, failed: 0 }
    for (let loss = 0; loss < LOSSES; loss++) {
      const { gpu, devices } = observed(nodeGpu())
      const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
      const engine = await openEngine([factory, CPU], undefined, fileOf(EMBEDDED), options)
      expect(engine.stats().backend).toBe('webgpu')
      let total = 0
      let before: number[] | undefined
      const streams = PROMPTS.map(text =>
        stream(engine, { kind: 'text', text }, TOKENS, () => {
          if (++total < (STREAMS * TOKENS) / 2 + loss || before) return
          before = streams.map(({ streamed }) => streamed.length)
          devices[0]!.destroy()
        }),
      )
      const ended = await Promise.all(streams.map(({ ended }) => ended))
      for (const [i, tokens] of ended.entries()) {
        const prompt = await cpu.tokenize(PROMPTS[i]!, { bos: true })
        const { streamed } = streams[i]!
        const at = await changeOf({ prompt, streamed, tokens, before: before![i]! }, alone)
        found.fromGpu += at ?? 0
        found.fromCpu += tokens.length - (at ?? 0)
        if (at === undefined) found.wrong++
      }
      const { backend, queue } = engine.stats()
      expect([backend, queue.served, queue.failed]).toEqual(['wasm', STREAMS, 0])
      await engine.close()
    }
    const seconds = (performance.now() - began) / 1000
    const counts = { losses: LOSSES, tokens: LOSSES * STREAMS * TOKENS }
    writeLosses({ kind: 'destroy', ...counts, requests: LOSSES * STREAMS, ...found, seconds })
    expect(found.wrong).toBe(0)
    expect(found.fromGpu).toBeGreaterThan(0)
    expect(found.fromGpu + found.fromCpu).toBe(LOSSES * STREAMS * TOKENS)
  })
})

/** A greedy request: what has come so far, and all of it in the end. */
function stream(
  engine: Engine,
  input: Input,
  maxTokens: number,
  onToken: () => void = () => undefined,
): { streamed: number[]; ended: Promise<number[]> } {
  const streamed: number[] = []
  const ended = new Promise<number[]>((resolve, reject) => {
    const options = { maxTokens, temperature: 0, ignoreEos: true }
    engine.generate(input, options, {
      token: chunk => {
        streamed.push(...chunk.tokens)
        for (const _ of chunk.tokens) onToken()
      },
      done: result => resolve(result.tokens),
      error: reject,
    })
  })
  return { streamed, ended }
}

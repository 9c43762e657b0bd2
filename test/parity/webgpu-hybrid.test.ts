// A hybrid with shaders (SwiftShader in Node) that read prompts and kernels that write answers, through the whole load
// sequence: the figures are given, the choice, the hand-over and the text are real. faults/hybrid.test.ts has the many
// cases, bit for bit, with a fake GPU.
import { afterEach, describe, expect, it } from 'vitest'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import { Engine } from '../../src/engine/engine.ts'
import { decide } from '../../src/engine/load/contest.ts'
import type { EngineParts } from '../../src/engine/load/engine-parts.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { LoadOptions } from '../../src/types/index.ts'
import { CASES, caseFiles, loadGolden, loadRyzTales, maxDifference, nrmse } from '../golden/load.ts'
import { EMBEDDED, fileOf } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'
import { adapterHere, nodeGpu } from '../support/webgpu.ts'

const adapter = await adapterHere()
const CPU = wasmFactory('simd128', 1)
const SMALL = CASES.find(c => c.name === 'b158-x86')!
const READER = { decodeTokensPerSecond: 10, prefillTokensPerSecond: 900 }
const WRITER = { decodeTokensPerSecond: 20, prefillTokensPerSecond: 100 }

describe.skipIf(adapter === undefined)(`a hybrid on ${adapter ?? 'no adapter'}`, () => {
  const factory = webGpuFactory(() => nodeGpu(), { allowSoftwareAdapter: true })
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  async function openHybrid(model: File, options: LoadOptions): Promise<EngineParts> {
    const hooks = { progress: () => undefined, signal: new AbortController().signal }
    const parts = await openEngineParts(model, options, hooks, [], async () => ({
      factories: [factory, CPU],
      contest: {
        measure: async (_, side) => (side === 'webgpu' ? READER : WRITER),
        decide,
        keep: async () => undefined,
      },
    }))
    closing.push(() => parts.close())
    expect(parts.fallbacks).toEqual([])
    expect(parts.choice).toMatchObject({ backend: 'hybrid', gpu: READER, cpu: WRITER })
    return parts
  }

  it('gives the golden logits, of prompts and of what follows them', async () => {
    const golden = loadGolden(SMALL)
    const options = { ...SMALL.options, strict: true, contextLength: 128 } as const
    const { network } = await openHybrid(caseFiles(SMALL)[0]!, options)
    for (const { ids, logits } of golden.probes) {
      const { vocab } = logits
      // A part is read, the rest goes on with it.
      const got = new Float32Array(ids.length * vocab)
      const seq = network.kv.open()
      const read = Math.ceil(ids.length / 2)
      for (let first = 0; first < ids.length; first += first === 0 ? read : 1) {
        const tokens = ids.slice(first, first === 0 ? read : first + 1)
        expect(network.kv.reserve(seq, tokens.length)).toBe(true)
        const rows = tokens.map(token => ({
          seq,
          token,
          wants: 'logits' as const,
          answers: first > 0,
        }))
        got.set((await network.forward(rows)).logits, first * vocab)
      }
      network.kv.close(seq)
      expect(maxDifference(got, logits.data)).toBeLessThan(2e-3)
      expect(nrmse(got, logits.data)).toBeLessThan(0.03)
    }
  }, 180_000)

  it('writes the golden text, the prompt handed over once', async () => {
    const golden = loadRyzTales()
    const parts = await openHybrid(fileOf(EMBEDDED), { contextLength: 128 })
    const engine = new Engine(parts)
    closing.push(() => engine.close())
    const { ids, greedy, gaps } = golden.prompts[0]!
    // As far as the golden's own choice was clear.
    const clear = gaps.findIndex(gap => gap < golden.greedyMargin)
    const tokens = greedy.slice(0, clear < 0 ? 24 : Math.min(clear, 24))
    expect(tokens.length).toBeGreaterThan(2)
    const got = await new Promise<number[]>((resolve, reject) => {
      const options = { temperature: 0, maxTokens: tokens.length, ignoreEos: true, noBos: true }
      engine.generate({ kind: 'tokens', tokens: ids }, options, {
        token: () => undefined,
        done: result => resolve(result.tokens),
        error: reject,
      })
    })
    expect(got).toEqual(tokens)
    const { hybrid, gpu, backend, variant } = engine.stats()
    expect({ backend, variant }).toEqual({ backend: 'wasm', variant: 'simd128' })
    expect(hybrid!.toCpu.blocks).toBe(Math.ceil(ids.length / 32))
    expect(hybrid!.toGpu.blocks).toBe(0)
    expect(gpu).toMatchObject({ software: true })
    expect(gpu!.drawing).toBeUndefined()
  }, 180_000)
})

// What a model takes of a GPU, buffer by buffer, beside what was planned for it: the plan is never less, whatever requests
// ask for. A small model on SwiftShader in Node, and sizes of large ones on Dawn's null backend, which runs nothing.
import { afterEach, describe, expect, it } from 'vitest'
import { openGpu } from '../../src/backend/webgpu/device.ts'
import { createWebGpuBackend, scratchBytes } from '../../src/backend/webgpu/webgpu-backend.ts'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import { Engine } from '../../src/engine/engine.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { GenerateOptions } from '../../src/types/index.ts'
import { CASES, caseFiles } from '../golden/load.ts'
import { referenceFactory } from '../support/open.ts'
import { adapterHere, held, nodeGpu } from '../support/webgpu.ts'

const adapter = await adapterHere()
const MODEL = caseFiles(CASES.find(c => c.name === 'b158-x86')!)[0]!
const MIB = 2 ** 20

function sumOf(bytes: ReadonlyMap<string, number>): number {
  return [...bytes.values()].reduce((sum, n) => sum + n, 0)
}

describe.skipIf(adapter === undefined)(`memory of ${adapter ?? 'no adapter'}`, () => {
  let open: Engine | undefined
  afterEach(() => open?.close())

  it('is what was planned, after prompts and answers, drawn and read', async () => {
    const { gpu, bytes } = held(nodeGpu())
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
    const options = { contextLength: 128, maxSequences: 2, prefillPiece: 64 }
    const hooks = { progress: () => undefined, signal: new AbortController().signal }
    const guards = { reference: referenceFactory }
    const parts = await openEngineParts(MODEL, options, hooks, [factory], undefined, guards)
    const engine = new Engine(parts, options)
    open = engine
    const tokens = Array.from({ length: 40 }, (_, i) => i + 4)
    const run = (more: GenerateOptions) =>
      new Promise((resolve, reject) => {
        const wish = { maxTokens: 3, ignoreEos: true, ...more }
        engine.generate({ kind: 'tokens', tokens }, wish, {
          token: () => undefined,
          done: resolve,
          error: reject,
        })
      })
    await Promise.all([run({ temperature: 0 }), run({ seed: 1, logprobs: 3 })])
    const { backend, memory } = engine.stats()
    expect(backend).toBe('webgpu')
    const total = sumOf(bytes)
    expect(total).toBeLessThanOrEqual(memory.weights + memory.kv + memory.scratch)
    expect(total).toBeGreaterThan(memory.weights + memory.kv + 0.1 * MIB)
    await engine.close()
    expect(sumOf(bytes)).toBe(0)
  }, 120_000)
})

/** Models: rows of a step, those that want logits, context, columns, head and vocabulary. */
const SIZES = [
  ['2B-4T, scoring', 132, 32, 4096, 6912, 128, 128_256],
  ['2B-4T, an answer', 132, 8, 4096, 6912, 128, 128_256],
  ['a small one of 262,144 tokens', 36, 32, 2048, 2048, 256, 262_144],
  ['a long context', 36, 8, 131_072, 2048, 128, 32_000],
] as const

describe('what a backend makes for itself is planned', () => {
  it.each(SIZES)('%s', async (_, maxRows, wanted, maxContext, maxCols, ropeDim, vocab) => {
    const { gpu, bytes } = held(nodeGpu('backend=null'))
    const device = await openGpu(gpu)
    const limits = { maxRows, maxContext, maxCols, ropeDim, vocab }
    const planned = scratchBytes(limits, wanted)
    const logitsBytes = 4 * wanted * vocab
    const before = sumOf(bytes)
    // No more than the plan may be handed out, RoPE tables included.
    const backend = createWebGpuBackend({ gpu: device, limits, memoryBytes: planned + logitsBytes })
    const logits = backend.alloc(logitsBytes, 'logits')
    const table = new Float32Array((maxContext * ropeDim) / 2)
    backend.createRope(table, table, ropeDim)
    const drawing = { temperature: 1, topK: 0, topP: 1, minP: 0, random: 0.5 }
    const drawings = Array.from({ length: wanted }, () => drawing)
    // Nothing runs, so neither comes; both have taken their memory.
    const asked = [
      backend.draw(logits, vocab, wanted, drawings),
      backend.read(logits, 0, wanted * vocab),
    ]
    const own = sumOf(bytes) - before - logitsBytes
    const settled = await Promise.allSettled(asked)
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(own).toBeLessThanOrEqual(planned)
    expect(own).toBeGreaterThan(planned - 2 * MIB)
    backend.close()
    device.close()
  })
})

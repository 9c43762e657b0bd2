// embed() on the embedded model against the vectors of a numpy program (test/golden/make/embeddings.py), through the
// whole engine; the same bits on every rung and in every piece, and near them on the GPU.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { BackendFactory } from '../../src/backend/factory.ts'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import { Engine } from '../../src/engine/engine.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import type { EmbedOptions, LoadOptions, Pooling } from '../../src/types/index.ts'
import { embed } from '../engine/driver.ts'
import { loadEmbeddings, maxDifference, nrmse } from '../golden/load.ts'
import { EMBEDDED, fileOf, RUNGS, referenceFactory } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'
import { adapterHere, nodeGpu } from '../support/webgpu.ts'

/** Components of a vector of length 1, f32 against f64: honest runs are at 1e-6. */
const FLOAT = 1e-5
/** Rms over the golden's standard deviation: one activation that rounds the other way moves that much. */
const INT8 = 0.03
const POOLINGS: readonly Pooling[] = ['last', 'mean', 'cls']

const adapter = await adapterHere()
const golden = loadEmbeddings()
const texts = golden.map(({ text }) => text)
/** Of a few tokens, of several pieces, of several KV blocks. */
const MIXED = [...texts, texts.join(' '), texts.join(' ').repeat(2), 'x']

async function vectors(
  factory: BackendFactory,
  load: LoadOptions,
  inputs: readonly (string | readonly number[])[],
  options: EmbedOptions,
): Promise<Float32Array[]> {
  const hooks = { progress: () => undefined, signal: new AbortController().signal }
  const parts = await openEngineParts(fileOf(EMBEDDED), load, hooks, [factory])
  const engine = new Engine(parts, load)
  try {
    const { embeddings, tokens } = await embed(engine, inputs, options)
    if (inputs === texts) expect(tokens).toEqual(golden.map(({ ids }) => ids.length))
    return embeddings
  } finally {
    await engine.close()
  }
}

describe.each([
  ['reference', referenceFactory],
  ['relaxed, 2 threads', wasmFactory('relaxed', 2)],
] as const)('%s', (_, factory) => {
  test.each(POOLINGS)('%s gives the golden vectors', async pooling => {
    const float = await vectors(factory, { strict: true, activations: 'float' }, texts, { pooling })
    const int8 = await vectors(factory, { strict: true }, texts, { pooling })
    for (const [i, { want }] of golden.entries()) {
      expect(maxDifference(float[i]!, want.float[pooling])).toBeLessThan(FLOAT)
      expect(nrmse(int8[i]!, want.int8[pooling])).toBeLessThan(INT8)
    }
  })
})

describe('a BitNet embedding model: qwen3 with a norm before every linear', () => {
  interface Vectors {
    ids: number[][]
    float: number[][]
    int8: number[][]
  }
  const path = (name: string) => new URL(`../golden/data/${name}`, import.meta.url)
  const inner = JSON.parse(readFileSync(path('qwen3-inner.vectors.json'), 'utf8')) as Vectors
  const file = () => new File([readFileSync(path('qwen3-inner.gguf'))], 'qwen3-inner.gguf')
  const adapters: [string, BackendFactory][] = [
    ['reference', referenceFactory],
    ['simd128, 2 threads', wasmFactory('simd128', 2)],
  ]
  if (adapter !== undefined) {
    adapters.push([
      `WebGPU on ${adapter}`,
      webGpuFactory(() => nodeGpu(), { allowSoftwareAdapter: true }),
    ])
  }

  test.each(adapters)(
    '%s gives the golden vectors, pooled as the file says',
    async (_, factory) => {
      for (const activations of ['float', 'int8'] as const) {
        const hooks = { progress: () => undefined, signal: new AbortController().signal }
        const load = { strict: true, activations } as const
        const engine = new Engine(await openEngineParts(file(), load, hooks, [factory]), {})
        try {
          const result = await embed(engine, inner.ids, {})
          expect(result).toMatchObject({ pooling: 'last', poolingFrom: 'file' })
          for (const [i, got] of result.embeddings.entries()) {
            const want = Float32Array.from(inner[activations][i]!)
            if (activations === 'float') expect(maxDifference(got, want)).toBeLessThan(2 * FLOAT)
            else expect(nrmse(got, want)).toBeLessThan(INT8)
          }
        } finally {
          await engine.close()
        }
      }
    },
    // On SwiftShader 27 s of shaders for two engines, twice that on a busy machine.
    180_000,
  )
})

test('another pooling is another vector, so the goldens can fail', () => {
  for (const { want } of golden) {
    expect(maxDifference(want.float.last, want.float.mean)).toBeGreaterThan(0.01)
    expect(maxDifference(want.float.mean, want.float.cls)).toBeGreaterThan(0.01)
    expect(nrmse(want.float.last, want.float.mean)).toBeGreaterThan(0.1)
  }
})

test('the bits are the same on every rung, one by one and side by side, in any piece', async () => {
  const truth = await vectors(referenceFactory, { maxSequences: 1 }, MIXED, { pooling: 'mean' })
  const loads = [{ maxSequences: 4 }, { maxSequences: 2, prefillPiece: 7 }]
  for (const [i, { rung, factory }] of RUNGS.slice(1).entries()) {
    const load = loads[i % 2]!
    expect(await vectors(factory, load, MIXED, { pooling: 'mean' }), rung).toEqual(truth)
  }
})

test.skipIf(adapter === undefined)(`WebGPU on ${adapter ?? 'no adapter'} is near`, async () => {
  const gpu = webGpuFactory(() => nodeGpu(), { allowSoftwareAdapter: true })
  const hooks = { progress: () => undefined, signal: new AbortController().signal }
  const load = { strict: true, activations: 'float' } as const
  // One engine for all poolings: its shaders take SwiftShader longer than all texts.
  const engine = new Engine(await openEngineParts(fileOf(EMBEDDED), load, hooks, [gpu]))
  try {
    for (const pooling of POOLINGS) {
      const { embeddings, tokens } = await embed(engine, texts, { pooling })
      expect(tokens).toEqual(golden.map(({ ids }) => ids.length))
      for (const [i, { want }] of golden.entries()) {
        expect(maxDifference(embeddings[i]!, want.float[pooling])).toBeLessThan(2 * FLOAT)
      }
    }
  } finally {
    await engine.close()
  }
})

// Memory that the plan allows and the browser refuses: WebAssembly.Memory is stubbed with a limit.
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { BackendFactory } from '../../../src/backend/factory.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import { activationBytes } from '../../../src/model/run-network.ts'
import type { LoadOptions } from '../../../src/types/index.ts'
import { EMBEDDED, fileOf, type OpenParts, referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'

const PAGE = 65536
const opened: OpenParts[] = []
afterEach(() => {
  vi.unstubAllGlobals()
  for (const parts of opened.splice(0)) parts.close()
})

/** Every WebAssembly.Memory of more than `bytes` fails as V8 fails it. @returns what was asked */
function limitMemory(bytes: number): number[] {
  const asked: number[] = []
  const { Memory } = WebAssembly
  class Limited extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      asked.push(descriptor.initial * PAGE)
      if (descriptor.initial * PAGE > bytes) {
        throw new RangeError('WebAssembly.Memory(): could not allocate memory')
      }
      super(descriptor)
    }
  }
  vi.stubGlobal('WebAssembly', Object.assign(Object.create(WebAssembly), { Memory: Limited }))
  return asked
}

async function open(options: LoadOptions, ...more: BackendFactory[]): Promise<OpenParts> {
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const factories = [wasmFactory('simd128', 1), ...more]
  const parts = await openEngineParts(fileOf(EMBEDDED), options, hooks, factories)
  opened.push(parts as OpenParts)
  return parts as OpenParts
}

/** What the embedded model takes at least beside its KV cache. */
async function bytesWithoutKv(): Promise<number> {
  const { memory, close, network } = await open({})
  close()
  const scratch = (logitRows: number) => activationBytes(network.config, network.maxRows, logitRows)
  return memory.weights + memory.scratch - (scratch(32) - scratch(8))
}

describe('memory that the browser refuses', () => {
  it('is asked for with less KV: int8 first, then fewer sequences, then less context', async () => {
    const fixed = await bytesWithoutKv()
    const whole = await open({})
    expect(whole.kvType).toBe('f16')
    const kv = whole.memory.kv
    const contexts: number[] = []
    for (const share of [0.6, 0.3, 0.09]) {
      limitMemory(fixed + kv * share)
      const parts = await open({})
      vi.unstubAllGlobals()
      expect(parts.kvType).toBe('int8')
      const { weights, scratch } = parts.memory
      expect(weights + scratch + parts.memory.kv).toBeLessThanOrEqual(fixed + kv * share)
      expect(parts.memory.kv).toBeGreaterThan(kv * share * 0.4)
      expect(parts.fallbacks.map(f => f.to)).toContain('KV int8')
      const [refusal] = parts.fallbacks
      expect(refusal?.from).toMatch(/^[\d.]+ MB of memory$/)
      expect(refusal?.reason).toMatch(/^the browser refused \d+ bytes/)
      contexts.push(parts.network.kv.contextLength)
    }
    const full = whole.network.kv.contextLength
    expect(contexts[0]).toBe(full)
    expect(contexts[2]).toBeLessThan(full)
  })

  it('ends in MEMORY_BUDGET with the figures, and slower kernels are not tried', async () => {
    const asked = limitMemory(1e6)
    const failed = open({}, wasmFactory('scalar', 1), referenceFactory)
    await expect(failed).rejects.toMatchObject({
      code: 'MEMORY_BUDGET',
      message: expect.stringMatching(
        /simd128 with 1 thread: the browser refused [\d.]+ MB and at last [\d.]+ MB of memory \(weights [\d.]+ MB, KV/,
      ),
    })
    expect(asked.length).toBeGreaterThan(4)
    expect(asked.length).toBeLessThan(40)
  })

  it('never costs what the caller asked for: that is refused', async () => {
    limitMemory(await bytesWithoutKv())
    await expect(open({ contextLength: 512, kv: 'f16', maxSequences: 1 })).rejects.toMatchObject({
      code: 'MEMORY_BUDGET',
    })
  })
})

it('a JavaScript heap that is full is MEMORY_BUDGET too', async () => {
  class Full {
    constructor(bytes: number) {
      throw new RangeError(`Array buffer allocation failed: ${bytes}`)
    }
  }
  const limits = { maxRows: 1, maxContext: 32, maxCols: 64 }
  const backend = await referenceFactory.create(2 ** 40, limits)
  vi.stubGlobal('ArrayBuffer', Full)
  expect(() => backend.alloc(2 ** 39, 'the table')).toThrow(
    expect.objectContaining({
      code: 'MEMORY_BUDGET',
      message: expect.stringContaining('refused 549755813888 bytes for the table'),
    }),
  )
})

it('a model whose matrices are not ternary runs in float where the budget allows, else it names them', async () => {
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const load = (memoryBudget: number) =>
    openEngineParts(
      fileOf('test/golden/data/llama-float.gguf'),
      { memoryBudget, contextLength: 64, kv: 'f32' },
      hooks,
      [wasmFactory('simd128', 1)],
    )
  const parts = await load(200e6)
  expect(parts.info.layouts.t2).toBeUndefined()
  expect(parts.info.notes.join()).toMatch(/is not ternary/)
  parts.close()
  await expect(load(120.1e6)).rejects.toMatchObject({
    code: 'MEMORY_BUDGET',
    message: expect.stringMatching(/of them [\d.]+ MB for matrices that are not of a ternary type/),
  })
})

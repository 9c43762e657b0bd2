// The start-up self-test: right rungs pass in little time and memory, wrong ones are passed over with
// their op and reason before any weight is read.
import { afterEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../../src/backend/backend.ts'
import { LAYOUTS } from '../../../src/backend/cases.ts'
import type { BackendFactory } from '../../../src/backend/factory.ts'
import { createReferenceBackend } from '../../../src/backend/reference/reference-backend.ts'
import {
  firstDifference,
  runProbes,
  SELF_TEST_BYTES,
} from '../../../src/engine/faults/self-test.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import type { KvType, LoadOptions } from '../../../src/types/index.ts'
import { EMBEDDED, fileOf, logitsOf, type OpenParts, referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'
import { broken, poke } from './broken.ts'

const LIMITS = { maxRows: 132, maxContext: 512, maxCols: 768 }
const GUARDS = { reference: referenceFactory, scalar: wasmFactory('scalar', 1) }
const opened: { close(): void }[] = []
afterEach(() => {
  for (const one of opened.splice(0)) one.close()
})

async function open(
  factories: readonly BackendFactory[],
  options: LoadOptions = {},
): Promise<OpenParts> {
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const parts = await openEngineParts(
    fileOf(EMBEDDED),
    options,
    hooks,
    factories,
    undefined,
    GUARDS,
  )
  opened.push(parts)
  return parts as OpenParts
}

/** The ops that can be wrong; `gather` only copies, but copies too can go wrong. */
const OPS = ['embed', 'norm', 'linear', 'attend', 'gate', 'add', 'gather'] as const

/** A rung on which one op writes a 7 in front of its results. */
function wrong(factory: BackendFactory, op: (typeof OPS)[number]): BackendFactory {
  return broken(factory, real => {
    const run = Reflect.get(real, op) as (...args: unknown[]) => void
    const spoil = (...args: Parameters<Backend[typeof op]>) => {
      run.apply(real, args)
      poke(real, args[0], 7)
    }
    return { [op]: spoil } as Partial<Backend>
  })
}

describe('the self-test', () => {
  it.each(['f32', 'f16', 'int8', 'int4'] as const)(
    'passes every kernel build with %s KV',
    async kv => {
      const want = await runProbes(createReferenceBackend({ limits: LIMITS }), LIMITS, kv)
      expect(want.length).toBeGreaterThan(40)
      for (const { values } of want) expect(values.some(v => v !== 0)).toBe(true)
      for (const variant of ['scalar', 'simd128', 'relaxed'] as const) {
        for (const threads of [1, 2]) {
          const factory = wasmFactory(variant, threads)
          const bytes = factory.scratchBytes(LIMITS) + SELF_TEST_BYTES
          const backend = await factory.create(bytes, LIMITS)
          opened.push(backend)
          expect(firstDifference(await runProbes(backend, LIMITS, kv), want)).toBeUndefined()
        }
      }
    },
  )

  it.each<[number, number, number]>([
    [1, 32, 64],
    [2, 33, 100],
    [9, 4096, 40],
  ])('adapts to limits of %i rows, %i tokens, %i columns', async (maxRows, maxContext, maxCols) => {
    const limits = { maxRows, maxContext, maxCols }
    const want = await runProbes(createReferenceBackend({ limits }), limits, 'int8')
    const factory = wasmFactory('simd128', 1)
    const backend = await factory.create(factory.scratchBytes(limits) + SELF_TEST_BYTES, limits)
    opened.push(backend)
    expect(firstDifference(await runProbes(backend, limits, 'int8'), want)).toBeUndefined()
  })

  it.each(OPS)('finds a wrong %s and names it', async op => {
    const factory = wrong(wasmFactory('simd128', 1), op)
    const backend = await factory.create(factory.scratchBytes(LIMITS) + SELF_TEST_BYTES, LIMITS)
    opened.push(backend)
    const kv: KvType = 'f16'
    const want = await runProbes(createReferenceBackend({ limits: LIMITS }), LIMITS, kv)
    const found = firstDifference(await runProbes(backend, LIMITS, kv), want)
    expect(found).toMatch(new RegExp(`^${op}.* gives 7 as value 0, and .* is right$`))
  })
})

describe('a kernel that is wrong for one kind of weights', () => {
  it.each(LAYOUTS)('is found: %s', async layout => {
    const factory = broken(wasmFactory('simd128', 1), real => ({
      linear: (...args: Parameters<Backend['linear']>) => {
        real.linear(...args)
        if (args[2].parts[0]!.layout === layout) poke(real, args[0], 7)
      },
    }))
    const backend = await factory.create(factory.scratchBytes(LIMITS) + SELF_TEST_BYTES, LIMITS)
    opened.push(backend)
    const want = await runProbes(createReferenceBackend({ limits: LIMITS }), LIMITS, 'f16')
    const found = firstDifference(await runProbes(backend, LIMITS, 'f16'), want)
    expect(found).toMatch(new RegExp(`^linear \\(${layout}`))
  })
})

describe('a rung that fails its self-test', () => {
  it('is passed over with its name, op and reason; the next one serves', async () => {
    const bad = wrong(wasmFactory('relaxed', 1), 'linear')
    const parts = await open([bad, wasmFactory('simd128', 1)])
    expect(parts.path).toEqual({ backend: 'wasm', variant: 'simd128', threads: 1 })
    expect(parts.fallbacks).toEqual([
      {
        from: 'relaxed with 1 thread',
        to: 'simd128 with 1 thread',
        reason: expect.stringMatching(/^self-test failed: linear \(t2, int8, 37 x 200, 1 rows\)/),
      },
    ])
  })

  it('is closed again, and traps count as failures', async () => {
    let closed = 0
    const bad = broken(wasmFactory('relaxed', 1), real => ({
      norm: () => {
        throw new WebAssembly.RuntimeError('unreachable')
      },
      close: () => {
        closed++
        real.close()
      },
    }))
    const parts = await open([bad, referenceFactory])
    expect(closed).toBe(1)
    expect(parts.path.backend).toBe('reference')
    expect(parts.fallbacks[0]?.reason).toMatch(/unreachable/)
  })

  it('fails the load with KERNEL_TRAP and every reason when it is the only one', async () => {
    const bad = wrong(wasmFactory('relaxed', 1), 'norm')
    await expect(open([bad])).rejects.toMatchObject({
      code: 'KERNEL_TRAP',
      message: expect.stringContaining('self-test failed: norm gives 7'),
    })
  })

  it('leaves no trace in a rung that passes: its logits are those of the reference', async () => {
    const ids = [1, 2496, 631, 269, 546, 450]
    const tested = await open([wasmFactory('relaxed', 2)], { maxSequences: 1 })
    const plain = await open([referenceFactory], { maxSequences: 1 })
    expect(tested.fallbacks).toEqual([])
    const [got, want] = [await logitsOf(tested.network, ids), await logitsOf(plain.network, ids)]
    expect(got).toEqual(want)
  })
})

// Every op on every build of the WASM backend against the reference, bit for bit: odd shapes, all
// layouts, KV types and RoPE pairings, grouped queries, batches against single rows, prefill pieces.
// Random data is seeded; RYZ_SEED repeats a run.
import { afterAll, describe, expect, it } from 'vitest'
import { kvBlockBytes } from '../../src/backend/backend.ts'
import {
  GATE_KINDS,
  KV_TYPES,
  LAYOUTS,
  LINEAR_KINDS,
  TABLE_LAYOUTS,
} from '../../src/backend/cases.ts'
import { createReferenceBackend } from '../../src/backend/reference/reference-backend.ts'
import { createWasmBackend } from '../../src/backend/wasm/open-backend.ts'
import { kernelModule, nodeSpawner } from '../../tools/node-pool.ts'
import {
  type AttendCase,
  attendRows,
  columnRows,
  type ExpertCase,
  embedRows,
  expertRows,
  extremeRows,
  gateRows,
  LIMITS,
  type LinearCase,
  linearRows,
  normRows,
  partRows,
  type Resetable,
  resetable,
  sameBits,
} from './ops.ts'
import {
  attendName,
  EXPERTS,
  expertName,
  HEAD_SIZES,
  linearName,
  linearsOf,
  SHAPES,
} from './shapes.ts'

const SEED = Number(process.env.RYZ_SEED ?? 20261123)
console.log(`conformance: RYZ_SEED=${SEED}`)

const MEMORY = 96 * 2 ** 20

const BUILDS = [
  { variant: 'scalar', threads: 1 },
  { variant: 'scalar', threads: 2 },
  { variant: 'simd128', threads: 1 },
  { variant: 'simd128', threads: 2 },
  { variant: 'simd128', threads: 4 },
  { variant: 'relaxed', threads: 1 },
  { variant: 'relaxed', threads: 2 },
  { variant: 'relaxed', threads: 4 },
  { variant: 'relaxed-i32', threads: 2 },
] as const

const reference: Resetable = resetable(async () => createReferenceBackend({ limits: LIMITS }))

const LINEARS = linearsOf([...SHAPES, { rows: 5, cols: 6912 }])

const ATTENDS: AttendCase[] = [
  ...HEAD_SIZES,
  { headDim: 64, type: 'f16', heads: 6, kvHeads: 6, ropeDim: 32, pairing: 'neox', qkNorm: false },
  { headDim: 50, type: 'f32', heads: 3, kvHeads: 1, ropeDim: 20, pairing: 'norm', qkNorm: true },
  { headDim: 50, type: 'int8', heads: 3, kvHeads: 1, ropeDim: 50, pairing: 'neox', qkNorm: true },
  { headDim: 45, type: 'int8', heads: 3, kvHeads: 1, ropeDim: 40, pairing: 'norm', qkNorm: false },
  { headDim: 45, type: 'int4', heads: 3, kvHeads: 1, ropeDim: 40, pairing: 'norm', qkNorm: false },
  // More than 512 elements: the query's words are half as large.
  {
    headDim: 1024,
    type: 'int8',
    heads: 1,
    kvHeads: 1,
    ropeDim: 64,
    pairing: 'neox',
    qkNorm: false,
  },
  {
    headDim: 1024,
    type: 'int4',
    heads: 1,
    kvHeads: 1,
    ropeDim: 64,
    pairing: 'neox',
    qkNorm: false,
  },
]

/** The reference's output of a case, computed once for all builds. */
const known = new Map<string, Float32Array>()
async function expected(key: string, run: () => Promise<Float32Array>): Promise<Float32Array> {
  const found = known.get(key) ?? (await run())
  known.set(key, found)
  return found
}

type Mix = Awaited<ReturnType<typeof expertRows>>
const knownMixes = new Map<string, Mix>()
async function expectedMix(key: string, c: ExpertCase, count: number): Promise<Mix> {
  await reference.ready()
  const found = knownMixes.get(key) ?? (await expertRows(reference, c, count, SEED))
  knownMixes.set(key, found)
  return found
}

describe.each(BUILDS)('$variant with $threads threads', ({ variant, threads }) => {
  const tested: Resetable = resetable(async () =>
    createWasmBackend({
      variant,
      threads,
      limits: LIMITS,
      memoryBytes: MEMORY,
      wasm: kernelModule(variant, threads > 1),
      spawn: (await nodeSpawner()).spawn,
      // However small the work is, all threads share it.
      aloneNs: 0,
      adapts: false,
    }),
  )

  afterAll(() => tested.close())

  it.each(LINEARS.map(c => [linearName(c), c] as const))('linear %s', async (name, c) => {
    await tested.ready()
    // 12 and 41: tables for 16 tokens, for 32 and for the 9 that are left.
    for (const count of [1, 3, 6, 12, 41]) {
      const want = await expected(`linear ${name} ${count}`, async () => {
        await reference.ready()
        return linearRows(reference, [c], count, SEED)
      })
      sameBits(await linearRows(tested, [c], count, SEED), want)
    }
  })

  it('linear into a part of wider rows', async () => {
    for (const kind of LINEAR_KINDS) {
      const c: LinearCase = { ...kind, rows: 37, cols: 200 }
      for (const count of [1, 5, 40]) {
        await Promise.all([tested.ready(), reference.ready()])
        const want = await partRows(reference, c, count, SEED)
        sameBits(await partRows(tested, c, count, SEED), want)
        // The same bits as in rows of its own.
        sameBits(want, await linearRows(reference, [c], count, SEED))
      }
    }
  })

  it('linear with parts of several kinds side by side', async () => {
    await tested.ready()
    await reference.ready()
    const parts: LinearCase[] = [
      { rows: 33, cols: 200, layout: 't2', scaleBlock: 0, activations: 'int8' },
      { rows: 1, cols: 200, layout: 't2', scaleBlock: 128, activations: 'int8' },
      { rows: 18, cols: 200, layout: 'i8', scaleBlock: 0, activations: 'int8' },
      { rows: 19, cols: 200, layout: 'i4', scaleBlock: 0, activations: 'int8' },
      { rows: 7, cols: 200, layout: 'f16', scaleBlock: 0, activations: 'int8' },
      { rows: 6, cols: 200, layout: 'f32', scaleBlock: 0, activations: 'int8' },
    ]
    for (const count of [1, 5, 24, 70]) {
      sameBits(
        await linearRows(tested, parts, count, SEED),
        await linearRows(reference, parts, count, SEED),
      )
    }
  })

  it.each(['i8', 'i4'] as const)('linear of a vocabulary of 32002 rows in %s', async layout => {
    await tested.ready()
    await reference.ready()
    const c: LinearCase = { rows: 32002, cols: 64, layout, scaleBlock: 0, activations: 'int8' }
    sameBits(await linearRows(tested, [c], 2, SEED), await linearRows(reference, [c], 2, SEED))
  })

  it('a row of a linear does not depend on the rows beside it', async () => {
    await tested.ready()
    for (const layout of LAYOUTS) {
      const c: LinearCase = { rows: 70, cols: 320, layout, scaleBlock: 0, activations: 'int8' }
      const together = await linearRows(tested, [c], 7, SEED)
      for (let r = 0; r < 7; r++) {
        const alone = await linearRows(tested, [c], 1, SEED, r)
        sameBits(together.subarray(r * 70, (r + 1) * 70), alone)
      }
    }
  })

  it.each(EXPERTS.map(c => [expertName(c), c] as const))('experts %s', async (name, c) => {
    // One row goes another way; 41 rows give some experts enough for tables.
    for (const count of [1, 2, 41]) {
      await tested.ready()
      const want = await expectedMix(`experts ${name} ${count}`, c, count)
      const got = await expertRows(tested, c, count, SEED)
      for (const part of ['routes', 'up', 'down', 'mixed'] as const) {
        sameBits(got[part], want[part])
      }
    }
  })

  it('a row of a mixture does not depend on the rows beside it', async () => {
    const c: ExpertCase = { ...EXPERTS[0]!, rows: 33, cols: 192, experts: 6, used: 2, bias: true }
    await tested.reset()
    const { mixed } = await expertRows(tested, c, 9, SEED)
    for (let r = 0; r < 9; r++) {
      await tested.ready()
      const alone = await expertRows(tested, c, 1, SEED, r)
      sameBits(mixed.slice(r * 192, (r + 1) * 192), alone.mixed)
    }
  })

  it('a logit that is not finite makes its row NaN, and no other', async () => {
    const c: ExpertCase = { ...EXPERTS[0]!, experts: 4, used: 2, scores: 'sigmoid' }
    for (const poison of [Number.NaN, Number.POSITIVE_INFINITY]) {
      await tested.reset()
      const { mixed } = await expertRows(tested, c, 3, SEED, 0, poison)
      const finite = [0, 1, 2].map(r => mixed.subarray(r * c.cols, (r + 1) * c.cols))
      expect(finite.map(row => row.some(Number.isNaN))).toEqual([true, false, false])
    }
  })

  it('a norm of columns and a bias', async () => {
    for (const count of [1, 9]) {
      await tested.ready()
      await reference.ready()
      sameBits(await columnRows(tested, count, SEED), await columnRows(reference, count, SEED))
    }
  })

  it('the largest sums do not overflow', async () => {
    await tested.ready()
    for (const sign of [1, -1] as const) {
      // 127 * 1 * K and -127 * 127 * K, times 0.5 * 3 / 127.
      const ternary = new Float32Array(20).fill(
        Math.fround(127 * 8640 * sign * Math.fround(1.5 / 127)),
      )
      sameBits(await extremeRows(tested, 't2', 0, 8640, sign), ternary)
      await reference.ready()
      for (const [layout, block] of [
        ['t2', 256],
        ['i8', 0],
        ['i4', 0],
      ] as const) {
        const want = await extremeRows(reference, layout, block, 8640, sign)
        sameBits(await extremeRows(tested, layout, block, 8640, sign), want)
      }
    }
  })

  it('NaN and infinity pass through linear without a trap or a hang', async () => {
    await tested.ready()
    for (const layout of LAYOUTS) {
      for (const activations of ['int8', 'float'] as const) {
        const c: LinearCase = { rows: 9, cols: 100, layout, scaleBlock: 0, activations }
        for (const poison of [Number.NaN, Number.POSITIVE_INFINITY]) {
          const y = await linearRows(tested, [c], 2, SEED, 0, poison)
          expect(y.some(v => !Number.isFinite(v))).toBe(true)
        }
      }
    }
  })

  it.each(TABLE_LAYOUTS)('embed from a %s table', async layout => {
    await tested.ready()
    await reference.ready()
    for (const cols of [64, 100]) {
      sameBits(
        await embedRows(tested, layout, cols, SEED),
        await embedRows(reference, layout, cols, SEED),
      )
    }
  })

  it('norm of rows of 1, 16, 50 and 1536', async () => {
    await tested.ready()
    await reference.ready()
    for (const n of [1, 16, 50, 1536]) {
      for (const count of [1, 9]) {
        sameBits(await normRows(tested, count, n, SEED), await normRows(reference, count, n, SEED))
      }
    }
  })

  it.each(GATE_KINDS)('gate %s and add', async activation => {
    await tested.ready()
    await reference.ready()
    for (const n of [1, 50, 1024, 2500]) {
      sameBits(
        await gateRows(tested, activation, 5, n, SEED),
        await gateRows(reference, activation, 5, n, SEED),
      )
    }
  })

  it.each(ATTENDS.map(c => [attendName(c), c] as const))('attend %s', async (name, c) => {
    // 70 tokens: two whole blocks and a part of the third.
    const pieces = [1, 40, 29]
    const want = await expected(`attend ${name}`, async () => {
      await reference.reset()
      return attendRows(reference, c, pieces, SEED)
    })
    await tested.reset()
    sameBits(await attendRows(tested, c, pieces, SEED), want)
  })

  it('attention of a token does not depend on how its prompt was cut, nor on other sequences', async () => {
    for (const type of KV_TYPES) {
      const c: AttendCase = {
        headDim: 64,
        type,
        heads: 4,
        kvHeads: 2,
        ropeDim: 64,
        pairing: 'neox',
        qkNorm: false,
      }
      const runs: Float32Array[] = []
      for (const pieces of [[70], [1, 69], Array(70).fill(1), [7, 7, 7, 7, 7, 7, 7, 7, 7, 7]]) {
        await tested.reset()
        runs.push(await attendRows(tested, c, pieces, SEED))
      }
      await tested.reset()
      runs.push(await attendRows(tested, c, [70], SEED, { besides: true }))
      for (const run of runs) sameBits(run, runs[0])
    }
  })

  it('NaN and infinity in a query pass through attend, and the other tokens keep their values', async () => {
    for (const type of KV_TYPES) {
      const c: AttendCase = {
        headDim: 32,
        type,
        heads: 1,
        kvHeads: 1,
        ropeDim: 32,
        pairing: 'neox',
        qkNorm: false,
      }
      await tested.reset()
      const clean = await attendRows(tested, c, [40], SEED)
      for (const poison of [Number.NaN, Number.NEGATIVE_INFINITY]) {
        await tested.reset()
        const poisoned = await attendRows(tested, c, [40], SEED, { poison })
        const want = await expected(`poison ${type} ${poison}`, async () => {
          await reference.reset()
          return attendRows(reference, c, [40], SEED, { poison })
        })
        sameBits(poisoned, want)
        sameBits(poisoned.slice(0, 3 * 32), clean.slice(0, 3 * 32))
        // The poison is in a query, so the other tokens' rows are whole, and its own is seen to be broken.
        sameBits(poisoned.slice(4 * 32), clean.slice(4 * 32))
        expect(
          poisoned.slice(3 * 32, 4 * 32).every(x => !Number.isFinite(x)),
          `${type} ${poison}`,
        ).toBe(true)
      }
    }
  })

  it('a copied KV block continues as its original', async () => {
    const c: AttendCase = {
      headDim: 32,
      type: 'int8',
      heads: 2,
      kvHeads: 1,
      ropeDim: 32,
      pairing: 'norm',
      qkNorm: false,
    }
    await tested.reset()
    const whole = await attendRows(tested, c, [40, 5], SEED)
    await tested.reset()
    sameBits(await attendRows(tested, c, [40, 5], SEED, { forkAfter: 1 }), whole)
  })

  it.each(KV_TYPES)(
    'a %s block that was read out and written elsewhere gives the same bits, and is the same bytes',
    async type => {
      const c: AttendCase = {
        headDim: 80,
        heads: 4,
        kvHeads: 2,
        type,
        ropeDim: 80,
        pairing: 'neox',
        qkNorm: false,
      }
      const seen: Uint8Array[] = []
      const moveAfter = { piece: 1, saw: (bytes: Uint8Array) => seen.push(bytes) }
      for (const on of [reference, tested]) {
        await on.reset()
        const whole = await attendRows(on, c, [40, 5], SEED)
        await on.reset()
        sameBits(await attendRows(on, c, [40, 5], SEED, { moveAfter }), whole)
      }
      expect(seen[0]).toHaveLength(kvBlockBytes({ layers: 2, kvHeads: 2, headDim: 80, type }))
      expect(seen[1]).toEqual(seen[0])
      expect(seen[0].some(byte => byte !== 0)).toBe(true)
    },
  )

  it('blocks that do not exist, or of another size, are refused', async () => {
    await tested.reset()
    const { backend } = tested
    const kv = backend.createKv({ layers: 1, kvHeads: 1, headDim: 32, blocks: 2, type: 'f32' })
    await expect(backend.readBlock(kv, 2)).rejects.toThrow(RangeError)
    expect(() => backend.writeBlock(kv, -1, new Uint8Array(8192))).toThrow(RangeError)
    expect(() => backend.writeBlock(kv, 0, new Uint8Array(8191))).toThrow(RangeError)
  })
})

afterAll(() => reference.close())

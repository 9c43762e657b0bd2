// Every op of the WebGPU backend against the reference, on SwiftShader in Node: odd shapes, all layouts, KV
// types and RoPE pairings, grouped queries, batches, prefill pieces. Integer sums are equal bit for bit given
// the same rounded row, floats within named tolerances (near.ts). Seeded; RYZ_SEED repeats a run.
import { afterAll, describe, expect, it } from 'vitest'
import { kvBlockBytes } from '../../../src/backend/backend.ts'
import {
  GATE_KINDS,
  KV_TYPES,
  kindName,
  LAYOUTS,
  LINEAR_KINDS,
  TABLE_LAYOUTS,
} from '../../../src/backend/cases.ts'
import { createWebGpuBackend } from '../../../src/backend/webgpu/webgpu-backend.ts'
import type { KvType } from '../../../src/types/index.ts'
import { adapterHere, sharedGpu } from '../../support/webgpu.ts'
import { besideReference } from '../beside-reference.ts'
import { FLOAT_SUMS, KV_WORDS, near } from '../near.ts'
import * as ops from '../ops.ts'
import { attendName, HEAD_SIZES, linearName, linearsOf, SHAPES } from '../shapes.ts'

const SEED = Number(process.env.RYZ_SEED ?? 20261128)
const adapter = await adapterHere()
console.log(`webgpu conformance: ${adapter ?? 'no adapter, skipped'}, RYZ_SEED=${SEED}`)

const LINEARS = linearsOf(SHAPES)
const HEADS = { heads: 4, kvHeads: 2, pairing: 'neox', qkNorm: false } as const
const ATTENDS: ops.AttendCase[] = [
  ...HEAD_SIZES,
  { ...HEADS, headDim: 64, type: 'f16', heads: 8, kvHeads: 1, ropeDim: 32 },
  { ...HEADS, headDim: 64, type: 'f32', heads: 6, kvHeads: 6, ropeDim: 32 },
  { ...HEADS, headDim: 50, type: 'int8', heads: 3, kvHeads: 1, ropeDim: 50, qkNorm: true },
  { ...HEADS, headDim: 45, type: 'int8', heads: 5, kvHeads: 1, ropeDim: 40, pairing: 'norm' },
  { ...HEADS, headDim: 45, type: 'int4', heads: 7, kvHeads: 1, ropeDim: 40, pairing: 'norm' },
]

function toleranceOf(type: KvType): number {
  return type === 'int8' || type === 'int4' ? KV_WORDS : FLOAT_SUMS
}

describe.skipIf(adapter === undefined)(`WebGPU on ${adapter ?? 'no adapter'}`, () => {
  const pair = besideReference(async () =>
    createWebGpuBackend({ gpu: await sharedGpu(), limits: ops.LIMITS }),
  )
  const { tested, reference, ready, reset, both } = pair
  afterAll(pair.close)

  it.each(LINEARS.map(c => [linearName(c), c] as const))('linear %s', async (_, c) => {
    // One row, up to four, a tile, a tile and more.
    for (const count of c.cols > 1000 ? [1, 5] : [1, 3, 8, 33]) {
      await ready()
      near(...(await both(on => ops.linearRows(on, [c], count, SEED))), FLOAT_SUMS)
    }
  })

  it.each(LINEAR_KINDS.map(kind => [kindName(kind), kind] as const))(
    'linear into a part of wider rows: %s',
    async (_, kind) => {
      for (const count of [1, 5, 40]) {
        await ready()
        const c: ops.LinearCase = { ...kind, rows: 37, cols: 200 }
        near(...(await both(on => ops.partRows(on, c, count, SEED))), FLOAT_SUMS)
      }
    },
  )

  it('linear with parts of several kinds side by side', async () => {
    const int8 = LINEAR_KINDS.filter(kind => kind.activations === 'int8')
    const parts = int8.map((kind, i): ops.LinearCase => ({ ...kind, rows: 5 + 7 * i, cols: 200 }))
    for (const count of [1, 5, 40]) {
      await ready()
      near(...(await both(on => ops.linearRows(on, parts, count, SEED))), FLOAT_SUMS)
    }
  })

  it.each(LINEAR_KINDS.map(kind => [kindName(kind), kind] as const))(
    'linear with parts of one kind, which stand together where their rows allow it: %s',
    async (_, kind) => {
      for (const rows of [
        [64, 8, 21],
        [5, 8],
      ]) {
        const parts = rows.map((n): ops.LinearCase => ({ ...kind, rows: n, cols: 200 }))
        for (const count of [1, 5]) {
          await ready()
          near(...(await both(on => ops.linearRows(on, parts, count, SEED))), FLOAT_SUMS)
        }
      }
    },
  )

  it('integer sums are exact, the largest too', async () => {
    for (const sign of [1, -1] as const) {
      for (const [layout, block] of [
        ['t2', 0],
        ['i8', 0],
        ['i4', 0],
      ] as const) {
        await ready()
        // Rows of equal values round without an error: only the sums can differ.
        const [got, want] = await both(on => ops.extremeRows(on, layout, block, 8640, sign))
        near(got, want, 2 ** -23) // the inverse scale is a division
        expect(new Set(got).size).toBe(1)
      }
    }
    for (const layout of ['t2', 'i8', 'i4'] as const) {
      for (const count of [1, 3, 40]) {
        await ready()
        const c = { layout, rows: 37, cols: 320, scaleBlock: 0, activations: 'int8' } as const
        ops.sameBits(...(await both(on => ops.wholeNumberRows(on, c, count, SEED))))
      }
    }
  })

  it('a vocabulary of 262,144 rows takes two dimensions', async () => {
    await ready()
    // 16 rows a workgroup; 8,192 of them in a dimension.
    const c = { rows: 262_144, cols: 16, layout: 'i8', scaleBlock: 0, activations: 'int8' } as const
    ops.sameBits(...(await both(on => ops.wholeNumberRows(on, c, 1, SEED))))
    tested.close() // its memory at once
    reference.close()
  })

  it('a row of a linear does not depend on the rows beside it', async () => {
    for (const layout of ['t2', 'i8', 'f32'] as const) {
      await ready()
      const c: ops.LinearCase = { rows: 70, cols: 320, layout, scaleBlock: 0, activations: 'int8' }
      const together = await ops.linearRows(tested, [c], 7, SEED)
      for (const r of [0, 3, 6]) {
        const alone = await ops.linearRows(tested, [c], 1, SEED, r)
        ops.sameBits(together.slice(r * 70, (r + 1) * 70), alone)
      }
    }
  })

  it('NaN and infinity pass through linear', async () => {
    for (const layout of LAYOUTS) {
      for (const activations of ['int8', 'float'] as const) {
        await ready()
        const c: ops.LinearCase = { rows: 9, cols: 100, layout, scaleBlock: 0, activations }
        for (const poison of [Number.NaN, Number.POSITIVE_INFINITY]) {
          const y = await ops.linearRows(tested, [c], 2, SEED, 0, poison)
          expect(y.some(v => !Number.isFinite(v))).toBe(true)
          expect(y.slice(9).every(v => Number.isFinite(v))).toBe(true)
        }
      }
    }
  })

  it.each(TABLE_LAYOUTS)('embed from a %s table', async layout => {
    for (const cols of [64, 100]) {
      await ready()
      near(...(await both(on => ops.embedRows(on, layout, cols, SEED))), 0)
    }
  })

  it('norm of rows of 1, 16, 50 and 1536', async () => {
    for (const n of [1, 16, 50, 1536]) {
      for (const count of [1, 9]) {
        await ready()
        near(...(await both(on => ops.normRows(on, count, n, SEED))), FLOAT_SUMS)
      }
    }
  })

  it.each(GATE_KINDS)('gate %s, gather and add', async activation => {
    for (const n of [1, 50, 1024, 2500]) {
      await ready()
      near(...(await both(on => ops.gateRows(on, activation, 5, n, SEED))), FLOAT_SUMS)
    }
  })

  it.each(ATTENDS.map(c => [attendName(c), c] as const))('attend %s', async (_, c) => {
    await reset()
    // 70 tokens: two whole blocks and a part of the third.
    near(...(await both(on => ops.attendRows(on, c, [1, 40, 29], SEED))), toleranceOf(c.type))
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'grouped queries, %i heads to one of the cache',
    async group => {
      for (const [i, type] of KV_TYPES.entries()) {
        // One head of the cache, and two; a head size for each group, odd ones among them.
        const kvHeads = 1 + (i % 2)
        const headDim = [32, 45, 50, 64, 80, 96, 100, 128][group - 1]!
        const ropeDim = headDim & ~1
        const c: ops.AttendCase = {
          ...HEADS,
          type,
          headDim,
          ropeDim,
          kvHeads,
          heads: group * kvHeads,
        }
        await reset()
        near(...(await both(on => ops.attendRows(on, c, [33, 7], SEED))), toleranceOf(type))
      }
    },
  )

  it.each(KV_TYPES)('pieces of 1 to 33 rows over several tiles of a %s cache', async type => {
    // 8 rows share what they read; whole tiles, a row more, a row less, and single rows between. 128 tokens a run.
    const pieces = [33, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 1, 33, 2]
    for (const headDim of [64, 256]) {
      const c: ops.AttendCase = { ...HEADS, headDim, type, ropeDim: headDim }
      await reset()
      near(...(await both(on => ops.attendRows(on, c, pieces, SEED))), toleranceOf(type))
    }
  })

  it('attention of a token does not depend on how its prompt was cut, nor on other sequences', async () => {
    for (const type of KV_TYPES) {
      const c: ops.AttendCase = { ...HEADS, headDim: 64, type, ropeDim: 64 }
      const runs: Float32Array[] = []
      for (const pieces of [[70], [1, 69], [33, 37]]) {
        await tested.reset()
        runs.push(await ops.attendRows(tested, c, pieces, SEED))
      }
      await tested.reset()
      runs.push(await ops.attendRows(tested, c, [70], SEED, { besides: true }))
      for (const run of runs) ops.sameBits(run, runs[0]!)
    }
  })

  it('NaN and infinity pass through attend, and earlier tokens keep their values', async () => {
    for (const type of KV_TYPES) {
      const c: ops.AttendCase = { ...HEADS, headDim: 32, type, heads: 1, kvHeads: 1, ropeDim: 32 }
      await tested.reset()
      const clean = await ops.attendRows(tested, c, [40], SEED)
      for (const poison of [Number.NaN, Number.NEGATIVE_INFINITY]) {
        await tested.reset()
        const poisoned = await ops.attendRows(tested, c, [40], SEED, { poison })
        ops.sameBits(poisoned.slice(0, 3 * 32), clean.slice(0, 3 * 32))
        expect(poisoned.slice(3 * 32, 4 * 32).every(v => !Number.isFinite(v))).toBe(true)
      }
    }
  })

  it.each(KV_TYPES)(
    'a %s block copied, or read and written elsewhere, goes on the same',
    async t => {
      const c: ops.AttendCase = { ...HEADS, headDim: 80, type: t, ropeDim: 80 }
      await tested.reset()
      const whole = await ops.attendRows(tested, c, [40, 5], SEED)
      await tested.reset()
      ops.sameBits(await ops.attendRows(tested, c, [40, 5], SEED, { forkAfter: 1 }), whole)
      const seen: Uint8Array[] = []
      const moveAfter = { piece: 1, saw: (bytes: Uint8Array) => seen.push(bytes) }
      for (const on of [tested, reference]) {
        await on.reset()
        const moved = await ops.attendRows(on, c, [40, 5], SEED, { moveAfter })
        if (on === tested) ops.sameBits(moved, whole)
      }
      expect(seen[0]).toHaveLength(kvBlockBytes({ layers: 2, kvHeads: 2, headDim: 80, type: t }))
      // One place in the cache for each element in every backend; values may round another way at a tie.
      const differ = seen[0]!.filter((byte, i) => byte !== seen[1]![i]).length
      expect(differ).toBeLessThan(seen[0]!.length / 100)
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

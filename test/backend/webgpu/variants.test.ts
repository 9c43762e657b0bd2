// The variants of the shaders: every one compiles on the default device without a warning, f16 and subgroups
// included (on Dawn's null backend, which runs nothing); every inner loop and both reductions give the same
// on SwiftShader; buffers and bindings that are too small cut matrices and caches, and change no bit.
import { afterAll, describe, expect, it, vi } from 'vitest'
import subgroupOps from '../../../shaders/parts/subgroup_ops.wgsl?raw'
import { ALL_NEEDS, KV_TYPES, LINEAR_KINDS } from '../../../src/backend/cases.ts'
import { type Gpu, openGpu } from '../../../src/backend/webgpu/device.ts'
import {
  ALL_SHADERS,
  codeOf,
  isScaled,
  PLAIN,
  type ShaderChoice,
  shadersFor,
} from '../../../src/backend/webgpu/shaders.ts'
import { createWebGpuBackend } from '../../../src/backend/webgpu/webgpu-backend.ts'
import { adapterHere, nodeGpu, rewritten, sharedGpu } from '../../support/webgpu.ts'
import { FLOAT_SUMS, near } from '../near.ts'
import * as ops from '../ops.ts'

/** SwiftShader compiles large shaders for seconds each, and longer beside other work. */
vi.setConfig({ testTimeout: 240_000 })

const SEED = 20261129
const adapter = await adapterHere()

/** A layout with tiles of rows, one of vec4s, one of words. */
const CUT_KINDS = [
  { layout: 't2', scaleBlock: 64, activations: 'int8' },
  { layout: 'i4', scaleBlock: 0, activations: 'int8' },
  { layout: 'f16', scaleBlock: 0, activations: 'float' },
] as const

const CHOICES: ShaderChoice[] = (['packed', 'i32', 'f32'] as const).flatMap(inner =>
  [false, true].flatMap(subgroups =>
    [false, true].map(f16 => ({ inner, subgroups, f16, grid: PLAIN.grid })),
  ),
)

describe('every variant on the default device', () => {
  it.each(CHOICES)('$inner, subgroups $subgroups, f16 $f16: compiles, no warning', async choice => {
    const { pipelines, device, close } = await openGpu(nodeGpu('backend=null'), { choice })
    expect(pipelines.choice).toEqual(choice)
    const shaders = shadersFor(ALL_SHADERS)
    await pipelines.prepare(shaders)
    for (const shader of shaders) {
      const module = device.createShaderModule({ code: codeOf(shader, choice).text })
      expect((await module.getCompilationInfo()).messages).toEqual([])
    }
    expect(device.limits.maxStorageBuffersPerShaderStage).toBe(8)
    close()
  })
})

describe.skipIf(adapter === undefined)(`on ${adapter ?? 'no adapter'}`, () => {
  const used: ops.Resetable[] = []
  afterAll(() => {
    for (const one of used) one.close()
  })
  const on = (gpu: Promise<Gpu>): ops.Resetable => {
    const made = ops.resetable(async () =>
      createWebGpuBackend({ gpu: await gpu, limits: ops.LIMITS }),
    )
    used.push(made)
    return made
  }
  const plain = on(sharedGpu({ inner: 'i32' }))

  /** All that has a dot product of bytes in it: every layout with codes, one row, a few, a tile and one more. */
  async function linears(backend: ops.Resetable): Promise<Float32Array[]> {
    const results: Float32Array[] = []
    for (const kind of LINEAR_KINDS) {
      if (kind.activations !== 'int8' || !isScaled(kind.layout)) continue
      const c: ops.LinearCase = { ...kind, rows: 37, cols: 200 }
      for (const count of [1, 3, 33]) {
        await backend.ready()
        results.push(await ops.linearRows(backend, [c], count, SEED))
      }
    }
    return results
  }

  it.each(['packed', 'f32'] as const)(
    'the inner loop %s gives the bits of the plain one',
    async inner => {
      const gpu = await sharedGpu({ inner })
      expect(gpu.pipelines.choice.inner).toBe(inner)
      expect((await sharedGpu({ inner: 'i32' })).pipelines.choice.inner).toBe('i32')
      const [got, want] = [await linears(on(Promise.resolve(gpu))), await linears(plain)]
      expect(got).toHaveLength(6 * 3)
      for (const [i, values] of got.entries()) ops.sameBits(values, want[i]!)
    },
  )

  /** What is exact in any order has the bits of the tree: maxima, integer sums. Other sums are near. */
  async function sameReductions(on: ops.Resetable, most: 'all' | 'some'): Promise<void> {
    const both = async (run: (backend: ops.Resetable) => Promise<Float32Array>) => {
      await Promise.all([plain.ready(), on.ready()])
      return [await run(on), await run(plain)] as const
    }
    const all = most === 'all'
    for (const n of all ? [1, 50, 1536] : [50]) {
      near(...(await both(backend => ops.normRows(backend, 3, n, SEED))), FLOAT_SUMS)
    }
    for (const kind of LINEAR_KINDS) {
      if (kind.activations !== 'int8' || !isScaled(kind.layout)) continue
      if (!all && kind.scaleBlock > 0) continue
      for (const cols of all ? [50, 320, 8640] : [320]) {
        for (const count of [1, 3]) {
          const c: ops.LinearCase = { ...kind, rows: 37, cols }
          ops.sameBits(...(await both(backend => ops.linearRows(backend, [c], count, SEED))))
        }
      }
    }
    // The norm of heads, the largest element of a key and a value; the scores of one row and of several.
    for (const type of all ? KV_TYPES : (['int8'] as const)) {
      await Promise.all([plain.reset(), on.reset()])
      const heads = { heads: 4, kvHeads: 2, headDim: 80, ropeDim: 80 }
      const c = { ...heads, type, pairing: 'neox', qkNorm: true } as const
      const pieces = [33, 1, 5]
      // An element of the cache may round to the other side where a norm differs in its last bit.
      const tolerance = { f32: FLOAT_SUMS, f16: 2 ** -10, int8: 2 ** -6, int4: 2 ** -3 }[type]
      near(...(await both(backend => ops.attendRows(backend, c, pieces, SEED))), tolerance)
    }
  }

  it('reductions by subgroup give what the tree gives', async () => {
    const gpu = await sharedGpu({ inner: 'i32', subgroups: true })
    // Where this adapter has none, there is nothing to compare.
    const adapterHas = (await nodeGpu().requestAdapter())?.features.has('subgroups')
    expect(gpu.pipelines.choice.subgroups).toBe(adapterHas)
    await sameReductions(on(Promise.resolve(gpu)), 'all')
  })

  it.each([
    ['8 neighbours', 't / 8u'],
    ['16 neighbours', 't / 16u'],
    ['32 neighbours', 't / 32u'],
    ['64 neighbours', 't / 64u'],
    ['one alone', 't'],
    ['16 that are no neighbours', 't % (WG / 16u)'],
  ])('subgroups of %s give it, too', async (_, group) => {
    await sameReductions(on(openGpu(withSubgroups(group), SOFTWARE)), 'some')
  })

  it('workgroups that go on in y give the same bits: every layout', async () => {
    const narrow = on(sharedGpu({ inner: 'i32', grid: 2 }))
    const same = async (run: (backend: ops.Resetable) => Promise<Float32Array>) => {
      await Promise.all([plain.ready(), narrow.ready()])
      ops.sameBits(await run(narrow), await run(plain))
    }
    // Heads of every layout, as a vocabulary has them: 16 or 8 rows a workgroup, the last row of workgroups partly used.
    for (const kind of LINEAR_KINDS) {
      const c: ops.LinearCase = { ...kind, rows: 83, cols: 72 }
      for (const count of [1, 5]) await same(backend => ops.linearRows(backend, [c], count, SEED))
    }
    await same(backend => ops.normRows(backend, 9, 50, SEED))
    await same(backend => ops.gateRows(backend, 'silu', 5, 400, SEED))
  })

  it('the packed dot products may be a polyfill', async () => {
    const gpu = openGpu(nodeGpu('enable-dawn-features=polyfill_packed_4x8_dot_product'), {
      allowSoftwareAdapter: true,
      choice: { inner: 'packed' },
    })
    const c: ops.LinearCase = { ...ALL_NEEDS.linears[0]!, rows: 9, cols: 200 }
    await plain.ready()
    const polyfilled = on(gpu)
    await polyfilled.ready()
    ops.sameBits(
      await ops.linearRows(polyfilled, [c], 3, SEED),
      await ops.linearRows(plain, [c], 3, SEED),
    )
  })

  it('cuts what is larger than a binding or a buffer, and gives the same bits', async () => {
    const gpu = await sharedGpu({ inner: 'i32' })
    for (const limits of [
      { maxBuffer: 2 ** 28, maxBinding: 96 * 1024 },
      { maxBuffer: 128 * 1024, maxBinding: 96 * 1024 },
    ]) {
      const tiny = on(Promise.resolve(limited(gpu, limits)))
      for (const kind of CUT_KINDS) {
        for (const count of [1, 6]) {
          await Promise.all([tiny.ready(), plain.ready()])
          // 1030 rows of 320 columns: 82 kB in t2, which one binding holds, to 1.3 MB in f32.
          const c: ops.LinearCase = { ...kind, rows: 1030, cols: 320 }
          ops.sameBits(
            await ops.linearRows(tiny, [c], count, SEED),
            await ops.linearRows(plain, [c], count, SEED),
          )
        }
      }
    }
    // A head of a layer has 147 kB: three of eight in a buffer.
    const limits = { maxBuffer: 2 ** 28, maxBinding: 3 * 147_456 }
    const split = on(Promise.resolve(limited(gpu, limits)))
    const heads = { heads: 8, kvHeads: 8, headDim: 64, ropeDim: 64 }
    const c = { ...heads, type: 'f32', pairing: 'neox', qkNorm: false } as const
    await Promise.all([split.reset(), plain.reset()])
    ops.sameBits(
      await ops.attendRows(split, c, [40, 2], SEED),
      await ops.attendRows(plain, c, [40, 2], SEED),
    )
  })
})

const SOFTWARE = {
  allowSoftwareAdapter: true,
  choice: { inner: 'i32', subgroups: true },
} as const

/**
 * SwiftShader with subgroups of another kind: what shaders ask of subgroups is computed in workgroup memory instead.
 * @param group  an invocation's subgroup, from its index t
 */
function withSubgroups(group: string): GPU {
  const emulated = `
var<workgroup> emulated: array<u32, WG>;
fn group_of(t: u32) -> u32 { return ${group}; }
fn share(value: u32, t: u32) {
  workgroupBarrier();
  emulated[t] = value;
  workgroupBarrier();
}
fn lanes_sum(value: f32, t: u32) -> f32 {
  share(bitcast<u32>(value), t);
  var sum = 0.0;
  for (var i = 0u; i < WG; i++) { if (group_of(i) == group_of(t)) { sum += bitcast<f32>(emulated[i]); } }
  return sum;
}
fn lanes_sum1(value: i32, t: u32) -> i32 {
  share(bitcast<u32>(value), t);
  var sum = 0;
  for (var i = 0u; i < WG; i++) { if (group_of(i) == group_of(t)) { sum += bitcast<i32>(emulated[i]); } }
  return sum;
}
fn lanes_sum4(v: vec4<i32>, t: u32) -> vec4<i32> {
  return vec4<i32>(lanes_sum1(v.x, t), lanes_sum1(v.y, t), lanes_sum1(v.z, t), lanes_sum1(v.w, t));
}
fn lanes_max(value: u32, t: u32) -> u32 {
  share(value, t);
  var most = 0u;
  for (var i = 0u; i < WG; i++) { if (group_of(i) == group_of(t)) { most = max(most, emulated[i]); } }
  return most;
}
fn lanes_first(t: u32) -> bool {
  for (var i = 0u; i < t; i++) { if (group_of(i) == group_of(t)) { return false; } }
  return true;
}`
  return rewritten(nodeGpu(), code => {
    expect(code.includes('enable subgroups;')).toBe(code.includes(subgroupOps))
    return code.replace('enable subgroups;', '').replace(subgroupOps, emulated)
  })
}

/** The same device with other limits, as the runtime cannot go below the default ones. */
function limited(gpu: Gpu, limits: Gpu['limits']): Gpu {
  return {
    ...gpu,
    limits,
    get failure() {
      return gpu.failure
    },
  }
}

// Which variants a device runs: what is measured, what is told, and what happens where measuring does not work. And the
// fused linear itself, forced: every scale block, gate and odd width, against one op after the other. In Node.
import { afterAll, describe, expect, it, vi } from 'vitest'
import halvesF16 from '../../../shaders/parts/halves_f16.wgsl?raw'
import halvesPlain from '../../../shaders/parts/halves_plain.wgsl?raw'
import { LINEAR_KINDS } from '../../../src/backend/cases.ts'
import { openGpu } from '../../../src/backend/webgpu/device.ts'
import { FORMS, rowRoom } from '../../../src/backend/webgpu/forms.ts'
import { fastest, tune } from '../../../src/backend/webgpu/tune.ts'
import { createWebGpuBackend } from '../../../src/backend/webgpu/webgpu-backend.ts'
import { webGpuFactory } from '../../../src/backend/webgpu/webgpu-factory.ts'
import { adapterHere, nodeGpu, rewritten, sharedGpu } from '../../support/webgpu.ts'
import { near } from '../near.ts'
import * as ops from '../ops.ts'

/** SwiftShader compiles large shaders for seconds each, and longer beside other work. */
vi.setConfig({ testTimeout: 240_000 })

const SEED = 20261128
const adapter = await adapterHere()
const TERNARY = LINEAR_KINDS.filter(k => k.layout === 't2' && k.activations === 'int8')
const SOFTWARE = { allowSoftwareAdapter: true } as const
const MODEL = { linears: TERNARY, gates: ['relu2'] } as const
const CANDIDATES = ['packed', 'i32', 'f32', ...FORMS]
const ATTENTION = { kv: 'f16', headDim: 64 } as const
const HAS_SUBGROUPS = (await nodeGpu().requestAdapter())?.features.has('subgroups') === true

describe('a choice', () => {
  it('is another than the first only where it gains more than the noise', () => {
    const ms = { a: 10, b: 9.8, c: 9.6, d: 9.5 }
    expect(fastest(['a', 'b'], ms)).toBe('a')
    expect(fastest(['a', 'b', 'c'], ms)).toBe('c')
    expect(fastest(['a', 'c', 'd'], ms)).toBe('d')
    expect(fastest(['d', 'c', 'a'], ms)).toBe('d')
  })

  it('has no fused form for rows that its workgroup memory cannot hold', () => {
    expect([64, 1536, 6912, 10_240, 10_241].map(rowRoom)).toEqual([64, 128, 512, 640, undefined])
  })
})

describe.skipIf(adapter === undefined)('on a device', () => {
  const used: ops.Resetable[] = []
  afterAll(() => {
    for (const one of used) one.close()
  })
  const on = (form: (typeof FORMS)[number]): ops.Resetable => {
    const made = ops.resetable(async () =>
      createWebGpuBackend({ gpu: await sharedGpu(), limits: ops.LIMITS, form }),
    )
    used.push(made)
    return made
  }

  it('every loop and form is measured, and the choice is one of them', async () => {
    const gpu = await openGpu(nodeGpu(), { allowSoftwareAdapter: true })
    const tuning = await tune(gpu, { ...MODEL, cols: 200, anyAdapter: true })
    expect(tuning.source).toBe('measured')
    // A model whose cache is not told of has no attention here.
    const reductions = HAS_SUBGROUPS ? ['tree', 'subgroups'] : []
    expect(Object.keys(tuning.ms).sort()).toEqual([...CANDIDATES, ...reductions].sort())
    for (const name of CANDIDATES) expect(tuning.reason).toContain(name)
    // Every form gave what the plain one gives.
    expect(tuning.reason).not.toContain('left out')
    expect(gpu.pipelines.choice.inner).toBe(tuning.innerLoop)
    expect(FORMS).toContain(tuning.form)
    expect(gpu.failure).toBeUndefined()
    gpu.close()
  })

  /** What tune() finds where the shaders are other ones. */
  async function tuned(rewrite: (code: string) => string, pretended?: GPUFeatureName) {
    const gpu = await openGpu(rewritten(nodeGpu(), rewrite, pretended), SOFTWARE)
    const tuning = await tune(gpu, {
      ...MODEL,
      ...ATTENTION,
      gates: [],
      cols: 64,
      anyAdapter: true,
    })
    const { choice } = gpu.pipelines
    expect(gpu.failure).toBeUndefined()
    gpu.close()
    return { tuning, choice }
  }

  it('reductions and halves are measured with attention, where the device has the features', async () => {
    // This adapter has no f16: the type is taken for the plain reading of two halves.
    const plainly = (code: string) =>
      code.replace('enable f16;', '').replace(halvesF16, halvesPlain)
    const { tuning, choice } = await tuned(plainly, 'shader-f16')
    const measured = Object.keys(tuning.ms)
    expect(measured).toEqual(expect.arrayContaining(['unpacked', 'f16']))
    if (HAS_SUBGROUPS) expect(measured).toEqual(expect.arrayContaining(['tree', 'subgroups']))
    expect(tuning.reason).not.toContain('left out')
    // What was faster is what runs, and what is told.
    const faster = <T extends string>(a: T, b: T) => fastest([a, b], tuning.ms)
    expect(tuning.halves).toBe(faster('unpacked', 'f16'))
    if (HAS_SUBGROUPS) expect(tuning.reductions).toBe(faster('tree', 'subgroups'))
    expect([choice.f16, choice.subgroups]).toEqual([
      tuning.halves === 'f16',
      tuning.reductions === 'subgroups',
    ])
  })

  it('what differs, or does not start, is left out by name', async () => {
    const broken = (code: string) =>
      code
        .replace('return subgroupMax(value);', 'return value / 2u;')
        .replace('enable f16;', 'enable no_such_thing;')
    const { tuning, choice } = await tuned(broken, 'shader-f16')
    expect(tuning.reason).toMatch(/; f16 does not start and is left out: .*no_such_thing/s)
    if (HAS_SUBGROUPS) expect(tuning.reason).toMatch(/; subgroups is off by .* and left out/)
    expect(tuning).toMatchObject({ reductions: 'tree', halves: 'unpacked' })
    expect(choice).toMatchObject({ subgroups: false, f16: false })
  })

  it.skipIf(!HAS_SUBGROUPS)(
    'a shader that subgroups keep from compiling is the plain one',
    async () => {
      const broken = (code: string) =>
        code.includes('fn linear_flat')
          ? code.replace('enable subgroups;', 'enable nothing;')
          : code
      const choice = { subgroups: true }
      // On Dawn's null backend: it compiles as every device of Dawn does, up to the driver, and runs nothing.
      const gpu = () => rewritten(nodeGpu('backend=null'), broken)
      const factory = webGpuFactory(gpu, { ...SOFTWARE, choice })
      const linears = LINEAR_KINDS.filter(k => k.layout === 'i8' && k.activations === 'int8')
      const needs = { linears, tables: [], gates: [], headDim: 64, kv: 'f16' } as const
      const limits = { maxRows: 1, maxContext: 32, maxCols: 64 }
      const backend = await factory.create(1e8, limits, needs)
      const { features, tuning } = backend.gpuStats!()
      expect(features).not.toContain('subgroups')
      expect(tuning).toMatchObject({ reductions: 'tree' })
      expect(tuning!.reason).toContain('subgroups or f16 do not compile')
      backend.close()
    },
  )

  it('a software adapter, and a model without such matrices, are not measured, by name', async () => {
    const gpu = await openGpu(nodeGpu(), { allowSoftwareAdapter: true })
    const soft = await tune(gpu, { ...MODEL, cols: 64 })
    expect(soft).toMatchObject({ source: 'skipped', form: 'once', ms: {} })
    expect(soft.reason).toContain('computes on the CPU')
    const none = await tune(gpu, { ...MODEL, cols: 64, linears: [], anyAdapter: true })
    expect(none.reason).toContain('no ternary matrices')
    gpu.close()
  })

  it('is told by the backends of a factory, which run it', async () => {
    const tuning = {
      form: 'producer',
      innerLoop: 'i32',
      reductions: 'tree',
      halves: 'unpacked',
      source: 'measured',
      reason: 'as the test has it',
      ms: {},
    } as const
    const factory = webGpuFactory(() => nodeGpu('backend=null'), { tuning })
    const linears = TERNARY.slice(0, 1)
    const needs = { linears, tables: [], gates: [], headDim: 64, kv: 'f16' } as const
    const limits = { maxRows: 1, maxContext: 32, maxCols: 64 }
    const backend = await factory.create(1e8, limits, needs)
    expect(backend.gpuStats?.()).toMatchObject({ form: 'producer', tuning })
    backend.close()
  })

  it('a fused linear gives the bits of norm, gate, rounding and linear', async () => {
    const [once, fused] = [on('once'), on('fused')]
    for (const kind of TERNARY) {
      // A part of a tile, several, and as wide as they come; gates in one width each.
      for (const [rows, cols, gate] of [
        [37, 50, undefined],
        [70, 320, undefined],
        [37, 50, 'silu'],
        [70, 320, 'relu2'],
        [6, 8640, kind.scaleBlock > 0 ? 'silu' : 'relu2'],
      ] as const) {
        // Layouts meet widths in the smaller ones: of the widest, one with blocks and one without.
        if (cols === 8640 && kind !== TERNARY.find(k => k.scaleBlock > 0 === kind.scaleBlock > 0))
          continue
        await Promise.all([once.ready(), fused.ready()])
        const run = (backend: ops.Resetable) =>
          ops.layerRows(backend, { ...kind, rows, cols, gate }, SEED)
        ops.sameBits(await run(fused), await run(once))
      }
    }
  })

  it('sums of squares from the producer are as near as sums in another order are', async () => {
    const [once, producer] = [on('once'), on('producer')]
    for (const kind of TERNARY) {
      await Promise.all([once.ready(), producer.ready()])
      const c = { ...kind, rows: 320, cols: 320, gate: undefined }
      const [got, want] = [
        await ops.layerRows(producer, c, SEED),
        await ops.layerRows(once, c, SEED),
      ]
      // A value at a tie may round the other way: a step of 127 of one weight's row.
      near(got, want, 2e-3)
    }
  })
})

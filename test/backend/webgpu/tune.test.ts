// Which variants a device runs: what is measured, what is told, and what happens where measuring does not work. And the
// fused linear itself, forced: every scale block, gate and odd width, against one op after the other. In Node.
import { afterAll, describe, expect, it, vi } from 'vitest'
import { LINEAR_KINDS } from '../../../src/backend/cases.ts'
import { openGpu } from '../../../src/backend/webgpu/device.ts'
import { FORMS, rowRoom } from '../../../src/backend/webgpu/forms.ts'
import { fastest, tune } from '../../../src/backend/webgpu/tune.ts'
import { createWebGpuBackend } from '../../../src/backend/webgpu/webgpu-backend.ts'
import { webGpuFactory } from '../../../src/backend/webgpu/webgpu-factory.ts'
import { adapterHere, nodeGpu, sharedGpu } from '../../support/webgpu.ts'
import { near } from '../near.ts'
import * as ops from '../ops.ts'

/** SwiftShader compiles large shaders for seconds each, and longer beside other work. */
vi.setConfig({ testTimeout: 240_000 })

const SEED = 20261128
const adapter = await adapterHere()
const TERNARY = LINEAR_KINDS.filter(k => k.layout === 't2' && k.activations === 'int8')
const MODEL = { linears: TERNARY, gates: ['relu2'] } as const
const CANDIDATES = ['packed', 'i32', 'f32', ...FORMS]

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
    expect(Object.keys(tuning.ms).sort()).toEqual([...CANDIDATES].sort())
    for (const name of CANDIDATES) expect(tuning.reason).toContain(name)
    // Every form gave what the plain one gives.
    expect(tuning.reason).not.toContain('left out')
    expect(gpu.pipelines.choice.inner).toBe(tuning.innerLoop)
    expect(FORMS).toContain(tuning.form)
    expect(gpu.failure).toBeUndefined()
    gpu.close()
  })

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

// Times of dispatches: both ways of taking them name every shader that ran, count each once, and change no bit of what
// is computed. On SwiftShader in Node, so that no time is judged but for being one.
import { afterAll, describe, expect, it } from 'vitest'
import { type Gpu, openGpu } from '../../../src/backend/webgpu/device.ts'
import { createWebGpuBackend } from '../../../src/backend/webgpu/webgpu-backend.ts'
import { adapterHere, nodeGpu, sharedGpu } from '../../support/webgpu.ts'
import * as ops from '../ops.ts'

const SEED = 20261128
const adapter = await adapterHere()
const LINEAR = { layout: 't2', rows: 37, cols: 200, scaleBlock: 0, activations: 'int8' } as const
const HEADS = { heads: 4, kvHeads: 2, headDim: 64, ropeDim: 64, type: 'f16' } as const
const ATTEND = { ...HEADS, pairing: 'neox', qkNorm: false } as const

describe.skipIf(adapter === undefined)('profiling', () => {
  const used: ops.Resetable[] = []
  afterAll(() => {
    for (const one of used) one.close()
  })
  const on = (gpu: Gpu): ops.Resetable => {
    const made = ops.resetable(async () => createWebGpuBackend({ gpu, limits: ops.LIMITS }))
    used.push(made)
    return made
  }

  it.each(['timestamp-query', 'a submit a dispatch'] as const)('by %s', async method => {
    const options = { allowSoftwareAdapter: true, profile: true } as const
    const gpu = await openGpu(nodeGpu(), options)
    const has = (await nodeGpu().requestAdapter())?.features.has('timestamp-query')
    expect(gpu.timestamps).toBe(has)
    if (method === 'timestamp-query' && !has) return // an adapter without a clock: the other way is what runs
    const asked = { ...gpu, timestamps: method === 'timestamp-query', failure: undefined }
    const [profiled, plain] = [on(asked), on(await sharedGpu())]
    for (const one of [profiled, plain]) await one.reset()
    const run = async (backend: ops.Resetable) => [
      await ops.linearRows(backend, [LINEAR], 1, SEED),
      await ops.linearRows(backend, [LINEAR], 9, SEED),
      // A prompt in tiles, a row alone.
      await ops.attendRows(backend, ATTEND, [9, 1], SEED),
    ]
    const [got, want] = [await run(profiled), await run(plain)]
    for (const [i, values] of got.entries()) ops.sameBits(values, want[i]!)

    const backend = profiled.backend as ReturnType<typeof createWebGpuBackend>
    expect(backend.gpuStats().profile).toBe(method)
    await backend.answer() // times come behind the results
    await new Promise(resolve => setTimeout(resolve, 50))
    const times = backend.opTimes()!
    const calls = Object.fromEntries(times.map(({ op, calls }) => [op, calls]))
    expect(calls).toMatchObject({ linear_t2: 1, linear_t2_tile: 1, rows: 2 })
    expect(calls).toMatchObject({ rope_append: 2, attend_tile: 1, attend: 1 })
    for (const { ms } of times) expect(ms).toBeGreaterThanOrEqual(0)
    expect(times.reduce((sum, { ms }) => sum + ms, 0)).toBeGreaterThan(0)
    expect(times).toEqual([...times].sort((a, b) => b.ms - a.ms))
    expect(gpu.failure).toBeUndefined()
    gpu.close()
  })

  it('is off unless it is asked for', async () => {
    const plain = on(await sharedGpu())
    await plain.reset()
    const backend = plain.backend as ReturnType<typeof createWebGpuBackend>
    expect([backend.opTimes(), backend.gpuStats().profile]).toEqual([undefined, undefined])
    expect((await sharedGpu()).device.features.has('timestamp-query')).toBe(false)
  })
})

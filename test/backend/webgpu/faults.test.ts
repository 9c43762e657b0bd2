// What a GPU does wrong without a word, provoked by a wrapper round the device (counted.ts): steps that are
// left out, memory that is refused, reads that never come, shaders that are wrong only at times. Each ends with
// a code, frees what it took, and the load sequence names it. On SwiftShader in Node.
import { afterEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../../src/backend/backend.ts'
import type { BackendFactory } from '../../../src/backend/factory.ts'
import type { Gpu } from '../../../src/backend/webgpu/device.ts'
import {
  createWebGpuBackend,
  scratchBytes,
  TRAITS,
  type WebGpuBackend,
} from '../../../src/backend/webgpu/webgpu-backend.ts'
import { openEngineParts } from '../../../src/engine/load/open-parts.ts'
import { CASES, caseFiles } from '../../golden/load.ts'
import { referenceFactory } from '../../support/open.ts'
import { wasmFactory } from '../../support/wasm.ts'
import { adapterHere, sharedGpu } from '../../support/webgpu.ts'
import { counted, type Instead } from './counted.ts'

const adapter = await adapterHere()
const LIMITS = { maxRows: 8, maxContext: 32, maxCols: 64 }
const CASE = CASES.find(c => c.name === 'b158-x86')!

function slotOf(backend: Backend, values: readonly number[]) {
  const slot = backend.alloc(4 * values.length, 'data')
  backend.writer(slot).write(0, new Uint8Array(Float32Array.from(values).buffer))
  return slot
}

/** An add of ones, read back. */
async function addOnce(
  backend: Backend,
  slots: { sum: ReturnType<typeof slotOf>; one: ReturnType<typeof slotOf> },
) {
  backend.add(slots.sum, slots.one, 4)
  return [...(await backend.read(slots.sum, 0, 4))]
}

describe.skipIf(adapter === undefined)(`on ${adapter ?? 'no adapter'}`, () => {
  const open: WebGpuBackend[] = []
  afterEach(() => {
    for (const backend of open.splice(0)) backend.close()
  })
  const make = (gpu: Gpu): WebGpuBackend => {
    const backend = createWebGpuBackend({ gpu, limits: LIMITS })
    open.push(backend)
    return backend
  }

  it('a step that is left out is caught by its number, not taken for the one before', async () => {
    let leaveOut = false
    const broken: Instead = (call, _, real) => {
      if (!(leaveOut && call === 'submit')) return real()
      leaveOut = false
      return undefined // the whole submit is dropped, as after an invalid command
    }
    const { gpu } = counted(await sharedGpu(), broken)
    const backend = make(gpu)
    const slots = { sum: slotOf(backend, [0, 0, 0, 0]), one: slotOf(backend, [1, 1, 1, 1]) }
    expect(await addOnce(backend, slots)).toEqual([1, 1, 1, 1])
    leaveOut = true
    await expect(addOnce(backend, slots)).rejects.toMatchObject({
      code: 'DEVICE_LOST',
      message: expect.stringContaining('left out step'),
    })
    // It computes no more: nobody knows what else is missing.
    expect(() => backend.add(slots.sum, slots.one, 4)).toThrow('left out step')
  })

  it('a command that is invalid ends it, by the error that nobody caught', async () => {
    const real = await sharedGpu({ inner: 'f32' }) // a device of its own: it is spoiled
    const backend = make(real)
    const slots = { sum: slotOf(backend, [0, 0, 0, 0]), one: slotOf(backend, [1, 1, 1, 1]) }
    const encoder = real.device.createCommandEncoder()
    encoder.copyBufferToBuffer(
      real.device.createBuffer({ size: 4, usage: 8 }),
      0,
      real.device.createBuffer({ size: 4, usage: 8 }),
      0,
      4,
    )
    encoder.finish()
    expect(await backend.lost).toMatchObject({ code: 'DEVICE_LOST' })
    expect(() => backend.add(slots.sum, slots.one, 4)).toThrow('refused a command')
  })

  it('memory that is refused comes out of settle() as GPU_OOM with the label', async () => {
    const real = await sharedGpu()
    const device = new Proxy(real.device, {
      get(target, key) {
        const value = Reflect.get(target, key, target) as unknown
        if (key !== 'popErrorScope') return typeof value === 'function' ? value.bind(target) : value
        return async () => {
          const error = await target.popErrorScope()
          return refuse ? { message: 'out of memory' } : error
        }
      },
    })
    let refuse = false
    const backend = make({
      ...real,
      device,
      get failure() {
        return undefined
      },
    })
    await backend.settle(true)
    refuse = true
    backend.alloc(1024, 'a large matrix')
    await expect(backend.settle(true)).rejects.toMatchObject({
      code: 'GPU_OOM',
      message: expect.stringContaining('a large matrix'),
    })
  })

  it('at most 64 MiB are written before it is waited for', async () => {
    const backend = make(await sharedGpu())
    const slot = backend.alloc(96 * 2 ** 20, 'a large matrix')
    const piece = new Uint8Array(8 * 2 ** 20)
    let waits = 0
    for (let at = 0; at < slot.bytes; at += piece.length) {
      backend.writer(slot).write(at, piece)
      const arrived = backend.settle(false)
      if (arrived === undefined) continue
      waits++
      expect(at + piece.length).toBe(64 * 2 ** 20)
      await arrived
    }
    expect(waits).toBe(1)
  })

  it('every buffer is destroyed when it is closed', async () => {
    const live = new Set<object>()
    const { gpu } = counted(await sharedGpu(), (call, _, real) => {
      const result = real()
      if (call === 'createBuffer') {
        const buffer = result as GPUBuffer
        const destroy = buffer.destroy.bind(buffer)
        live.add(buffer)
        buffer.destroy = () => {
          live.delete(buffer)
          destroy()
          return undefined
        }
      }
      return result
    })
    const backend = make(gpu)
    backend.createKv({ layers: 2, kvHeads: 2, headDim: 32, blocks: 2, type: 'f16' })
    const slots = { sum: slotOf(backend, [0, 0, 0, 0]), one: slotOf(backend, [1, 1, 1, 1]) }
    await addOnce(backend, slots)
    expect(live.size).toBeGreaterThan(10)
    expect(backend.gpuStats().buffers).toBe(live.size)
    backend.close()
    expect(live.size).toBe(0)
  })

  it.each([1, 4, 12, 30, 48])(
    'memory refused for buffer %i of a load: the CPU takes it, all is freed',
    async k => {
      const real = await sharedGpu()
      const live = new Set<object>()
      let made = 0
      const device = new Proxy(real.device, {
        get(target, key) {
          const value = Reflect.get(target, key, target) as unknown
          if (typeof value !== 'function') return value
          if (key === 'popErrorScope') {
            const refuse = made === k
            return async () => {
              const error = await target.popErrorScope()
              return refuse ? { message: 'out of memory' } : error
            }
          }
          if (key !== 'createBuffer') return value.bind(target)
          return (descriptor: GPUBufferDescriptor) => {
            made++
            const buffer = target.createBuffer(descriptor)
            const destroy = buffer.destroy.bind(buffer)
            live.add(buffer)
            buffer.destroy = () => {
              live.delete(buffer)
              destroy()
              return undefined
            }
            return buffer
          }
        },
      })
      const gpu: Gpu = {
        ...real,
        device,
        get failure() {
          return undefined
        },
      }
      const factory: BackendFactory = {
        path: { backend: 'webgpu', adapter: '' },
        traits: TRAITS,
        scratchBytes,
        async create(memoryBytes, limits) {
          const backend = createWebGpuBackend({ gpu, limits, memoryBytes })
          await backend.settle(true)?.catch((error: unknown) => {
            backend.close()
            throw error
          })
          return backend
        },
      }
      const parts = await openEngineParts(
        caseFiles(CASE)[0]!,
        { contextLength: 64, maxSequences: 1 },
        { progress: () => undefined, signal: new AbortController().signal },
        [factory, wasmFactory('simd128', 1)],
      )
      parts.close()
      expect(made).toBeGreaterThanOrEqual(k)
      expect(parts.path.backend).toBe('wasm')
      expect(parts.fallbacks[0]?.reason).toContain('out of memory')
      expect(live.size).toBe(0)
      expect(real.failure).toBeUndefined()
    },
  )

  describe('a shader that is wrong', () => {
    /** A path on the shared device on which results are spoiled. */
    function spoiled(
      spoil: (op: string, nth: number, values: Float32Array) => void,
    ): BackendFactory {
      let nth = 0
      return {
        path: { backend: 'webgpu', adapter: '' },
        traits: TRAITS,
        scratchBytes,
        async create(memoryBytes, limits) {
          const real = createWebGpuBackend({ gpu: await sharedGpu(), limits, memoryBytes })
          let last = ''
          return new Proxy(real, {
            get(target, key) {
              const value = Reflect.get(target, key, target) as unknown
              if (typeof value !== 'function') return value
              return (...given: unknown[]) => {
                const result = value.apply(target, given) as unknown
                if (key !== 'read') last = String(key)
                if (key === 'draw') {
                  return (result as Promise<Int32Array>).then(ids => {
                    const values = Float32Array.from(ids)
                    spoil('draw', ++nth, values)
                    return Int32Array.from(values)
                  })
                }
                if (key !== 'read') return result
                return (result as Promise<Float32Array>).then(values => {
                  const copy = values.slice()
                  spoil(last, ++nth, copy)
                  return copy
                })
              }
            },
          })
        },
      }
    }

    const load = (factory: BackendFactory) =>
      openEngineParts(
        caseFiles(CASE)[0]!,
        { contextLength: 64, maxSequences: 1 },
        { progress: () => undefined, signal: new AbortController().signal },
        [factory, wasmFactory('simd128', 1)],
        undefined,
        { reference: referenceFactory },
      )

    it.each([
      ['always', () => true],
      ['only from the 40th result on', (_: string, nth: number) => nth >= 40],
      ['only in attention', (op: string) => op === 'attend'],
      ['only in drawing', (op: string) => op === 'draw'],
    ])('%s is refused by name', async (_, when) => {
      const parts = await load(
        spoiled((op, nth, values) => {
          if (when(op, nth)) values[0] = values[0]! * 1.1 + 1
        }),
      )
      parts.close()
      expect(parts.path.backend).toBe('wasm')
      expect(parts.fallbacks[0]).toMatchObject({ from: 'WebGPU' })
      expect(parts.fallbacks[0]!.reason).toContain('self-test failed: ')
    })
  })
})

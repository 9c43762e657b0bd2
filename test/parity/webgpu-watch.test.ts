// A real device that is looked at again while nothing runs, on SwiftShader in Node: one that stays right stays, on the
// device that is open; one that becomes wrong is refused by name. engine/faults/gpu-watch.test.ts has the cases, with a fake.
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { BackendFactory } from '../../src/backend/factory.ts'
import { webGpuFactory } from '../../src/backend/webgpu/webgpu-factory.ts'
import { Engine } from '../../src/engine/engine.ts'
import { openEngineParts } from '../../src/engine/load/open-parts.ts'
import { CASES, caseFiles } from '../golden/load.ts'
import { referenceFactory } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'
import { adapterHere, nodeGpu } from '../support/webgpu.ts'

const adapter = await adapterHere()
const CASE = CASES.find(c => c.name === 'b158-x86')!
const CPU = wasmFactory('simd128', 1)
const IDLE_MS = 200
const waitFor = (check: () => void) => vi.waitFor(check, { timeout: 110_000, interval: 50 })

/** A device whose copies of what is written to it may begin to differ; its buffers are counted. */
function fickle() {
  const real = nodeGpu()
  const told = { devices: 0, buffers: 0, wrong: false }
  const wrap = <T extends object>(target: T, own: Record<string, unknown>): T =>
    new Proxy(target, {
      get(object, key) {
        if (typeof key === 'string' && key in own) return own[key]
        const value = Reflect.get(object, key, object) as unknown
        return typeof value === 'function' ? value.bind(object) : value
      },
    })
  const deviceOf = (device: GPUDevice): GPUDevice => {
    const queue = wrap(device.queue, {
      writeBuffer(buffer: GPUBuffer, at: number, data: ArrayBuffer, from?: number, size?: number) {
        device.queue.writeBuffer(buffer, at, data, from, size)
        // A bit of the largest floats and weights: nothing that says where to read.
        if (told.wrong && (size ?? data.byteLength) > 4000) {
          device.queue.writeBuffer(buffer, at + 1024, new Uint8Array(64).fill(0x40))
        }
      },
    })
    return wrap(device, {
      queue,
      createBuffer(descriptor: GPUBufferDescriptor) {
        const buffer = device.createBuffer(descriptor)
        const destroy = buffer.destroy.bind(buffer)
        told.buffers++
        buffer.destroy = () => {
          told.buffers--
          destroy()
        }
        return buffer
      },
    })
  }
  const gpu = {
    wgslLanguageFeatures: real.wgslLanguageFeatures,
    async requestAdapter(options?: GPURequestAdapterOptions) {
      const found = await real.requestAdapter(options)
      if (found === null) return null
      return wrap(found, {
        async requestDevice(descriptor: GPUDeviceDescriptor) {
          told.devices++
          return deviceOf(await found.requestDevice(descriptor))
        },
      })
    },
  }
  return { gpu: gpu as unknown as GPU, told }
}

const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close()
})

async function openEngine(factories: readonly BackendFactory[]): Promise<Engine> {
  const hooks = { progress: () => undefined, signal: new AbortController().signal }
  const options = { contextLength: 64 }
  const guards = { reference: referenceFactory }
  const parts = await openEngineParts(
    caseFiles(CASE)[0]!,
    options,
    hooks,
    factories,
    undefined,
    guards,
  )
  const engine = new Engine(parts, {}, { idleMs: IDLE_MS })
  open.push(engine)
  return engine
}

function tokensOf(engine: Engine): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const options = { maxTokens: 8, temperature: 0, ignoreEos: true }
    engine.generate({ kind: 'text', text: 'a b c d' }, options, {
      token: () => undefined,
      done: result => resolve(result.tokens),
      error: reject,
    })
  })
}

describe.skipIf(adapter === undefined)(`an idle device on ${adapter ?? 'no adapter'}`, () => {
  it('that is right is looked at again and again, on its own, and left as it was', async () => {
    const { gpu, told } = fickle()
    const marks: string[] = []
    const mark = {
      found: async () => false,
      set: async () => void marks.push('set'),
      clear: async () => void marks.push('clear'),
    }
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true, mark })
    const engine = await openEngine([factory, CPU])
    expect(engine.stats()).toMatchObject({ backend: 'webgpu', gpu: { proofs: 0 } })
    const want = await tokensOf(engine)
    const [buffers, marked] = [told.buffers, marks.length]
    await waitFor(() => expect(engine.stats().gpu!.proofs).toBeGreaterThan(1))
    expect(await tokensOf(engine)).toEqual(want)
    expect(told.devices).toBe(1)
    await waitFor(() => expect(told.buffers).toBeLessThanOrEqual(buffers + 2))
    // Whoever closes the page meanwhile has seen no crash.
    expect(marks).toHaveLength(marked)
    expect(engine.stats().backend).toBe('webgpu')
  }, 120_000)

  it('that becomes wrong is refused by name, remembered, and the answer is the CPU’s', async () => {
    const { gpu, told } = fickle()
    const notes: string[] = []
    const losses = {
      found: async () => undefined,
      note: async (why: string) => void notes.push(why),
    }
    const factory = webGpuFactory(() => gpu, { allowSoftwareAdapter: true, losses })
    const want = await tokensOf(await openEngine([CPU]))
    const engine = await openEngine([factory, CPU])
    expect(engine.stats().backend).toBe('webgpu')
    told.wrong = true
    await waitFor(() => expect(engine.stats().backend).toBe('wasm'))
    const { reason } = engine.stats().fallbacks[0]!
    expect(reason).toMatch(/^the GPU began to differ: .* gives .* as value \d+, and .* is right$/)
    expect(await tokensOf(engine)).toEqual(want)
    expect(notes).toEqual([reason])
    expect(told.devices).toBe(1)
  }, 120_000)
})

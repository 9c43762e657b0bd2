// Asking for a device: adapters that come late, never or not at all, devices that refuse, adapters that compute
// on the CPU, and devices that end. The browser's side is a fake; conformance.test.ts has a real one.
import { describe, expect, it, vi } from 'vitest'
import { type GpuOptions, openGpu } from '../../../src/backend/webgpu/device.ts'
import { webGpuFactory } from '../../../src/backend/webgpu/webgpu-factory.ts'

interface Fake {
  /** What requestAdapter() gives, one call after the other; the last one stays. */
  adapters?: (GPUAdapter | null | Error | 'never')[]
  info?: Partial<GPUAdapterInfo>
  features?: string[]
  refuse?: (asked: GPUDeviceDescriptor) => boolean
}

function fake({ adapters, info = {}, features = [], refuse = () => false }: Fake) {
  const asked: GPUDeviceDescriptor[] = []
  const listeners = new Map<string, (event: unknown) => void>()
  let lose: (info: { reason: string; message: string }) => void = () => undefined
  const device = {
    limits: { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 },
    lost: new Promise(resolve => {
      lose = resolve
    }),
    addEventListener: (type: string, listener: (event: unknown) => void) =>
      listeners.set(type, listener),
    destroy: vi.fn(),
  }
  const adapter = {
    info: { vendor: 'acme', architecture: 'anvil', description: '', ...info },
    features: new Set(features),
    limits: { maxBufferSize: 2 ** 30, maxStorageBufferBindingSize: 2 ** 29 },
    async requestDevice(descriptor: GPUDeviceDescriptor) {
      asked.push(descriptor)
      if (refuse(descriptor)) throw new TypeError('refused')
      return device
    },
  } as unknown as GPUAdapter
  const answers = adapters ?? [adapter]
  const requestAdapter = vi.fn(async () => {
    const answer = answers[Math.min(requestAdapter.mock.calls.length, answers.length) - 1]!
    if (answer === 'never') return new Promise<null>(() => undefined)
    if (answer instanceof Error) throw answer
    return answer
  })
  const gpu = { requestAdapter, wgslLanguageFeatures: new Set<string>() } as unknown as GPU
  return { gpu, adapter, requestAdapter, asked, device, lose, listeners }
}

const failure = (gpu: GPU | undefined, options?: GpuOptions) =>
  openGpu(gpu, options).catch((error: unknown) => error)

describe('an adapter', () => {
  it('that is null at first is asked for once more after 300 ms, and never remembered', async () => {
    const { adapter } = fake({})
    const late = fake({ adapters: [null, adapter] })
    const began = performance.now()
    const opened = await openGpu(late.gpu)
    expect(performance.now() - began).toBeGreaterThan(290)
    expect(late.requestAdapter).toHaveBeenCalledTimes(2)
    expect(opened.info.vendor).toBe('acme')
    const none = fake({ adapters: [null] })
    expect(await failure(none.gpu)).toMatchObject({ code: 'UNSUPPORTED_FEATURE' })
    expect(none.requestAdapter).toHaveBeenCalledTimes(2)
  })

  it('that never comes, or is refused, or is not there, is told with its reason', async () => {
    const never = fake({ adapters: ['never'] })
    expect(await failure(never.gpu, { limitMs: 20 })).toMatchObject({
      code: 'UNSUPPORTED_FEATURE',
      message: expect.stringContaining('within 20 ms'),
    })
    const refused = fake({ adapters: [new Error('blocked')] })
    expect(await failure(refused.gpu)).toMatchObject({
      message: expect.stringContaining('blocked'),
    })
    expect(await failure(undefined)).toMatchObject({ message: 'this browser has no WebGPU' })
  })

  it.each([
    ['isFallbackAdapter', { isFallbackAdapter: true }],
    ['architecture', { architecture: 'swiftshader' }],
    ['description', { description: 'llvmpipe (LLVM 15, 256 bits)' }],
    ['vendor', { vendor: 'Microsoft Basic Render Driver' }],
  ])('that computes on the CPU is refused (by %s) unless asked for', async (_, info) => {
    const software = fake({ info })
    expect(await failure(software.gpu)).toMatchObject({ code: 'UNSUPPORTED_FEATURE' })
    expect(software.asked).toEqual([])
    const opened = await openGpu(software.gpu, { allowSoftwareAdapter: true })
    expect(opened.info.software).toBe(true)
  })

  it('is not asked for before a backend is made', () => {
    const { gpu, requestAdapter } = fake({})
    const find = vi.fn(() => gpu)
    webGpuFactory(find)
    expect(find).not.toHaveBeenCalled()
    expect(requestAdapter).not.toHaveBeenCalled()
  })

  it('is asked for through whatever stands in its place: nothing that throws gets past the factory', async () => {
    const throwing = {
      get wgslLanguageFeatures(): never {
        throw new Error('blocked')
      },
      requestAdapter(): never {
        throw new TypeError('blocked')
      },
    } as unknown as GPU
    const odd = { requestAdapter: async () => ({ info: null }) } as unknown as GPU
    const answers: (() => GPU | undefined)[] = [
      () => {
        throw new Error('SecurityError')
      },
      () => undefined,
      () => null as unknown as undefined,
      () => throwing,
      () => odd,
    ]
    for (const find of answers) {
      const factory = webGpuFactory(find, { limitMs: 20 })
      const limits = { maxRows: 1, maxContext: 32, maxCols: 64 }
      await expect(factory.create(1e6, limits)).rejects.toMatchObject({
        code: 'UNSUPPORTED_FEATURE',
      })
      expect(await factory.identity!()).toBeUndefined()
    }
    const why = await Promise.all(answers.slice(0, 4).map(find => webGpuFactory(find).whyNot!()))
    expect(why).toEqual([...Array(3).fill('this browser has no WebGPU'), 'TypeError: blocked'])
  })

  it('may lack every field of its info', async () => {
    const bare = fake({})
    Object.assign(bare.adapter, { info: undefined })
    expect((await openGpu(bare.gpu)).info).toMatchObject({ vendor: '', software: false })
  })
})

describe('shaders', () => {
  const limits = { maxRows: 1, maxContext: 32, maxCols: 64 }
  const compiling = (pipeline: () => Promise<object>) => {
    const one = fake({})
    const asked: string[] = []
    vi.stubGlobal('GPUShaderStage', { COMPUTE: 4 })
    Object.assign(one.device, {
      pushErrorScope: () => undefined,
      popErrorScope: async () => null,
      createShaderModule: () => ({}),
      createBindGroupLayout: () => ({}),
      createPipelineLayout: () => ({}),
      createComputePipelineAsync: ({ label }: { label: string }) => {
        asked.push(label)
        return pipeline()
      },
    })
    return { ...one, labels: asked }
  }

  it('are all asked for before the first is there; one that hangs ends the start in its limit', async () => {
    const hanging = compiling(() => new Promise(() => undefined))
    const told: number[] = []
    const factory = webGpuFactory(() => hanging.gpu, {
      compileLimitMs: 30,
      onCompiled: done => told.push(done),
    })
    const began = performance.now()
    await expect(factory.create(1e6, limits)).rejects.toMatchObject({
      code: 'UNSUPPORTED_FEATURE',
      message: expect.stringMatching(/^the GPU's \d+ shaders did not compile within 30 ms$/),
    })
    expect(performance.now() - began).toBeLessThan(5000)
    expect(new Set(hanging.labels).size).toBeGreaterThan(40)
    expect(told).toEqual([])
    expect(hanging.device.destroy).toHaveBeenCalled()
  })

  it('of which one fails name it, and the device is given back', async () => {
    const failing = compiling(async () => {
      throw new Error('internal compiler error')
    })
    const factory = webGpuFactory(() => failing.gpu)
    await expect(factory.create(1e6, limits)).rejects.toMatchObject({
      code: 'UNSUPPORTED_FEATURE',
      message: expect.stringContaining('internal compiler error'),
    })
    expect(failing.device.destroy).toHaveBeenCalled()
  })
})

describe('a loss', () => {
  it('is remembered when it is real, and not when somebody destroyed the device', async () => {
    for (const [reason, notes] of [
      ['unknown', 1],
      ['destroyed', 0],
    ] as const) {
      const one = fake({})
      const note = vi.fn(async () => undefined)
      const losses = { found: async () => undefined, note }
      const factory = webGpuFactory(() => one.gpu, { losses })
      one.lose({ reason, message: 'gone' })
      await factory.create(1e6, { maxRows: 1, maxContext: 32, maxCols: 64 }).catch(() => undefined)
      await new Promise(resolve => setTimeout(resolve, 1))
      expect(note).toHaveBeenCalledTimes(notes)
    }
  })

  it('bars the next loads by name, and no adapter is asked for', async () => {
    const { gpu, requestAdapter } = fake({})
    const losses = { found: async () => 'the GPU was lost 5 min ago', note: async () => undefined }
    const factory = webGpuFactory(() => gpu, { losses })
    expect(await factory.whyNot!()).toBe('the GPU was lost 5 min ago')
    await expect(
      factory.create(1e6, { maxRows: 1, maxContext: 32, maxCols: 64 }),
    ).rejects.toMatchObject({ message: 'the GPU was lost 5 min ago' })
    expect(requestAdapter).not.toHaveBeenCalled()
  })
})

describe('a device', () => {
  it('that refuses the adapter’s limits is made with the defaults', async () => {
    const small = fake({ refuse: d => Object.keys(d.requiredLimits ?? {}).length > 0 })
    const { limits } = await openGpu(small.gpu)
    expect(small.asked).toHaveLength(2)
    expect(limits).toEqual({ maxBuffer: 2 ** 28, maxBinding: 2 ** 27 })
  })

  it('is asked of a fresh adapter after each refusal, as one that refused may be used up', async () => {
    const used = new Set<object>()
    const adapterOnce = () => {
      const one = fake({ refuse: d => Object.keys(d.requiredLimits ?? {}).length > 0 })
      const { requestDevice } = one.adapter
      one.adapter.requestDevice = descriptor => {
        if (used.has(one.adapter)) return Promise.reject(new Error('used up'))
        used.add(one.adapter)
        return requestDevice.call(one.adapter, descriptor)
      }
      return one.adapter
    }
    const { gpu } = fake({ adapters: [adapterOnce(), adapterOnce()] })
    expect((await openGpu(gpu)).limits.maxBuffer).toBe(2 ** 28)
    expect(used.size).toBe(2)
  })

  it('that refuses a feature is made without', async () => {
    const plain = fake({
      features: ['subgroups', 'shader-f16'],
      refuse: d => [...(d.requiredFeatures ?? [])].length > 0,
    })
    const { pipelines } = await openGpu(plain.gpu, { choice: { subgroups: true, f16: true } })
    expect(plain.asked).toHaveLength(3)
    expect(pipelines.choice).toMatchObject({ subgroups: false, f16: false })
  })

  it('that is lost, from birth or later, ends with DEVICE_LOST and the reason', async () => {
    const born = fake({})
    born.lose({ reason: 'unknown', message: 'gone' })
    const dead = await openGpu(born.gpu)
    expect(await dead.lost).toMatchObject({ code: 'DEVICE_LOST', detail: { reason: 'unknown' } })
    expect(dead.failure).toBeDefined()
  })

  it('with an error that nobody caught is not used any more', async () => {
    const odd = fake({})
    const opened = await openGpu(odd.gpu)
    expect(opened.failure).toBeUndefined()
    odd.listeners.get('uncapturederror')!({ error: { message: '65536 workgroups' } })
    expect(await opened.lost).toMatchObject({
      code: 'DEVICE_LOST',
      message: expect.stringContaining('65536 workgroups'),
    })
  })
})

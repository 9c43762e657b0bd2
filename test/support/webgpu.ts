// WebGPU in Node, for tests without a browser: Dawn from npm on SwiftShader, or on nothing (`null`), where
// shaders are validated and not run. One device a process and variant. Where there is no adapter, the tests
// are skipped by name.
import { create, globals } from 'webgpu'
import { type Gpu, type GpuOptions, openGpu } from '../../src/backend/webgpu/device.ts'

Object.assign(globalThis, globals)

/** Kept: a GPU object that is collected takes its devices along. */
const gpus = new Map<string, GPU>()

/** @param flags  e.g. 'backend=null', 'enable-dawn-features=polyfill_packed_4x8_dot_product' */
export function nodeGpu(...flags: string[]): GPU {
  const key = flags.join(' ')
  let gpu = gpus.get(key)
  if (gpu === undefined) {
    gpu = create(flags)
    gpus.set(key, gpu)
  }
  return gpu
}

/** The adapter's name, or nothing where this machine has none; see vitest.config.ts for SwiftShader's place. */
export async function adapterHere(): Promise<string | undefined> {
  const adapter = await nodeGpu().requestAdapter()
  return adapter?.info.description ?? (adapter === null ? undefined : 'an adapter without a name')
}

const devices = new Map<string, Promise<Gpu>>()

/** A device that all tests of a process share. */
export function sharedGpu(choice: GpuOptions['choice'] = {}): Promise<Gpu> {
  const key = JSON.stringify(choice)
  let device = devices.get(key)
  if (device === undefined) {
    device = openGpu(nodeGpu(), { allowSoftwareAdapter: true, choice })
    devices.set(key, device)
  }
  return device
}

/**
 * The same GPU, whose shaders are other ones than those that are handed in.
 * @param pretended  a feature that the adapter has not; the new shaders must do without
 */
export function rewritten(
  gpu: GPU,
  rewrite: (code: string) => string,
  pretended?: GPUFeatureName,
): GPU {
  const requestAdapter = async (options?: GPURequestAdapterOptions) => {
    const adapter = await gpu.requestAdapter(options)
    if (adapter === null) return null
    const requestDevice = async (asked: GPUDeviceDescriptor = {}) => {
      const requiredFeatures = [...(asked.requiredFeatures ?? [])].filter(f => f !== pretended)
      const device = await adapter.requestDevice({ ...asked, requiredFeatures })
      const create = device.createShaderModule.bind(device)
      device.createShaderModule = given => create({ ...given, code: rewrite(given.code) })
      return device
    }
    const features = new Set([...adapter.features, ...(pretended ? [pretended] : [])])
    const { info, limits } = adapter
    return { info, features, limits, requestDevice }
  }
  return { requestAdapter, wgslLanguageFeatures: gpu.wgslLanguageFeatures } as unknown as GPU
}

/** The largest that was asked of a device, and what was above its limits. */
export interface Asked {
  devices: GPUDeviceDescriptor[]
  buffer: number
  binding: number
  /** How many buffers had a label. */
  labels: Map<string, number>
  above: string[]
}

/**
 * The same GPU whose adapter raises no limit and has no feature.
 * @param lower  limits that devices say they have, below the default ones, which the runtime does not offer
 */
export function bounded(gpu: GPU, lower: Partial<GpuLimits> = {}): { gpu: GPU; asked: Asked } {
  const asked: Asked = { devices: [], buffer: 0, binding: 0, labels: new Map(), above: [] }
  const requestAdapter = async (options?: GPURequestAdapterOptions) => {
    const adapter = await gpu.requestAdapter(options)
    if (adapter === null) return null
    const requestDevice = async (descriptor: GPUDeviceDescriptor = {}) => {
      asked.devices.push(descriptor)
      if (Object.keys(descriptor.requiredLimits ?? {}).length > 0) throw new TypeError('a limit')
      return watch(await adapter.requestDevice(descriptor), lower, asked)
    }
    const { info, limits } = adapter
    return { info, features: new Set<string>(), limits, requestDevice }
  }
  const { wgslLanguageFeatures } = gpu
  return { gpu: { requestAdapter, wgslLanguageFeatures } as unknown as GPU, asked }
}

type GpuLimits = Pick<GPUSupportedLimits, 'maxBufferSize' | 'maxStorageBufferBindingSize'>

function watch(device: GPUDevice, lower: Partial<GpuLimits>, asked: Asked): GPUDevice {
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits
  const limits: GpuLimits = { maxBufferSize, maxStorageBufferBindingSize, ...lower }
  const above = (what: string, bytes: number, most: number): void => {
    if (bytes > most) asked.above.push(`${what}: ${bytes} of ${most}`)
  }
  const createBuffer = device.createBuffer.bind(device)
  const createBindGroup = device.createBindGroup.bind(device)
  const own = {
    limits,
    createBuffer(descriptor: GPUBufferDescriptor) {
      const { size, label = '' } = descriptor
      asked.buffer = Math.max(asked.buffer, size)
      asked.labels.set(label, (asked.labels.get(label) ?? 0) + 1)
      above(`buffer ${label}`, size, limits.maxBufferSize)
      return createBuffer(descriptor)
    },
    createBindGroup(descriptor: GPUBindGroupDescriptor) {
      for (const { resource } of descriptor.entries) {
        const { buffer, offset = 0, size } = resource as GPUBufferBinding
        const bytes = size ?? buffer.size - offset
        asked.binding = Math.max(asked.binding, bytes)
        above(`binding ${buffer.label}`, bytes, limits.maxStorageBufferBindingSize)
      }
      return createBindGroup(descriptor)
    },
  }
  return new Proxy(device, {
    get(target, key) {
      if (Object.hasOwn(own, key)) return own[key as keyof typeof own]
      const value = Reflect.get(target, key, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Adapters whose devices are remembered, and told at once. */
export function observed(
  real: GPU,
  tell: (device: GPUDevice) => void = () => undefined,
): { gpu: GPU; devices: GPUDevice[] } {
  const devices: GPUDevice[] = []
  const gpu = {
    wgslLanguageFeatures: real.wgslLanguageFeatures,
    async requestAdapter(options?: GPURequestAdapterOptions) {
      const found = await real.requestAdapter(options)
      if (found === null) return null
      return new Proxy(found, {
        get(target, key) {
          if (key !== 'requestDevice') return Reflect.get(target, key, target)
          return async (descriptor: GPUDeviceDescriptor) => {
            const device = await target.requestDevice(descriptor)
            devices.push(device)
            tell(device)
            return device
          }
        },
      })
    },
  }
  return { gpu: gpu as unknown as GPU, devices }
}

/** The same GPU, and the bytes that its devices hold, by label. */
export function held(real: GPU): { gpu: GPU; bytes: ReadonlyMap<string, number> } {
  const bytes = new Map<string, number>()
  const change = (label: string, by: number) => bytes.set(label, (bytes.get(label) ?? 0) + by)
  const { gpu } = observed(real, device => {
    const createBuffer = device.createBuffer.bind(device)
    device.createBuffer = descriptor => {
      const { label = '', size } = descriptor
      const buffer = createBuffer(descriptor)
      const destroy = buffer.destroy.bind(buffer)
      let isLive = true
      change(label, size)
      buffer.destroy = () => {
        if (isLive) change(label, -size)
        isLive = false
        return destroy()
      }
      return buffer
    }
  })
  return { gpu, bytes }
}

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

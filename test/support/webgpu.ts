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

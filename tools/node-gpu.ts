// WebGPU in Node for tools that run under tsx: Dawn from npm on the machine's Vulkan. Shaders are imported as texts
// (`?raw`), which a loader does here as Vite does elsewhere.
import { register } from 'node:module'
import type { BackendFactory } from '../src/backend/factory.ts'

const RAW = `
import { readFile } from 'node:fs/promises'
export async function load(url, context, next) {
  if (!url.endsWith('?raw')) return next(url, context)
  const text = String(await readFile(new URL(url)))
  return { format: 'module', shortCircuit: true, source: 'export default ' + JSON.stringify(text) }
}
`

/** The GPU of this machine as a backend; one that computes on the CPU is taken, too. */
export async function nodeGpuFactory(): Promise<BackendFactory> {
  register(`data:text/javascript,${encodeURIComponent(RAW)}`)
  const { create, globals } = await import('webgpu')
  Object.assign(globalThis, globals)
  const gpu = create([])
  const { webGpuFactory } = await import('../src/backend/webgpu/webgpu-factory.ts')
  return webGpuFactory(() => gpu, { allowSoftwareAdapter: true })
}

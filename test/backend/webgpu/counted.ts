// Wrappers round a device, for tests: one counts calls, one breaks them. A device's objects take no others'
// place, so calls go through to the real ones.
import type { Gpu } from '../../../src/backend/webgpu/device.ts'

const CALLS = [
  'submit',
  'writeBuffer',
  'beginComputePass',
  'dispatchWorkgroups',
  'dispatchWorkgroupsIndirect',
  'mapAsync',
  'createBuffer',
  'createBindGroup',
  'createComputePipeline',
  'createComputePipelineAsync',
  'createShaderModule',
] as const
export type Call = (typeof CALLS)[number]
export type Counts = Record<Call, number>

/** What is done in place of a call, or nothing: `real` makes it. */
export type Instead = (call: Call, nth: number, real: () => unknown) => unknown

/** The same GPU with its calls counted; `instead` may break them. */
export function counted(gpu: Gpu, instead?: Instead): { gpu: Gpu; counts: Counts } {
  const counts = Object.fromEntries(CALLS.map(call => [call, 0])) as Counts
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, key) {
        const value = Reflect.get(object, key, object) as unknown
        if (key === 'queue') return wrap(value as object)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          const call = CALLS.find(one => one === key)
          const real = () => Reflect.apply(value, object, args) as unknown
          if (call === undefined) return inner(key, real())
          counts[call]++
          const result = instead === undefined ? real() : instead(call, counts[call], real)
          return inner(key, result)
        }
      },
    })
  /** Encoders and passes count, too; buffers are bound as they are, and count by their own hook. */
  const inner = (key: string | symbol, result: unknown): unknown => {
    if (key === 'createCommandEncoder' || key === 'beginComputePass') return wrap(result as object)
    if (key === 'createBuffer') hookMap(result as GPUBuffer)
    return result
  }
  const hookMap = (buffer: GPUBuffer): void => {
    const real = buffer.mapAsync.bind(buffer)
    buffer.mapAsync = (...args) => {
      counts.mapAsync++
      const map = () => real(...args)
      return (
        instead === undefined ? map() : instead('mapAsync', counts.mapAsync, map)
      ) as Promise<undefined>
    }
  }
  return {
    gpu: {
      ...gpu,
      device: wrap(gpu.device),
      get failure() {
        return gpu.failure
      },
    },
    counts,
  }
}

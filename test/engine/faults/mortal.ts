// A path of kernels that calls itself a GPU, and dies when told. For tests of what follows.
import type { Backend } from '../../../src/backend/backend.ts'
import type { BackendFactory } from '../../../src/backend/factory.ts'
import { RyzError } from '../../../src/errors.ts'
import { wasmFactory } from '../../support/wasm.ts'

type Op = 'settle' | 'linear' | 'read' | 'readBlock' | 'writeBlock' | 'alloc'

const GUARDED = ['linear', 'read', 'readBlock', 'writeBlock', 'alloc'] as const

/** A path that calls itself a GPU; its ops fail from the moment that kill() is called. */
export function mortal() {
  const kernels = wasmFactory('simd128', 1)
  let died: RyzError | undefined
  /** One for each backend made, that of the self-test too. */
  const tell: ((error: RyzError) => void)[] = []
  let calls = 0
  let wrong: (values: Float32Array) => unknown = () => undefined
  let dieAt: { op: Op; call: number } | undefined
  const closed: Backend[] = []
  /** Calls of ops, by name. */
  const count = new Map<string, number>()
  const kill = (code: 'DEVICE_LOST' | 'GPU_OOM' = 'DEVICE_LOST', quietly = false): void => {
    died = new RyzError(code, 'the GPU device was lost (test)')
    if (!quietly) for (const each of tell) each(died)
  }
  const factory: BackendFactory = {
    ...kernels,
    path: { backend: 'webgpu', adapter: 'of a test' },
    traits: { exact: false, immediate: false, cpuLayouts: true, experts: false },
    async create(memoryBytes, limits) {
      const real = await kernels.create(memoryBytes + 8e6, limits)
      const lost = new Promise<RyzError>(resolve => {
        tell.push(resolve)
      })
      const check = (op: Op): void => {
        if (dieAt?.op === op && ++calls === dieAt.call) kill()
        if (died !== undefined) throw died
      }
      return new Proxy(real, {
        get(target, key) {
          if (key === 'path') return factory.path
          if (key === 'traits') return factory.traits
          if (key === 'lost') return lost
          if (key === 'settle') return async () => check('settle')
          if (key === 'rowMover') return undefined
          if (key === 'condemn') {
            return (error: RyzError) => {
              died ??= error
              for (const each of tell) each(died)
            }
          }
          if (key === 'close') {
            return () => {
              closed.push(target)
              target.close()
            }
          }
          const value = Reflect.get(target, key, target) as unknown
          if (typeof value !== 'function') return value
          return (...given: unknown[]) => {
            count.set(String(key), (count.get(String(key)) ?? 0) + 1)
            if (GUARDED.some(op => op === key)) check(key as Op)
            const result = value.apply(target, given)
            if (key !== 'read') return result
            const values = (result as Float32Array).slice()
            return Promise.resolve(wrong(values)).then(() => values)
          }
        },
      })
    },
  }
  return {
    factory,
    kill,
    closed,
    /** What every result is changed by from now on; a promise makes it wait. */
    spoil: (by: (values: Float32Array) => unknown) => {
      wrong = by
    },
    count: (op: string) => count.get(op) ?? 0,
    dieAt: (op: Op, call: number) => {
      calls = 0
      dieAt = { op, call }
    },
  }
}

// Rungs with a fault on purpose: a real backend, some of whose ops are replaced.
import type { Backend } from '../../../src/backend/backend.ts'
import type { BackendFactory } from '../../../src/backend/factory.ts'

/** The factory's backend with other ops; `real` is the backend as it was. */
export function broken(
  factory: BackendFactory,
  ops: (real: Backend) => Partial<Backend>,
): BackendFactory {
  return {
    ...factory,
    async create(memoryBytes, limits) {
      const real = await factory.create(memoryBytes, limits)
      const replaced = ops(real)
      return new Proxy(real, {
        get(target, key) {
          const value = Reflect.get(replaced, key) ?? Reflect.get(target, key, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    },
  }
}

/** Overwrites one f32 of a slot. */
export function poke(
  backend: Backend,
  slot: Parameters<Backend['writer']>[0],
  value: number,
): void {
  backend.writer(slot).write(0, new Uint8Array(Float32Array.of(value).buffer))
}

// Makes linear memory from a planned size and binds a kernel module to it, once per thread. Shared by
// thread 0 (wasm-backend.ts) and the pool workers, so it imports types and errors only.
import { RyzError } from '../../errors.ts'
import type { KernelExports } from './exports.ts'

const PAGE = 65536
/** 4 GiB, all that 32-bit addresses reach; also what the kernels are linked for. */
const MAX_PAGES = 65536
/** The linker's --initial-memory. */
const MIN_PAGES = 2

/** True when the module is a threaded build: it needs shared memory. */
export function isThreaded(module: WebAssembly.Module): boolean {
  return WebAssembly.Module.exports(module).some(e => e.name === 'ryz_thread_main')
}

/**
 * Linear memory of at least `bytes`, zeroed; it never grows.
 * @throws RyzError MEMORY_BUDGET when it is over 4 GiB or the browser refuses it
 */
export function createMemory(bytes: number, shared: boolean): WebAssembly.Memory {
  const pages = Math.max(MIN_PAGES, Math.ceil(bytes / PAGE))
  if (!(pages <= MAX_PAGES)) {
    throw new RyzError(
      'MEMORY_BUDGET',
      `${bytes} bytes exceed the 4 GiB that WebAssembly can address; use a smaller model or context`,
      { bytes },
    )
  }
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  } catch (cause) {
    throw new RyzError(
      'MEMORY_BUDGET',
      `the browser refused ${bytes} bytes of memory; close other pages or use a smaller model`,
      { bytes },
      { cause },
    )
  }
}

/** Binds the module to the memory. The first instance also writes the module's static data. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  const now = () => performance.now()
  const instance = new WebAssembly.Instance(module, { env: { memory, now } })
  return instance.exports as unknown as KernelExports
}

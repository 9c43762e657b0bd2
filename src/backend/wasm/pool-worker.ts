// Entry of a pool worker: binds the kernels to the shared memory and enters ryz_thread_main, which
// never returns (kernels-cpp/pool__threads.cpp). A trap is reported through shared memory first, as
// thread 0 may be asleep waiting for this worker. Started by pool.ts.
import { instantiate } from './instantiate.ts'

/** The one message a pool worker receives. */
export interface PoolStart {
  readonly module: WebAssembly.Module
  readonly memory: WebAssembly.Memory
  /** Highest address of this thread's own stack, 16-byte aligned. */
  readonly stackTop: number
}

/** What a pool worker reports: ready once, then a trap at most. */
export type PoolMessage = { readonly ready: true } | { readonly trap: string }

const send = (message: PoolMessage): void => globalThis.postMessage(message)

globalThis.onmessage = (event: MessageEvent<PoolStart>) => {
  const { module, memory, stackTop } = event.data
  let wake = (): void => {}
  try {
    const kernels = instantiate(module, memory)
    kernels.__stack_pointer.value = stackTop
    // The kernels hold no thread-local data; were there any, it would stand below the stack's top.
    if (kernels.__tls_size?.value) throw new Error('the kernels must not use thread-local storage')
    const words = new Int32Array(memory.buffer)
    const failed = kernels.ryz_pool_failed!() / 4
    const left = kernels.ryz_pool_left!() / 4
    wake = () => {
      Atomics.store(words, failed, 1)
      Atomics.notify(words, left)
    }
    send({ ready: true })
    kernels.ryz_thread_main!()
  } catch (caught) {
    wake()
    send({ trap: String(caught) })
  }
}

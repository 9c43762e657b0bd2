// The SDK's own class in Node, for tools that are written against the public interface: the engine's API runs in
// this thread behind a message channel, where a page has its worker. Kernels and pool are those of tools/node-pool.ts.
import { openAsBlob } from 'node:fs'
import { basename } from 'node:path'
import { expose } from 'comlink'
import type { WorkerLike } from '../src/api/link/connection.ts'
import { connect, type Ryzanstein } from '../src/api/ryzanstein.ts'
import { type BackendFactory, EXACT, REFERENCE_PATH } from '../src/backend/factory.ts'
import { createReferenceBackend } from '../src/backend/reference/reference-backend.ts'
import { openEngineParts } from '../src/engine/load/open-parts.ts'
import type { LoadOptions } from '../src/types/index.ts'
import { createEngineApi } from '../src/worker/engine-api.ts'
import { installErrorWire } from '../src/worker/error-wire.ts'
import { wasmFactory } from '../test/support/wasm.ts'

/**
 * load() of a model file in Node.
 * @param path  of a GGUF file
 * @param options  as of load(); 'auto' is simd128 on one thread, `backend: 'webgpu'` needs its factory
 * @param webgpu  the GPU, where the caller has one
 */
export async function loadInNode(
  path: string,
  options: LoadOptions = {},
  webgpu?: BackendFactory,
): Promise<Ryzanstein> {
  const factory = factoryOf(options, webgpu)
  installErrorWire()
  const grammar = async () => (await import('../src/engine/grammar/part.ts')).grammarPart
  const api = createEngineApi(
    (source, { files: _, avoid: __, fetchPort: ___, ...given }, hooks) =>
      openEngineParts(source, given, hooks, [factory]),
    undefined,
    grammar,
  )
  const file = new File([await openAsBlob(path)], basename(path))
  return connect(new ThisThread(api), file, { cache: 'off', ...options })
}

function factoryOf(options: LoadOptions, webgpu: BackendFactory | undefined): BackendFactory {
  const { backend = 'auto', variant = 'auto', threads } = options
  if (backend === 'reference') {
    return {
      path: REFERENCE_PATH,
      traits: EXACT,
      scratchBytes: () => 0,
      create: async (memoryBytes, limits) => createReferenceBackend({ memoryBytes, limits }),
    }
  }
  if (backend === 'webgpu') {
    if (webgpu) return webgpu
    throw new Error('no GPU was given; leave backend out, or run in a browser')
  }
  return wasmFactory(
    variant === 'auto' ? 'simd128' : variant,
    typeof threads === 'number' ? threads : 1,
  )
}

/** What a page takes for its worker, in the same thread. */
class ThisThread implements WorkerLike {
  readonly #page: MessagePort
  readonly #inside: MessagePort

  constructor(api: ReturnType<typeof createEngineApi>) {
    const { port1, port2 } = new MessageChannel()
    this.#page = port1
    this.#inside = port2
    expose(api, port2)
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    this.#page.postMessage(message, transfer)
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    if (type !== 'message') return
    this.#page.addEventListener('message', listener)
    this.#page.start()
  }

  removeEventListener(type: string, listener: (event: Event) => void): void {
    if (type === 'message') this.#page.removeEventListener('message', listener)
  }

  terminate(): void {
    this.#page.close()
    this.#inside.close()
  }
}

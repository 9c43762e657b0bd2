// The engine in Node, behind the face that the bench page measures: the same load sequence, kernels and
// scheduler, pool workers as worker_threads, and the SDK's own stream. There is no engine worker: the
// engine runs on the main thread, which is what a page spares itself.
import { openAsBlob } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import type { Load } from '../demo/bench/measure.ts'
import type { Engine as BenchEngine } from '../demo/bench/requests.ts'
import { TokenStream } from '../src/api/token-stream.ts'
import type { BackendFactory } from '../src/backend/factory.ts'
import { Engine } from '../src/engine/engine.ts'
import { openEngineParts } from '../src/engine/load/open-parts.ts'
import type { LoadOptions } from '../src/types/index.ts'
import { wasmFactory } from '../test/support/wasm.ts'

/**
 * Opens a model file on the kernels and threads of the options; 'auto' is simd128 on one thread.
 * @param webgpu  makes the path of `backend: 'webgpu'`, where there is one
 */
export function loadInNode(path: string, webgpu?: (options: LoadOptions) => BackendFactory): Load {
  return async (_source, options) => {
    const { backend, variant, threads } = options
    if (backend === 'webgpu' && webgpu) return openFile(path, options, webgpu(options))
    const factory = wasmFactory(
      variant === undefined || variant === 'auto' ? 'simd128' : variant,
      typeof threads === 'number' ? threads : 1,
      { adapts: true, aloneNs: undefined, cores: availableParallelism() },
    )
    return openFile(path, options, factory)
  }
}

async function openFile(
  path: string,
  options: LoadOptions,
  factory: BackendFactory,
): Promise<BenchEngine> {
  const hooks = { progress: () => {}, signal: new AbortController().signal }
  const file = new File([await openAsBlob(path)], basename(path))
  const parts = await openEngineParts(file, options, hooks, [factory])
  const engine = new Engine(parts, options)
  await engine.measure()
  return {
    model: parts.info,
    generate(prompt, settings = {}) {
      if (typeof prompt === 'string') throw new Error('the benchmark sends token ids')
      return new TokenStream(input => {
        const request = engine.generate({ kind: 'tokens', tokens: prompt }, settings, {
          token: chunk => input.push(chunk),
          done: result => input.done(result),
          error: error => input.fail(error),
        })
        return () => request.cancel()
      })
    },
    stats: async () => engine.stats(),
    close: () => engine.close(),
  }
}

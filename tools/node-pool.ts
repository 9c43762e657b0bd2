// The WASM backend under Node: reads build/wasm and runs the product's own pool-worker.ts in
// worker_threads, bundled once per test process, behind a shim for the worker globals it uses.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { build } from 'vite'
import type { PoolListener, PoolWorker, SpawnPoolWorker } from '../src/backend/wasm/pool.ts'
import type { PoolMessage } from '../src/backend/wasm/pool-worker.ts'
import type { KernelVariant } from '../src/types/index.ts'

const root = rootAbove(import.meta.dirname)

const SHIM = `
import { parentPort } from 'node:worker_threads'
globalThis.postMessage = message => parentPort.postMessage(message)
parentPort.on('message', data => globalThis.onmessage({ data }))
`

let script: Promise<URL> | undefined

/** The folder of the package: a bundle of this file stands deeper than it does. */
function rootAbove(folder: string): string {
  while (!existsSync(resolve(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

async function bundle(): Promise<URL> {
  const output = await build({
    configFile: false,
    root,
    logLevel: 'silent',
    publicDir: false,
    build: {
      write: false,
      minify: false,
      target: 'es2022',
      lib: { entry: resolve(root, 'src/backend/wasm/pool-worker.ts'), formats: ['es'] },
    },
  })
  const first = Array.isArray(output) ? output[0] : output
  if (!('output' in first)) throw new Error('vite watched instead of building')
  const code = first.output[0].code
  return new URL(`data:text/javascript,${encodeURIComponent(SHIM + code)}`)
}

/** Workers made by a spawner, so that a test can end one. */
export interface NodeSpawner {
  readonly spawn: SpawnPoolWorker
  readonly workers: readonly Worker[]
}

/** Makes a spawner; a new one per backend. */
export async function nodeSpawner(): Promise<NodeSpawner> {
  script ??= bundle()
  const url = await script
  const workers: Worker[] = []
  const spawn = (listener: PoolListener): PoolWorker => {
    const worker = new Worker(url)
    workers.push(worker)
    worker.on('message', (message: PoolMessage) => listener.message(message))
    worker.on('error', error => listener.died(String(error)))
    worker.on('exit', code => listener.died(`it exited with code ${code}`))
    return {
      start: message => worker.postMessage(message),
      terminate: () => void worker.terminate(),
    }
  }
  return { spawn, workers }
}

const modules = new Map<string, WebAssembly.Module>()

/** build/wasm/ryz-<variant>-<mt|st>.wasm; made by `make kernels`. */
export function kernelModule(variant: KernelVariant, threaded: boolean): WebAssembly.Module {
  const build = variant.startsWith('relaxed') ? 'relaxed' : variant
  const name = `ryz-${build}-${threaded ? 'mt' : 'st'}.wasm`
  const known = modules.get(name)
  if (known) return known
  const module = new WebAssembly.Module(readFileSync(resolve(root, 'build/wasm', name)))
  modules.set(name, module)
  return module
}

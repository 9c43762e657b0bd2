// How many bytes a second this machine reads from memory inside wasm, with a number of threads: the
// bound of a decode that reads every weight once a token.
import type { ReadDone, ReadTask } from './bandwidth-worker.ts'
import { readKernel } from './read-kernel.ts'

/** Larger than the caches of today. */
const BYTES = 256 << 20
const PAGE = 65_536
const WARM_UP_MS = 300
const MEASURE_MS = 500

/** GB (10^9 bytes) a second of all threads together. */
export async function readBandwidth(threads: number): Promise<number> {
  const shared = crossOriginIsolated && typeof SharedArrayBuffer === 'function'
  if (threads > 1 && !shared) {
    throw new Error('the page is not isolated, so only one thread can read')
  }
  const pages = BYTES / PAGE
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  // Untouched pages would all be the same page of zeros.
  const words = new Uint32Array(memory.buffer)
  for (let i = 0; i < words.length; i += 256) words[i] = i
  const module = await WebAssembly.compile(readKernel(pages, shared))
  const share = Math.floor(BYTES / threads / PAGE) * PAGE
  const beginAt = performance.timeOrigin + performance.now() + WARM_UP_MS
  const tasks = Array.from({ length: threads }, (_, i): ReadTask => {
    const range = { from: i * share, to: (i + 1) * share }
    return { module, memory, ...range, beginAt, endAt: beginAt + MEASURE_MS }
  })
  if (!shared) return rate(await Promise.all(tasks.map(readHere)))
  return rate(await Promise.all(tasks.map(readInWorker)))
}

function rate(done: readonly ReadDone[]): number {
  return done.reduce((sum, { bytes, ms }) => sum + bytes / ms / 1e6, 0)
}

function readInWorker(task: ReadTask): Promise<ReadDone> {
  const worker = new Worker(new URL('./bandwidth-worker.ts', import.meta.url), { type: 'module' })
  return new Promise<ReadDone>((resolve, reject) => {
    worker.onmessage = (event: MessageEvent<ReadDone>) => resolve(event.data)
    worker.onerror = event => reject(new Error(event.message))
    worker.postMessage(task)
  }).finally(() => worker.terminate())
}

/** A memory that is not shared cannot go to a worker; the page stands still meanwhile. */
function readHere({ module, memory, from, to }: ReadTask): ReadDone {
  const { exports } = new WebAssembly.Instance(module, { e: { m: memory } })
  const read = exports.read as (from: number, to: number) => number
  read(from, to)
  const begin = performance.now()
  let bytes = 0
  while (performance.now() - begin < MEASURE_MS) {
    read(from, to)
    bytes += to - from
  }
  return { bytes, ms: performance.now() - begin }
}

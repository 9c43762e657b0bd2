// Measures one sweep of the bench page's kind in Node, in a process of its own, and prints its rows as
// one line of JSON. node sample.js MODEL SETTINGS, the settings as a query string. With --allocation it
// prints what a decoded token allocates instead; see in-node.ts for the flags of Node that this needs.
import { PerformanceObserver } from 'node:perf_hooks'
import { NOBODY } from '../../demo/bench/observer.ts'
import { planCells } from '../../demo/bench/plan.ts'
import { ask, randomPrompt } from '../../demo/bench/requests.ts'
import { runCells } from '../../demo/bench/run.ts'
import { type BenchSettings, settingsFrom } from '../../demo/bench/settings.ts'
import { loadInNode } from './engine.ts'

/** Bytes that a decoded token allocates, in the JavaScript heap and in buffers outside of it. */
export interface Allocation {
  heap: number
  buffers: number
  /** Tokens behind the figures. */
  tokens: number
}

const [path, query, what] = process.argv.slice(2)
const settings = settingsFrom(new URLSearchParams(query))
console.log(JSON.stringify(await (what === '--allocation' ? allocation(settings) : rows(settings))))
process.exit(0)

async function rows({ shape, ...rest }: BenchSettings) {
  const bench = {
    load: loadInNode(path),
    source: path,
    model: rest.model.split('/').at(-1) ?? rest.model,
    shape,
    observe: NOBODY,
    forget: async () => undefined,
    readBandwidth: () => Promise.reject(new Error('not in Node')),
    settle: async () => undefined,
  }
  const cells = planCells({ shape, ...rest }, rest.threads)
  return runCells(
    bench,
    cells,
    () => undefined,
    () => undefined,
  )
}

/** Growth of the heap over the tokens of one request, in which nothing may be collected. */
async function allocation({ prompt, generate, kv, threads }: BenchSettings): Promise<Allocation> {
  const collect = globalThis.gc
  if (collect === undefined) throw new Error('start Node with --expose-gc')
  const engine = await loadInNode(path)(path, {
    variant: 'simd128',
    threads,
    kv: kv as 'f16',
    contextLength: prompt + 2 * generate,
    maxSequences: 1,
  })
  const ids = randomPrompt(0, prompt, engine.model.vocab)
  // Compiled, optimised and grown to size: what remains is what every token costs.
  for (let i = 0; i < 4; i++) await ask(engine, [ids], generate, true)
  const fewer = await grown(() => ask(engine, [ids], 1 + (generate >> 1), true), collect)
  const more = await grown(() => ask(engine, [ids], 1 + generate, true), collect)
  await engine.close()
  const tokens = generate - (generate >> 1)
  const each = (a: number, b: number) => Math.max(0, Math.round((b - a) / tokens))
  return { heap: each(fewer.heap, more.heap), buffers: each(fewer.buffers, more.buffers), tokens }
}

async function grown(work: () => Promise<unknown>, collect: () => void) {
  // Buffers that a collection finds unused are freed a little later.
  for (let i = 0; i < 3; i++) {
    collect()
    await new Promise(done => setTimeout(done, 50))
  }
  let collections = 0
  const watch = new PerformanceObserver(list => {
    collections += list.getEntries().length
  })
  watch.observe({ entryTypes: ['gc'] })
  const before = process.memoryUsage()
  await work()
  const after = process.memoryUsage()
  await new Promise(done => setTimeout(done, 20))
  watch.disconnect()
  if (collections > 0) throw new Error(`${collections} collections hid what was allocated`)
  return {
    heap: after.heapUsed - before.heapUsed,
    buffers: after.arrayBuffers - before.arrayBuffers,
  }
}

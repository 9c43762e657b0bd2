// Measures one sweep of the bench page's kind in Node, in a process of its own, and prints its rows as
// one line of JSON. node sample.js MODEL SETTINGS, the settings as a query string. With --allocation it
// prints what a decoded token allocates instead; see in-node.ts for the flags of Node that this needs.
import { PerformanceObserver } from 'node:perf_hooks'
import { NOBODY } from '../../demo/bench/observer.ts'
import { planCells } from '../../demo/bench/plan.ts'
import { ask, randomPrompt } from '../../demo/bench/requests.ts'
import { runCells } from '../../demo/bench/run.ts'
import { type BenchSettings, settingsFrom } from '../../demo/bench/settings.ts'
import { loadInNode } from '../../tools/node-engine.ts'

/** Bytes that a decoded token allocates, in the JavaScript heap and in buffers outside of it. */
export interface Allocation {
  heap: number
  buffers: number
  /** Tokens behind the figures. */
  tokens: number
}

interface Growth {
  heap: number
  buffers: number
}

/** The median of so many: a function that is optimised during one adds its code to it. */
const PAIRS = 3
const GOES = 4

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
  const tokens = generate - (generate >> 1)
  const pairs: Growth[] = []
  for (let i = 0; i < PAIRS; i++) {
    const fewer = await grown(() => ask(engine, [ids], 1 + generate - tokens, true), collect)
    const more = await grown(() => ask(engine, [ids], 1 + generate, true), collect)
    pairs.push({ heap: more.heap - fewer.heap, buffers: more.buffers - fewer.buffers })
  }
  await engine.close()
  const each = (part: keyof Growth) => {
    const sorted = pairs.map(pair => pair[part]).sort((a, b) => a - b)
    return Math.max(0, Math.round(sorted[PAIRS >> 1]! / tokens))
  }
  return { heap: each('heap'), buffers: each('buffers'), tokens }
}

/** What `work` allocates, in the first of a few goes in which nothing is collected. */
async function grown(work: () => Promise<unknown>, collect: () => void): Promise<Growth> {
  let collections = 0
  for (let i = 0; i < GOES; i++) {
    const go = await growth(work, collect)
    if (go.collections === 0) return go
    collections = go.collections
  }
  throw new Error(`${collections} collections hid what was allocated`)
}

async function growth(
  work: () => Promise<unknown>,
  collect: () => void,
): Promise<Growth & { collections: number }> {
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
  return {
    collections,
    heap: after.heapUsed - before.heapUsed,
    buffers: after.arrayBuffers - before.arrayBuffers,
  }
}

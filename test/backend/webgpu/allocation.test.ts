// What a token makes the JavaScript heap grow by while the GPU writes: the objects of one submit and one wait, however
// many layers and ops there are. Counted as `make bench` counts it for the kernels: heap growth of many tokens less that
// of few, with no collection in between. On SwiftShader in Node, whose bindings make an object for every call.
import { PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackendNetwork } from '../../../src/model/run-network.ts'
import { adapterHere, sharedGpu } from '../../support/webgpu.ts'
import { openCase } from './open-case.ts'

const adapter = await adapterHere()
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of a token read by itself, and of one drawn and sent ahead; twice what was seen (Node 20, Nov 2026). */
const MOST = { read: 12_000, drawn: 12_000 }
const FEW = 4
const MANY = 36
const PAIRS = 5
const GREEDY = { temperature: 0, topK: 1, topP: 1, minP: 0, random: 0 }

async function read(network: BackendNetwork, tokens: number): Promise<void> {
  const { kv } = network
  const seq = kv.open()
  for (let i = 0; i < tokens; i++) {
    kv.reserve(seq, 1)
    await network.forward([{ seq, token: 1 + i, wants: 'logits' }])
  }
  kv.close(seq)
}

async function drawn(network: BackendNetwork, tokens: number): Promise<void> {
  const { kv, drawer } = network
  const seq = kv.open()
  kv.reserve(seq, tokens)
  let before: Promise<unknown> = Promise.resolve()
  for (let i = 0; i < tokens; i++) {
    const step = drawer!.draw([{ seq, token: i === 0 ? 1 : ~0, wants: 'logits' }], [GREEDY])
    await before // one runs ahead
    before = step
  }
  await before
  kv.close(seq)
}

/** Bytes that work leaves on the heap, where nothing was collected meanwhile. */
async function growth(work: () => Promise<void>): Promise<number> {
  for (let attempt = 0; attempt < 5; attempt++) {
    collect()
    await new Promise(done => setTimeout(done, 20))
    let collections = 0
    const watch = new PerformanceObserver(list => {
      collections += list.getEntries().length
    })
    watch.observe({ entryTypes: ['gc'] })
    const before = process.memoryUsage().heapUsed
    await work()
    const after = process.memoryUsage().heapUsed
    await new Promise(done => setTimeout(done, 20))
    watch.disconnect()
    if (collections === 0) return after - before
  }
  throw new Error('collections hid what was allocated')
}

async function bytesPerToken(work: (tokens: number) => Promise<void>): Promise<number> {
  for (let i = 0; i < 3; i++) await work(MANY) // recorded, compiled, grown to size
  const pairs: number[] = []
  for (let i = 0; i < PAIRS; i++) {
    const few = await growth(() => work(FEW))
    pairs.push(((await growth(() => work(MANY))) - few) / (MANY - FEW))
  }
  return pairs.sort((a, b) => a - b)[PAIRS >> 1]!
}

describe.skipIf(adapter === undefined)(`a token on ${adapter ?? 'no adapter'}`, () => {
  let network: BackendNetwork
  beforeAll(async () => {
    const opened = await openCase('b158-x86', await sharedGpu(), { maxRows: 1 })
    network = opened.run()
  })
  afterAll(() => network?.close())

  it('whose logits are read grows the heap by the objects of one submit and one wait', async () => {
    const bytes = await bytesPerToken(tokens => read(network, tokens))
    console.log(`a token that is read: ${Math.round(bytes)} bytes`)
    expect(bytes).toBeLessThan(MOST.read)
  })

  it('that is drawn and sent ahead grows it by no more', async () => {
    const bytes = await bytesPerToken(tokens => drawn(network, tokens))
    console.log(`a token that is drawn: ${Math.round(bytes)} bytes`)
    expect(bytes).toBeLessThan(MOST.drawn)
  })
})

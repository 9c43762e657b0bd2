// What a token allocates on the JavaScript heap while the GPU writes: the objects of one submit and one wait, however many
// layers and ops there are. Counted by V8's sampling profiler, collected objects too: bytes of many tokens less those of
// few. On SwiftShader in Node, whose bindings make an object for every call.
import { Session } from 'node:inspector/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackendNetwork } from '../../../src/model/run-network.ts'
import { adapterHere, sharedGpu } from '../../support/webgpu.ts'
import { openCase } from './open-case.ts'

const adapter = await adapterHere()
/** Bytes of a token read by itself, and of one drawn and sent ahead; twice what was seen (Node 20, Nov 2026). */
const MOST = { read: 12_000, drawn: 12_000 }
const FEW = 4
const MANY = 36
const PAIRS = 3
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

type Node = { selfSize: number; children: Node[] }
const session = new Session()

/** Bytes that work allocates. */
async function allocated(work: () => Promise<void>): Promise<number> {
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: 128,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  } as object)
  await work()
  const { profile } = (await session.post('HeapProfiler.stopSampling')) as {
    profile: { head: Node }
  }
  const sumOf = ({ selfSize, children }: Node): number =>
    children.reduce((sum, child) => sum + sumOf(child), selfSize)
  return sumOf(profile.head)
}

async function bytesPerToken(work: (tokens: number) => Promise<void>): Promise<number> {
  for (let i = 0; i < 2; i++) await work(MANY) // recorded, compiled, grown to size
  const pairs: number[] = []
  for (let i = 0; i < PAIRS; i++) {
    const few = await allocated(() => work(FEW))
    pairs.push(((await allocated(() => work(MANY))) - few) / (MANY - FEW))
  }
  return pairs.sort((a, b) => a - b)[PAIRS >> 1]!
}

describe.skipIf(adapter === undefined)(`a token on ${adapter ?? 'no adapter'}`, () => {
  let network: BackendNetwork
  beforeAll(async () => {
    session.connect()
    const opened = await openCase('b158-x86', await sharedGpu(), { maxRows: 1 })
    network = opened.run()
  })
  afterAll(() => {
    network?.close()
    session.disconnect()
  })

  it('whose logits are read allocates the objects of one submit and one wait', async () => {
    const bytes = await bytesPerToken(tokens => read(network, tokens))
    console.log(`a token that is read: ${Math.round(bytes)} bytes`)
    expect(bytes).toBeLessThan(MOST.read)
  })

  it('that is drawn and sent ahead allocates as little', async () => {
    const bytes = await bytesPerToken(tokens => drawn(network, tokens))
    console.log(`a token that is drawn: ${Math.round(bytes)} bytes`)
    expect(bytes).toBeLessThan(MOST.drawn)
  })
})

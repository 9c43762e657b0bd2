// What a token allocates on the JavaScript heap while the GPU writes: the objects of one submit and one wait, however many
// layers and ops there are. Counted by V8's sampling profiler, collected objects too, in what our code calls: Dawn in Node
// asks by timers of its own whether a result has come. On SwiftShader in Node.
import { Session } from 'node:inspector/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BackendNetwork } from '../../../src/model/run-network.ts'
import { adapterHere, sharedGpu } from '../../support/webgpu.ts'
import { openCase } from './open-case.ts'

const adapter = await adapterHere()
/** Bytes of a token at most, read or drawn: twice what was seen (10,500 and 6,600; Node 20, Nov 2026), 28 dispatches. */
const MOST = { read: 21_000, drawn: 14_000 }
const TOKENS = 24
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

interface Called {
  readonly selfSize: number
  readonly children: readonly Called[]
  readonly callFrame: { readonly url: string }
}
const session = new Session()

/** Bytes that our code and what it calls allocate. */
function ownBytes({ selfSize, children, callFrame }: Called, inside = false): number {
  const own = inside || callFrame.url.includes('/src/')
  return children.reduce((sum, child) => sum + ownBytes(child, own), own ? selfSize : 0)
}

async function bytesPerToken(work: (tokens: number) => Promise<void>): Promise<number> {
  await work(2 * TOKENS) // recorded, compiled, grown to size
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: 128,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  } as object)
  await work(TOKENS)
  const stopped = await session.post('HeapProfiler.stopSampling')
  return ownBytes((stopped as { profile: { head: Called } }).profile.head) / TOKENS
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
    expect(bytes).toBeGreaterThan(100) // it is counted
  })

  it('that is drawn and sent ahead allocates as little', async () => {
    const bytes = await bytesPerToken(tokens => drawn(network, tokens))
    console.log(`a token that is drawn: ${Math.round(bytes)} bytes`)
    expect(bytes).toBeLessThan(MOST.drawn)
  })
})

// Sessions, queue events and slow readers through the SDK and the worker's code, with an IndexedDB of
// the test's own.
import 'fake-indexeddb/auto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { connect, type Ryzanstein } from '../../src/api/ryzanstein.ts'
import { sessions } from '../../src/api/sessions.ts'
import { type StreamInput, TokenStream } from '../../src/api/token-stream.ts'
import { listModels } from '../../src/cache/manage.ts'
import type { GenerateOptions, LoadOptions, QueueEvent, TokenChunk } from '../../src/types/index.ts'
import { FakeWorker } from './fake-worker.ts'

const engines: Ryzanstein[] = []
afterEach(async () => {
  vi.unstubAllGlobals()
  for (const engine of engines.splice(0)) await engine.close()
})

async function start(options: LoadOptions = {}, stepMs = 0): Promise<Ryzanstein> {
  const wait = () => new Promise<void>(resolve => setTimeout(resolve, stepMs))
  const engine = await connect(
    new FakeWorker(stepMs > 0 ? { onStep: wait } : {}),
    'fake.gguf',
    options,
  )
  engines.push(engine)
  return engine
}

const PROMPT = 'There was a fox who lived alone in a very small house by the sea. '
const options: GenerateOptions = { maxTokens: 10, temperature: 0 }

describe('sessions', () => {
  it('kept by name, a text goes on in another engine as if it had been read there', async () => {
    const first = await start()
    const longer = `${PROMPT}One day`
    const expected = await first.generate(longer, { ...options, reuse: false }).text()
    await sessions.save('fox', await first.saveSession(PROMPT))
    await first.close()

    expect((await sessions.list()).map(s => s.name)).toEqual(['fox'])
    const second = await start()
    const saved = await sessions.load('fox')
    expect(await second.restoreSession(saved!)).toEqual({ tokens: 64, restoredTokens: 64 })
    const { text, reusedTokens } = await second.generate(longer, options).result
    expect({ text, reusedTokens }).toEqual({ text: expected, reusedTokens: 64 })
    await sessions.delete('fox')
    expect(await sessions.load('fox')).toBeUndefined()
  })

  it('errors keep their code across the worker', async () => {
    const engine = await start()
    await expect(engine.saveSession('short')).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await expect(engine.restoreSession(new Blob(['?']))).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: 'the data is no saved session; pass what saveSession() gave',
    })
    const messages = [{ role: 'user', content: 'x' }]
    await expect(engine.saveSession(messages)).rejects.toMatchObject({ code: 'TEMPLATE_ERROR' })
  })

  it('a full disk is STORAGE_FULL, none at all NO_STORAGE', async () => {
    const full = new DOMException('no space', 'QuotaExceededError')
    const put = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
      throw full
    })
    await expect(sessions.save('x', new Blob(['x']))).rejects.toMatchObject({
      code: 'STORAGE_FULL',
    })
    put.mockRestore()
    const none = vi.spyOn(indexedDB, 'open').mockImplementation(() => {
      throw new DOMException('denied', 'SecurityError')
    })
    // The first call after a failure opens anew.
    for (const call of [() => sessions.list(), () => listModels()]) {
      await expect(call()).rejects.toMatchObject({ code: 'NO_STORAGE' })
    }
    none.mockRestore()
    await sessions.save('x', new Blob(['x']))
    await sessions.delete('x')
  })
})

describe('queue events', () => {
  it('reach onQueue in order, and priority decides', async () => {
    const engine = await start({ maxSequences: 1 }, 5)
    const seen: Record<string, QueueEvent[]> = { a: [], b: [], c: [] }
    const done: string[] = []
    const ask = (name: string, priority: number) =>
      engine
        .generate([1], { ...options, priority, onQueue: event => seen[name]!.push(event) })
        .result.then(() => done.push(name))
    await Promise.all([ask('a', 0), ask('b', 0), ask('c', 5)])
    expect(done).toEqual(['a', 'c', 'b'])
    expect(seen.a).toEqual([])
    expect(seen.b!.map(e => e.position)).toEqual([1, 2, 1])
    expect(seen.c!.map(e => e.position)).toEqual([1])
    expect(seen.b![2]!.estimatedWaitMs).toBeGreaterThanOrEqual(0)
  })

  it('a reader that never reads holds nobody up', async () => {
    const engine = await start({ maxSequences: 2, contextLength: 512 })
    const unread = engine.generate([1], { ...options, maxTokens: 400 })
    const chunks: TokenChunk[] = []
    for await (const chunk of engine.generate([2], { ...options, maxTokens: 300 }))
      chunks.push(chunk)
    expect(chunks.flatMap(c => c.tokens)).toHaveLength(300)
    expect((await unread.result).tokens).toHaveLength(400)
  })
})

describe('a stream that nobody reads', () => {
  it('keeps 256 chunks and joins the rest to the last, losing nothing', async () => {
    let input!: StreamInput
    const stream = new TokenStream(given => {
      input = given
      return () => undefined
    })
    const result = {} as Awaited<typeof stream.result>
    for (let i = 0; i < 1000; i++) {
      const logprobs = [[{ token: i, logprob: -1, bytes: [], text: '' }]]
      input.push({ text: `${i} `, tokens: [i], logprobs })
    }
    input.done(result)
    const chunks: TokenChunk[] = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks).toHaveLength(256)
    const ids = Array.from({ length: 1000 }, (_, i) => i)
    expect(chunks.flatMap(c => c.tokens)).toEqual(ids)
    expect(chunks.flatMap(c => c.logprobs!.map(row => row[0]!.token))).toEqual(ids)
    expect(chunks.map(c => c.text).join('')).toBe(`${ids.join(' ')} `)
  })
})

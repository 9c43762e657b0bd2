// The worker's calls: one model a worker, fallbacks named once, close at any moment.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createEngineApi, type OpenParts } from '../../src/worker/engine-api.ts'
import type { PortMessage } from '../../src/worker/protocol.ts'
import { FakeNetwork, fakeParts, until } from '../engine/fakes.ts'

const ports: MessagePort[] = []
afterEach(() => {
  for (const port of ports.splice(0)) port.close()
  vi.restoreAllMocks()
})

function channel() {
  const { port1, port2 } = new MessageChannel()
  const messages: PortMessage[] = []
  port1.onmessage = event => messages.push(event.data)
  ports.push(port1)
  return { page: port1, worker: port2, messages }
}

describe('engine api', () => {
  it('names every fallback once in the console and in stats', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const fallbacks = [
      { from: 'relaxed with 4 threads', to: 'relaxed with 1 thread', reason: 'why' },
    ]
    const api = createEngineApi(async () => ({ ...fakeParts(new FakeNetwork()), fallbacks }))
    await api.load('x', {}, channel().worker)
    expect(warn.mock.calls).toEqual([
      ['ryzanstein: relaxed with 1 thread instead of relaxed with 4 threads: why'],
    ])
    expect(api.stats().fallbacks).toEqual(fallbacks)
    await api.close()
  })

  it('holds one model, and none before load', async () => {
    const api = createEngineApi(async () => fakeParts(new FakeNetwork()))
    expect(() => api.stats()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    const early = channel()
    api.generate({ kind: 'text', text: 'x' }, {}, early.worker)
    await until(() => early.messages.length > 0, 'an answer')
    expect(early.messages).toMatchObject([{ type: 'error', error: { code: 'CLOSED' } }])
    await api.load('x', {}, channel().worker)
    const again = api.load('x', {}, channel().worker)
    await expect(again).rejects.toMatchObject({ code: 'BAD_OPTION' })
    expect(api.stats().model.name).toBe('fake')
    await api.close()
  })

  it('posts the first token at once, and those of short steps together', async () => {
    const api = createEngineApi(async () => fakeParts(new FakeNetwork()))
    await api.load('x', {}, channel().worker)
    const { worker, messages } = channel()
    api.generate({ kind: 'tokens', tokens: [1, 2, 3] }, { maxTokens: 200, seed: 1 }, worker)
    await until(() => messages.at(-1)?.type === 'done', 'the end')
    const chunks = messages.flatMap(m => (m.type === 'token' ? [m.chunk] : []))
    const last = messages.at(-1) as Extract<PortMessage, { type: 'done' }>
    expect(chunks[0]!.tokens).toHaveLength(1)
    expect(chunks.length).toBeLessThan(100)
    expect(chunks.flatMap(c => c.tokens)).toEqual(last.result.tokens)
    expect(chunks.map(c => c.text).join('')).toBe(last.result.text)
    await api.close()
  })

  it('close while it loads gives back what the load brings', async () => {
    const network = new FakeNetwork()
    let bring: () => void = () => undefined
    const open: OpenParts = (_, __, hooks) =>
      new Promise(resolve => {
        bring = () => resolve(fakeParts(network))
        expect(hooks.signal.aborted).toBe(false)
      })
    const api = createEngineApi(open)
    const loading = api.load('x', {}, channel().worker)
    await api.close()
    bring()
    await expect(loading).rejects.toMatchObject({ code: 'ABORTED' })
    expect(network.closed).toBe(1)
  })

  it('a message on the port of load cancels it', async () => {
    const { page, worker } = channel()
    const api = createEngineApi(
      (_, __, hooks) =>
        new Promise((_, reject) => {
          hooks.signal.addEventListener('abort', () => reject(new Error('stopped')))
        }),
    )
    const loading = api.load('x', {}, worker)
    page.postMessage({ type: 'cancel' })
    await expect(loading).rejects.toThrow('stopped')
  })

  it('wraps what is no RyzError', async () => {
    const api = createEngineApi(async () => {
      throw new RangeError('a bug')
    })
    const loading = api.load('x', {}, channel().worker)
    await expect(loading).rejects.toMatchObject({
      code: 'INTERNAL',
      message: 'loading failed: a bug',
    })
  })
})

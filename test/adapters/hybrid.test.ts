// hybrid(): each reason for which an answer is made elsewhere, provoked on a real engine (the package in Node, as
// it was built) with a real server behind it; and that nothing leaves where nothing may.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import {
  type HybridReason,
  hybrid,
  type LocalEngine,
  remote,
} from '../../src/adapters/remote/index.ts'
import { TokenStream } from '../../src/api/token-stream.ts'
import { RyzError } from '../../src/errors.ts'

const MODEL = 'demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
/** Loaded as users load it. */
const { load } = (await import(
  '../../dist/node.js' as string
)) as typeof import('../../src/node/load.ts')

let local: Awaited<ReturnType<typeof load>>
let url: string
let asked: string[] = []
const server = createServer(async (request, answer) => {
  let body = ''
  for await (const piece of request) body += piece
  asked.push(body)
  const chunk = {
    choices: [{ delta: { content: 'from afar' }, text: 'from afar', finish_reason: 'stop' }],
  }
  answer.writeHead(200, { 'content-type': 'text/event-stream' })
  answer.end(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`)
})

beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  local = await load(MODEL, { contextLength: 96, maxSequences: 1, queueLimit: 1, threads: 1 })
})
afterEach(() => {
  asked = []
})
afterAll(async () => {
  await local.close()
  server.close()
})

const SHORT = { maxTokens: 4, temperature: 0 }
const far = () => remote({ baseURL: url, model: 'm' })

test('what this device can do stays here, and the answer is the same', async () => {
  const engine = hybrid(local, far(), { minTokensPerSecond: 0.001, maxWaiting: 5 })
  const answer = engine.generate('Once upon a time', SHORT)
  expect(await answer.choice).toMatchObject({ where: 'local', reason: 'local' })
  expect(await answer.text()).toBe(await local.generate('Once upon a time', SHORT).text())
  expect(asked).toEqual([])
})

/** Keeps the one seat, and the one place in the queue, until it is called. */
function busy(): () => void {
  const leave = new AbortController()
  const long = {
    maxTokens: 100_000,
    ignoreEos: true,
    signal: leave.signal,
    overflow: 'slide',
  } as const
  const streams = [1, 2].map(id => local.generate([id, id], long))
  for (const stream of streams) stream.result.catch(() => undefined)
  return () => leave.abort()
}

const REASONS: [
  HybridReason,
  string,
  () => Promise<{ engine: ReturnType<typeof hybrid>; prompt: string; end?: () => void }>,
][] = [
  [
    'slow',
    'tokens a second here',
    async () => ({ engine: hybrid(local, far(), { minTokensPerSecond: 1e9 }), prompt: 'Hi' }),
  ],
  [
    'queue',
    'wait here, more than 0',
    async () => {
      const end = busy()
      await expect.poll(async () => (await local.stats()).queue.waiting).toBe(1)
      return { engine: hybrid(local, far(), { maxWaiting: 0 }), prompt: 'Hi', end }
    },
  ],
  [
    'queue',
    'wait',
    async () => {
      const end = busy()
      await expect.poll(async () => (await local.stats()).queue.waiting).toBe(1)
      // Nothing is asked beforehand: the full queue refuses it.
      return { engine: hybrid(local, far()), prompt: 'Hi', end }
    },
  ],
  [
    'context',
    'exceed the 96 here',
    async () => ({ engine: hybrid(local, far()), prompt: 'a fox and a hare '.repeat(40) }),
  ],
  [
    'unavailable',
    'MEMORY_BUDGET',
    async () => ({ engine: hybrid(load(MODEL, { memoryBudget: 1e6 }), far()), prompt: 'Hi' }),
  ],
]

test.each(REASONS)('%s: another machine answers, and says why (%s)', async (reason, why, make) => {
  const { engine, prompt, end } = await make()
  try {
    const answer = engine.generate(prompt, SHORT)
    expect(await answer.choice).toMatchObject({ where: 'remote', reason })
    expect((await answer.choice).why).toContain(why)
    expect(await answer.text()).toBe('from afar')
    expect(asked).toHaveLength(1)
  } finally {
    end?.()
  }
  await expect.poll(async () => (await local.stats()).queue.running).toBe(0)
})

test('a chat is counted with its template and leaves whole', async () => {
  const chatty = await load('demo/public/models/ryz-chat-tq2_0-embq8_0.gguf', {
    contextLength: 64,
    threads: 1,
  })
  const messages = [{ role: 'user', content: 'Tell me about foxes and hares. '.repeat(20) }]
  const answer = hybrid(chatty, far()).chat(messages, SHORT)
  expect(await answer.choice).toMatchObject({ where: 'remote', reason: 'context' })
  expect(await answer.text()).toBe('from afar')
  expect(JSON.parse(asked[0]!).messages).toEqual(messages)
  await chatty.close()
})

test('without a remote nothing leaves, and what fails says so', async () => {
  const spy = vi.spyOn(globalThis, 'fetch')
  const allow = vi.fn(() => true)
  const engine = hybrid(local, undefined, { allow, minTokensPerSecond: 1e9 })
  expect(await engine.generate('Hi', SHORT).text()).not.toBe('')
  const tooLong = engine.generate('a fox and a hare '.repeat(40), SHORT)
  await expect(tooLong.result).rejects.toMatchObject({ code: 'CONTEXT_FULL' })
  const none = hybrid(load(MODEL, { memoryBudget: 1e6 }))
  await expect(none.generate('Hi').result).rejects.toMatchObject({ code: 'MEMORY_BUDGET' })
  expect(allow).not.toHaveBeenCalled()
  expect(spy).not.toHaveBeenCalled()
  expect(asked).toEqual([])
  spy.mockRestore()
})

test('what the page does not let go stays here', async () => {
  const asks: unknown[] = []
  const allow = async (reason: HybridReason, request: object) => {
    asks.push([reason, request])
    return false
  }
  const engine = hybrid(local, far(), { allow, minTokensPerSecond: 1e9 })
  const answer = engine.generate('Hi', SHORT)
  expect((await answer.choice).where).toBe('local')
  await answer.result
  expect(asks).toEqual([['slow', { kind: 'generate', prompt: 'Hi' }]])
  expect(asked).toEqual([])
})

test('an answer that was begun is not continued elsewhere', async () => {
  const dying: LocalEngine = {
    ...({} as LocalEngine),
    countTokens: async () => 1,
    stats: () => local.stats(),
    generate: () =>
      new TokenStream(stream => {
        stream.push({ text: 'half', tokens: [1] })
        stream.fail(new RyzError('WORKER_DIED', 'it died'))
        return () => undefined
      }),
  }
  const answer = hybrid(dying, far()).generate('Hi', SHORT)
  await expect(answer.result).rejects.toMatchObject({ code: 'WORKER_DIED' })
  expect(asked).toEqual([])
})

test.each(['before it is decided', 'while it is written'])('a cancel %s ends it', async when => {
  const engine = hybrid(local, far())
  const answer = engine.generate('Hi', { maxTokens: 50, ignoreEos: true })
  if (when === 'while it is written') for await (const _ of answer) break
  answer.cancel()
  await expect(answer.result).rejects.toMatchObject({ code: 'ABORTED' })
  await expect.poll(async () => (await local.stats()).queue.running).toBe(0)
})

test.each([[undefined], [3]] as const)('hybrid(%j) is BAD_OPTION', bad => {
  expect(() => hybrid(bad as never)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
})

test('unknown parts of the policy are named', () => {
  expect(() => hybrid(local, undefined, { alow: () => true } as object)).toThrow('alow')
})

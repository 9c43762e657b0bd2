// Chats in the engine: a place is taken before anything is rendered, and streams go on while a template works.
import { describe, expect, it, vi } from 'vitest'
import { Engine } from '../../src/engine/engine.ts'
import type { RyzError } from '../../src/errors.ts'
import type { Input } from '../../src/options/input.ts'
import { openChat } from '../../src/tokenizer/chat/open-chat.ts'
import type { GenerateOptions, TokenChunk } from '../../src/types/index.ts'
import { byteTokenizer, FakeNetwork, fakeParts } from './fakes.ts'

function open(template: string, options: { queueLimit?: number; maxSequences?: number } = {}) {
  const network = new FakeNetwork()
  const chat = openChat(byteTokenizer, template)
  const render = vi.fn((...given: Parameters<typeof chat.render>) => chat.render(...given))
  const engine = new Engine(
    { ...fakeParts(network), chat: { source: template, notes: [], render } },
    options,
  )
  return { engine, render, network }
}

interface Ended {
  code: string
  chunks: TokenChunk[]
}

function ask(engine: Engine, input: Input, options: GenerateOptions = {}): Promise<Ended> {
  return new Promise(resolve => {
    const chunks: TokenChunk[] = []
    const end = (code: string) => resolve({ code, chunks })
    engine.generate(
      input,
      { maxTokens: 2, ...options },
      {
        queue: () => undefined,
        token: chunk => chunks.push(chunk),
        done: result => end(result.finishReason),
        error: (error: RyzError) => end(error.code),
      },
    )
  })
}
const hi: Input = { kind: 'chat', messages: [{ role: 'user', content: 'hi' }] }

describe('a burst of chats', () => {
  it('is refused beyond the queue before any of it is rendered', async () => {
    const { engine, render } = open('{{ messages[0].content }}', { maxSequences: 2, queueLimit: 3 })
    const all = Array.from({ length: 20 }, () => ask(engine, hi))
    await Promise.resolve()
    expect(render.mock.calls.length).toBe(5)
    const codes = (await Promise.all(all)).map(({ code }) => code)
    expect(codes.slice(0, 5)).toEqual(new Array(5).fill('length'))
    expect(codes.slice(5)).toEqual(new Array(15).fill('QUEUE_FULL'))
    expect(render).toHaveBeenCalledTimes(5)
    expect(engine.stats().queue).toMatchObject({ served: 5, refused: 15, waiting: 0 })
    expect((await ask(engine, hi)).code).toBe('length')
    await engine.close()
  })

  it('leaves its places to others when its template fails', async () => {
    const { engine } = open("{{ raise_exception('no') }}", { maxSequences: 1, queueLimit: 0 })
    for (let i = 0; i < 3; i++) expect((await ask(engine, hi)).code).toBe('TEMPLATE_ERROR')
    expect((await ask(engine, { kind: 'text', text: 'a' })).code).toBe('length')
    await engine.close()
  })
})

it('a template that works long does not stop the streams of others', async () => {
  const long =
    '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{{ messages }}'
  const { engine } = open(long)
  const chat = ask(engine, hi)
  let chatEnded = false
  void chat.then(() => {
    chatEnded = true
  })
  const text = await ask(engine, { kind: 'text', text: 'abc' }, { maxTokens: 20 })
  expect(text.chunks.length).toBeGreaterThan(0)
  expect(chatEnded).toBe(false)
  expect((await chat).code).toBe('TEMPLATE_ERROR')
  await engine.close()
})

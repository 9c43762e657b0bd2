// `ryzanstein serve` as people start it: the built program as a process, the official openai client and remote()
// against it, more clients than it has places for, clients that go away, and a stop.
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { remote } from '../../src/adapters/remote/index.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const MODEL = 'demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'
const TALES = 'demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'

interface Served {
  readonly url: string
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
}

const started: Served[] = []

async function serve(model: string, ...options: string[]): Promise<Served> {
  const args = ['dist/cli.js', 'serve', model, '--port', '0', '--threads', '1', ...options]
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>(done => child.on('exit', done))
  let said = ''
  const url = await new Promise<string>((found, failed) => {
    child.stderr.on('data', data => {
      said += data
    })
    child.stdout.on('data', data => {
      const match = /listening on (\S+)/.exec(String(data))
      if (match) found(match[1]!)
    })
    void ended.then(code => failed(new Error(`it ended with ${code}: ${said}`)))
  })
  const served = { url, process: child, ended }
  started.push(served)
  return served
}

afterAll(() => {
  for (const { process: child } of started) child.kill('SIGKILL')
})

const health = async ({ url }: Served) =>
  (await (await fetch(url.replace('/v1', '/health'))).json()) as {
    queue: Record<string, number>
  }

describe('the official client', () => {
  let served: Served
  let client: OpenAI
  beforeAll(async () => {
    served = await serve(MODEL, '--name', 'my-model')
    client = new OpenAI({ baseURL: served.url, apiKey: 'none', maxRetries: 0 })
  })
  const messages = [{ role: 'user' as const, content: 'Who are you?' }]
  const greedy = { model: 'my-model', temperature: 0, max_tokens: 24 }

  test('lists models, answers, and streams the same', async () => {
    expect((await client.models.list()).data.map(m => m.id)).toContain('my-model')
    const whole = await client.chat.completions.create({ ...greedy, messages })
    const text = whole.choices[0]!.message.content!
    expect(text).toContain('Ryz')
    let streamed = ''
    const stream = await client.chat.completions.create({ ...greedy, messages, stream: true })
    for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? ''
    expect(streamed).toBe(text)
    expect(
      await remote({ baseURL: served.url, model: 'my-model' })
        .chat(messages, { temperature: 0, maxTokens: 24 })
        .text(),
    ).toBe(text)
  })

  test('holds an answer to a schema', async () => {
    const schema = {
      type: 'object',
      properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer' } },
      required: ['name', 'age'],
      additionalProperties: false,
    }
    const answer = await client.chat.completions.create({
      ...greedy,
      max_tokens: 60,
      messages: [{ role: 'user', content: 'Anna is 34 years old.' }],
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'person', schema, strict: true },
      },
    })
    expect(JSON.parse(answer.choices[0]!.message.content!)).toEqual({
      name: expect.any(String),
      age: expect.any(Number),
    })
  })

  test('gets its errors: a model that is not there, a negative temperature', async () => {
    const missing = client.chat.completions.create({ ...greedy, model: 'gpt-4', messages })
    await expect(missing).rejects.toMatchObject({ status: 404 })
    const hot = client.chat.completions.create({ ...greedy, temperature: -1, messages })
    await expect(hot).rejects.toMatchObject({ status: 400, param: 'temperature' })
  })

  test.each([
    ['no JSON', '{"model":'],
    ['a list', '[]'],
    ['no messages', '{"model":"my-model"}'],
    ['messages of a wrong type', '{"model":"my-model","messages":"hi"}'],
    [
      'a content of a wrong type',
      '{"model":"my-model","messages":[{"role":"user","content":{"a":1}}]}',
    ],
  ])('%s gets 400 in the shape of an error', async (_, body) => {
    const answer = await fetch(`${served.url}/chat/completions`, { method: 'POST', body })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error: { message: expect.any(String) } })
  })

  test('a route that is not there is 404, a wrong method 405', async () => {
    expect((await fetch(`${served.url}/nothing`)).status).toBe(404)
    expect((await fetch(`${served.url}/chat/completions`)).status).toBe(405)
  })
})

describe('more than it can do at once', () => {
  test('64 clients, 4 seats, 16 places: all get their own answer, those refused after asking again', async () => {
    const served = await serve(TALES, '--sequences', '4', '--queue', '16')
    let refused = 0
    const ask = async (i: number): Promise<string> => {
      for (;;) {
        const body = { prompt: `${i} fox`, max_tokens: 12, temperature: 0, seed: 1 }
        const answer = await fetch(`${served.url}/completions`, {
          method: 'POST',
          body: JSON.stringify({ model: 'Ryzanstein fairy-tale BitNet', ...body }),
        })
        if (answer.ok) return (await answer.json()).choices[0].text
        expect(answer.status).toBe(429)
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
        await answer.text()
        refused++
        await new Promise(done => setTimeout(done, 20 + (i % 16)))
      }
    }
    const many = await Promise.all(Array.from({ length: 64 }, (_, i) => ask(i)))
    expect(refused).toBeGreaterThan(0)
    // Nothing is lost, answered twice, or given to another: alone they say the same.
    for (const i of [0, 21, 42, 63]) expect(await ask(i)).toBe(many[i])
    const { queue } = await health(served)
    expect(queue).toMatchObject({ served: 68, failed: 0, running: 0, waiting: 0, refused })
  })

  test('a client that goes away frees its place within 250 ms', async () => {
    const served = await serve(TALES, '--sequences', '1', '--queue', '0')
    const leave = new AbortController()
    const body = JSON.stringify({
      model: 'Ryzanstein fairy-tale BitNet',
      prompt: 'Once',
      max_tokens: 400,
      stream: true,
    })
    const post = (signal?: AbortSignal) =>
      fetch(`${served.url}/completions`, { method: 'POST', body, signal })
    const long = await post(leave.signal)
    await long.body!.getReader().read()
    expect((await post()).status).toBe(429)
    leave.abort()
    await new Promise(done => setTimeout(done, 250))
    const next = await post()
    expect(next.status).toBe(200)
    await next.body!.cancel()
  })

  test('SIGTERM lets a stream end, takes nothing new, and ends with 0', async () => {
    const served = await serve(TALES)
    const answer = await fetch(`${served.url}/completions`, {
      method: 'POST',
      body: JSON.stringify({
        model: 'Ryzanstein fairy-tale BitNet',
        prompt: 'Once',
        max_tokens: 200,
        stream: true,
      }),
    })
    const reader = answer.body!.getReader()
    let text = new TextDecoder().decode((await reader.read()).value)
    served.process.kill('SIGTERM')
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      text += new TextDecoder().decode(next.value)
    }
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(await served.ended).toBe(0)
    await expect(fetch(served.url)).rejects.toThrow()
  })
})

test('a model that is none ends with its reason', async () => {
  await expect(serve('README.md')).rejects.toThrow(/ended with 1: ryzanstein: .*GGUF/)
})

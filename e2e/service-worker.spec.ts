// ryzanstein/service-worker as built: fetch('/v1/...') of any tab, by the official client, answered by the engine of
// one of them; offline, after the worker was stopped, and when the tab that answers is closed.
import { type ChildProcess, spawn } from 'node:child_process'
import { type BrowserContext, expect, type Page, test } from '@playwright/test'
import { bundle } from './adapters/bundle.ts'
import type {} from './fixtures/adapters/service-worker.ts'
import { HOSTS } from './hosts.ts'

const MODEL = '/demo/public/models/ryz-chat-tq2_0-embq8_0.gguf'
const HELLO = [{ role: 'user' as const, content: 'Hello! What is your name?' }]

test.describe.configure({ timeout: 120_000 })
test.beforeAll(() => bundle('service-worker'))

interface Where {
  base?: string
  script?: string
  type?: WorkerType
}

/** A tab whose requests go through the worker. */
async function open(context: BrowserContext, where: Where = {}): Promise<Page> {
  const { base = HOSTS.library.url, script = './sw.js', type = 'classic' } = where
  const page = await context.newPage()
  await page.goto(`${base}e2e/fixtures/adapters/service-worker.html`)
  await page.waitForFunction(() => 'tab' in globalThis)
  const registered = await page.evaluate(
    ({ script, type }) => tab.register(script, { type, scope: '/' }),
    {
      script,
      type,
    },
  )
  expect(registered).toEqual({ controlled: true })
  return page
}

function offer(page: Page, options: object = {}): Promise<void> {
  return page.evaluate(({ model, options }) => tab.offer(model, options), { model: MODEL, options })
}

/** What the client is told, whole and as it comes; or its error. */
function ask(page: Page, model = 'local') {
  return page.evaluate(
    async ({ model, messages }) => {
      const greedy = { model, messages, temperature: 0, max_tokens: 16 }
      try {
        const whole = await tab.client.chat.completions.create(greedy)
        const pieces: string[] = []
        const stream = await tab.client.chat.completions.create({ ...greedy, stream: true })
        for await (const { choices } of stream) pieces.push(choices[0]?.delta.content ?? '')
        // How many tokens make a piece depends on who was quicker; the text does not.
        return {
          whole: whole.choices[0]!.message.content,
          streamed: pieces.join(''),
          many: pieces.length > 3,
        }
      } catch (caught) {
        const { status, code, type, message } = caught as Record<string, unknown>
        return { status, code, type, message }
      }
    },
    { model, messages: HELLO },
  ) as Promise<Record<string, unknown> & { whole?: string; streamed?: string }>
}

/** Starts an endless answer; `seen` counts its pieces and holds how it ended. */
async function begin(page: Page): Promise<void> {
  await page.evaluate(async messages => {
    const seen = { pieces: 0, end: '' }
    Object.assign(globalThis, { seen })
    const request = { model: 'local', messages, max_tokens: 1500 }
    const logit_bias = Object.fromEntries(Array.from({ length: 8 }, (_, id) => [id, -100]))
    const stream = await tab.client.chat.completions.create({
      ...{ ...request, logit_bias, stream: true },
    })
    Object.assign(globalThis, { stream })
    const read = async () => {
      for await (const _ of stream) seen.pieces++
      seen.end = 'done'
    }
    read().catch(error => {
      seen.end = `${error.code ?? error.name}: ${error.message}`
    })
  }, HELLO)
  await expect.poll(() => page.evaluate('seen.pieces')).toBeGreaterThan(3)
}

const running = (page: Page) => page.evaluate(async () => (await tab.engine!.stats()).queue.running)

test('a second tab asks, the first loads and answers; a third that offers shares the engine', async ({
  context,
}) => {
  const [first, second] = [await open(context), await open(context)]
  expect(await ask(second)).toMatchObject({ status: 503, code: 'no_engine', type: 'server_error' })
  await offer(first)
  const answer = await ask(second)
  expect(answer.whole).toMatch(/\w/)
  expect(answer).toMatchObject({ streamed: answer.whole, many: true })
  // Its own tab goes the same way.
  expect(await ask(first)).toEqual(answer)
  const models = await second.evaluate(async () => {
    const ids: string[] = []
    for await (const { id } of tab.client.models.list()) ids.push(id)
    return ids
  })
  expect(models).toEqual([expect.stringMatching(/ryz-chat/i), 'local'])
  expect(await ask(second, 'other')).toMatchObject({ status: 404, code: 'model_not_found' })

  await offer(second)
  // The first has its engine and goes on to answer; closed, it is the second's turn.
  await first.close()
  expect(await ask(second)).toEqual(answer)
  expect(await second.evaluate(async () => (await tab.engine!.stats()).tab)).toBe('leader')
  await second.evaluate(() => tab.stop())
  expect(await ask(second)).toMatchObject({ status: 503, code: 'no_engine' })
})

test('an abort, a tab that leaves, and leaving a stream end the work of the engine', async ({
  context,
}) => {
  const [first, second] = [await open(context), await open(context)]
  await offer(first)
  await begin(second)
  await second.evaluate('stream.controller.abort()')
  await expect.poll(() => running(first)).toBe(0)

  await begin(second)
  await second.close()
  await expect.poll(() => running(first)).toBe(0)
})

test('a tab that is closed while it answers: a stream ends with an error, other answers go to the next tab', async ({
  context,
}) => {
  const [first, second] = [await open(context), await open(context)]
  await offer(first)
  await begin(second)
  const whole = second.evaluate(async messages => {
    const request = { model: 'local', messages, max_tokens: 600 }
    const logit_bias = Object.fromEntries(Array.from({ length: 8 }, (_, id) => [id, -100]))
    const answer = await tab.client.chat.completions.create({ ...request, logit_bias })
    return answer.choices[0]!.message.content
  }, HELLO)
  await expect.poll(() => running(first)).toBe(2)
  await offer(second)
  await first.close()
  await expect.poll(() => second.evaluate('seen.end')).toMatch(/^tab_closed: .*ask again/)
  expect(await whole).toMatch(/\w/)
})

test('a worker that the browser stops starts again, and what it was passing on is cancelled', async ({
  context,
}) => {
  const [first, second] = [await open(context), await open(context)]
  await offer(first)
  const answer = await ask(second)
  const devtools = await context.newCDPSession(second)
  await devtools.send('ServiceWorker.enable')
  await devtools.send('ServiceWorker.stopAllWorkers')
  expect(await ask(second)).toEqual(answer)
  await begin(second)
  await devtools.send('ServiceWorker.stopAllWorkers')
  await expect.poll(() => second.evaluate('seen.end')).toMatch(/Error/)
  await expect.poll(() => running(first)).toBe(0)
  expect(await ask(second)).toEqual(answer)
})

test('offline, after a reload, by an app’s own module worker', async ({ context }) => {
  const where = { script: './sw-module.js', type: 'module' } as const
  const first = await open(context, where)
  await offer(first)
  await ask(first)
  await first.reload()
  await first.waitForFunction(() => 'tab' in globalThis)
  await offer(first)
  const answer = await ask(first)
  expect(answer.whole).toMatch(/\w/)
  await context.setOffline(true)
  await first.reload()
  await first.waitForFunction(() => 'tab' in globalThis)
  const second = await open(context, where)
  await offer(first)
  expect(await ask(second)).toEqual(answer)
})

test('beside coi-service-worker.js, on a host without headers, threads and the API both work', async ({
  context,
}) => {
  const port = HOSTS.library.port + 70
  const server: ChildProcess = spawn('node', ['e2e/server.mjs', '--root', '.', '--port', `${port}`])
  try {
    const base = `http://localhost:${port}/`
    await expect
      .poll(() =>
        fetch(`${base}dist/index.js`).then(
          r => r.ok,
          () => false,
        ),
      )
      .toBe(true)
    const page = await open(context, { base })
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false)
    await page.reload()
    await page.waitForFunction(() => 'tab' in globalThis)
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
    await offer(page)
    expect((await ask(page)).whole).toMatch(/\w/)
    expect(await page.evaluate(async () => (await tab.engine!.stats()).threads)).toBeGreaterThan(1)
  } finally {
    server.kill()
  }
})

test('hostile requests get 4xx of the engine, and a failed load its reason', async ({
  context,
}) => {
  const page = await open(context)
  await offer(page)
  expect((await ask(page)).whole).toMatch(/\w/)
  const statuses = await page.evaluate(async () => {
    const post = (path: string, init: RequestInit) => fetch(path, { method: 'POST', ...init })
    const all = [
      fetch('/v1/chat/completions'),
      fetch('/v1/nothing'),
      post('/v1/chat/completions', { body: 'no json' }),
      post('/v1/chat/completions', { body: '[]' }),
      post('/v1/chat/completions', { body: new Uint8Array(65 * 2 ** 20) }),
      post('/v1/embeddings', {}),
      post('/v1/models', { body: '{}' }),
    ]
    return Promise.all(all.map(async one => (await one).status))
  })
  expect(statuses).toEqual([405, 404, 400, 400, 413, 400, 405])
  expect((await ask(page)).whole).toMatch(/\w/)
  await page.evaluate(() => tab.stop())
  await page.evaluate(() => tab.offer('/no-such-model.gguf'))
  expect(await ask(page)).toMatchObject({ status: 500, code: 'network' })
})

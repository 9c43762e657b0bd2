// Several tabs of one origin with one engine: one worker and one download for all, and streams that go on
// to the golden text when the tab that owns the engine closes, crashes, or ends its worker.
import { type BrowserContext, expect, type Page, test } from '@playwright/test'
import type * as Sdk from '../src/index.ts'
import { HOSTS } from './hosts.ts'

declare global {
  var ryzanstein: typeof Sdk
  var engine: Sdk.Ryzanstein
  var pieces: string[]
  var answer: Promise<string>
}

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf?tabs'
/** The golden greedy continuation of 'Once upon a time'. */
const GREEDY = ' there lived a king who had three sons. One day the king said to his wife, "'
const TOKENS = 120

async function open(context: BrowserContext): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
  return page
}

const FAST: Omit<Sdk.LoadOptions, 'fetch' | 'draft'> = { threads: 1 }
/** Some 50 tokens a second: slow enough to act in the middle of an answer. */
const SLOW: Omit<Sdk.LoadOptions, 'fetch' | 'draft'> = { backend: 'reference' }

/** Loads with `share` and says what became of the tab. */
async function share(page: Page, options = FAST): Promise<string | undefined> {
  return page.evaluate(
    async ({ model, options }) => {
      globalThis.engine = await ryzanstein.load(model, { ...options, share: true })
      return (await engine.stats()).tab
    },
    { model: MODEL, options },
  )
}

/** Starts a long greedy answer and waits for its first pieces. */
async function begin(page: Page, options: Sdk.GenerateOptions = { temperature: 0 }): Promise<void> {
  await page.evaluate(
    async ({ options, maxTokens }) => {
      globalThis.pieces = []
      const stream = engine.generate('Once upon a time', { ...options, maxTokens, ignoreEos: true })
      let first: () => void = () => undefined
      const begun = new Promise<void>(resolve => {
        first = resolve
      })
      globalThis.answer = (async () => {
        for await (const piece of stream) {
          pieces.push(piece.text)
          if (pieces.length === 5) first()
        }
        return pieces.join('')
      })()
      answer.catch(() => first())
      await begun
    },
    { options, maxTokens: TOKENS },
  )
}

const answerOf = (page: Page) => page.evaluate(() => answer)

/** The same answer from an engine of its own. */
async function alone(page: Page, options: Sdk.GenerateOptions): Promise<string> {
  return page.evaluate(
    async ({ model, options, maxTokens }) => {
      const own = await ryzanstein.load(model, { threads: 1 })
      const text = await own
        .generate('Once upon a time', { ...options, maxTokens, ignoreEos: true })
        .text()
      await own.close()
      return text
    },
    { model: MODEL, options, maxTokens: TOKENS },
  )
}

async function role(page: Page): Promise<string | undefined> {
  return page.evaluate(async () => (await engine.stats()).tab)
}

test('a SharedWorker is neither isolated nor able to start workers here', async ({ page }) => {
  await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
  const seen = await page.evaluate(async url => {
    const { port } = new SharedWorker(url, { type: 'module' })
    return new Promise(resolve => {
      port.onmessage = event => resolve(event.data)
    })
  }, '/e2e/fixtures/shared-worker.js')
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
  expect(seen).toEqual({ isolated: false, worker: 'undefined', shared: 'undefined' })
})

test('two tabs have one engine, one worker and one download', async ({ context }) => {
  const requests: string[] = []
  context.on('request', request => {
    if (request.url().includes('.gguf?tabs')) requests.push(request.headers().range ?? 'all')
  })
  const first = await open(context)
  const second = await open(context)
  expect(await share(first)).toBe('leader')
  const fetched = requests.length
  expect(fetched).toBeGreaterThan(0)
  expect(await share(second)).toBe('follower')
  expect(requests.length).toBe(fetched)
  expect(first.workers().length).toBe(1)
  expect(second.workers().length).toBe(0)

  const text = await second.evaluate(async () => {
    const stream = engine.generate('Once upon a time', { temperature: 0, maxTokens: 24 })
    const ids = await engine.tokenize('Once upon a time')
    const score = await engine.score(ids, { logits: true })
    const { embeddings } = await engine.embed(['A fox', ids])
    return [
      await stream.text(),
      await engine.detokenize(ids),
      score.logits?.length,
      engine.model.vocab,
      embeddings.map(vector => vector.length),
    ]
  })
  expect(text[0]).toContain(GREEDY)
  expect(text[1]).toContain('Once upon a time')
  expect(text[2]).toBe(4 * Number(text[3]))
  expect(text[4]).toEqual([256, 256])
  await Promise.all([begin(first), begin(second)])
  expect(await answerOf(first)).toBe(await answerOf(second))
})

test('tabs with other options have an engine of their own', async ({ context }) => {
  const first = await open(context)
  const second = await open(context)
  expect(await share(first)).toBe('leader')
  const tab = await second.evaluate(async model => {
    const other = await ryzanstein.load(model, { share: true, threads: 1, kv: 'int8' })
    return (await other.stats()).tab
  }, MODEL)
  expect(tab).toBe('leader')
})

for (const [how, end] of [
  ['closes its page', (page: Page) => page.close()],
  ['closes its engine', (page: Page) => page.evaluate(() => engine.close())],
  [
    'crashes',
    async (page: Page) => {
      const session = await page.context().newCDPSession(page)
      session.send('Page.crash').catch(() => undefined)
    },
  ],
] as const) {
  for (const [kind, options] of [
    ['greedy', { temperature: 0 }],
    ['seeded', { temperature: 1, seed: 11 }],
  ] as const) {
    test(`a ${kind} stream of a follower goes on when the leader ${how}`, async ({ context }) => {
      const first = await open(context)
      const second = await open(context)
      expect(await share(first, SLOW)).toBe('leader')
      expect(await share(second, SLOW)).toBe('follower')
      await begin(second, options)
      await end(first)
      expect(await second.evaluate(() => pieces.length)).toBeLessThan(TOKENS)
      const text = await answerOf(second)
      expect(await role(second)).toBe('leader')
      if (kind === 'greedy') expect(text).toContain(GREEDY)
      expect(text).toBe(await alone(second, options))
      expect(await second.evaluate(() => pieces.length)).toBeLessThanOrEqual(TOKENS + 1)
    })
  }
}

test('of three tabs one takes over and the third follows it', async ({ context }) => {
  const pages = [await open(context), await open(context), await open(context)]
  const roles: (string | undefined)[] = []
  for (const page of pages) roles.push(await share(page, SLOW))
  expect(roles).toEqual(['leader', 'follower', 'follower'])
  await Promise.all([begin(pages[1]!), begin(pages[2]!)])
  await pages[0]!.close()
  for (const page of pages.slice(1)) {
    expect(await page.evaluate(() => pieces.length)).toBeLessThan(TOKENS)
  }
  const texts = await Promise.all([answerOf(pages[1]!), answerOf(pages[2]!)])
  expect(texts[0]).toContain(GREEDY)
  expect(texts[1]).toBe(texts[0])
  const after = await Promise.all([role(pages[1]!), role(pages[2]!)])
  expect(after.sort()).toEqual(['follower', 'leader'])
})

test('a stream without a seed goes on too, as the page draws one', async ({ context }) => {
  const first = await open(context)
  const second = await open(context)
  await share(first, SLOW)
  await share(second, SLOW)
  await begin(second, { temperature: 1 })
  const before = await second.evaluate(() => pieces.join(''))
  await first.close()
  const text = await answerOf(second)
  expect(text.startsWith(before)).toBe(true)
  expect(await second.evaluate(() => pieces.length)).toBeGreaterThanOrEqual(TOKENS)
})

test('what a follower asked for is cancelled when it closes or crashes', async ({ context }) => {
  const first = await open(context)
  expect(await share(first)).toBe('leader')
  for (const crash of [false, true]) {
    const second = await open(context)
    expect(await share(second)).toBe('follower')
    const cancelled = () => first.evaluate(async () => (await engine.stats()).queue.cancelled)
    const before = await cancelled()
    // Without reading: the answer itself would be over too soon.
    await second.evaluate(() => {
      for (let i = 0; i < 12; i++) engine.generate('Once', { maxTokens: 400, ignoreEos: true })
    })
    await expect
      .poll(() => first.evaluate(async () => (await engine.stats()).queue.running))
      .toBeGreaterThan(0)
    if (crash) {
      const session = await second.context().newCDPSession(second)
      session.send('Page.crash').catch(() => undefined)
    } else await second.evaluate(() => engine.close())
    await expect.poll(cancelled).toBeGreaterThan(before)
    await expect
      .poll(() =>
        first.evaluate(async () => {
          const { running, waiting } = (await engine.stats()).queue
          return running + waiting
        }),
      )
      .toBe(0)
  }
  // The leader was not disturbed.
  await begin(first)
  expect(await answerOf(first)).toContain(GREEDY)
})

test('a shared load that fails says why in every tab', async ({ context }) => {
  const pages = [await open(context), await open(context)]
  const codes = await Promise.all(
    pages.map(page =>
      page.evaluate(() =>
        ryzanstein.load('/missing.gguf', { share: true }).catch(error => error.code),
      ),
    ),
  )
  expect(codes).toEqual(['NETWORK', 'NETWORK'])
  const file = await pages[0]!.evaluate(() =>
    ryzanstein.load(new Blob(['x']), { share: true }).catch(error => error.code),
  )
  expect(file).toBe('BAD_OPTION')
})

test('calls and forms of a follower go on word for word when the leader closes', async ({
  context,
}) => {
  const first = await open(context)
  const second = await open(context)
  const model = '/demo/public/models/ryz-chat-tq2_0-embq8_0.gguf?tabs'
  const load = (page: Page) =>
    page.evaluate(async model => {
      globalThis.engine = await ryzanstein.load(model, { threads: 1, share: true })
      return (await engine.stats()).tab
    }, model)
  expect([await load(first), await load(second)]).toEqual(['leader', 'follower'])
  await second.evaluate(() => {
    const parameters = {
      type: 'object',
      properties: { text: { type: 'string', minLength: 700, maxLength: 720 } },
      required: ['text'],
      additionalProperties: false,
    }
    const tools = [{ type: 'function' as const, function: { name: 'note', parameters } }]
    const messages = [{ role: 'user', content: 'Write a long note.' }]
    const asked: Sdk.ChatOptions[] = [
      { tools, toolChoice: 'required', parallelToolCalls: false },
      { responseFormat: { type: 'json_schema', schema: parameters } },
    ]
    let begun = 0
    const read = async (options: Sdk.ChatOptions, seed: number) => {
      const stream = engine.chat(messages, { ...options, seed, maxTokens: 900 })
      const calls: unknown[] = []
      let text = ''
      let tokens = 0
      for await (const chunk of stream) {
        text += chunk.text
        calls.push(...(chunk.toolCalls ?? []))
        tokens += chunk.tokens.length
        if (tokens > 10) begun |= 1 << seed
      }
      const { toolCalls, complete, text: whole } = await stream.result
      return { text, calls, toolCalls, complete, whole, tokens }
    }
    const all = () => Promise.all(asked.map(read))
    const answers = all()
    Object.assign(globalThis, { all, answers, begun: () => begun })
  })
  type Told = {
    text: string
    calls: object[]
    toolCalls?: object[]
    complete: boolean
    whole: string
  }
  type Held = { all(): Promise<Told[]>; answers: Promise<Told[]>; begun(): number }
  await second.waitForFunction(() => (globalThis as unknown as Held).begun() === 3)
  await first.close()
  const moved = await second.evaluate(() => (globalThis as unknown as Held).answers)
  expect(await role(second)).toBe('leader')
  const again = await second.evaluate(() => (globalThis as unknown as Held).all())
  await second.evaluate(() => engine.close())
  expect(moved).toEqual(again)
  const [called, filled] = moved
  expect(called).toMatchObject({ text: '', complete: true, calls: [{ index: 0 }] })
  expect(called!.toolCalls).toEqual(
    called!.calls.map(({ index: _, ...call }: { index?: number }) => call),
  )
  expect(filled!.text).toBe(filled!.whole)
  expect(JSON.parse(filled!.text).text.length).toBeGreaterThanOrEqual(700)
})

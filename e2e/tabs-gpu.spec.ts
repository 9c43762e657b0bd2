// Several tabs with one engine on WebGPU, on SwiftShader: when the tab that owns it ends, the answers of the others go on,
// on the next tab's GPU or on its kernels. Tokens that were sent stand, and what follows is what the next engine gives for
// that text.
import { type BrowserContext, expect, type Page, test } from '@playwright/test'
import type * as Sdk from '../src/index.ts'
import { CHROMIUM, CHROMIUM_ARGS } from '../tools/chromium.ts'
import { HOSTS } from './hosts.ts'

/** An answer as its tab sees it. */
interface Seen {
  tokens: number[]
  text: string
  logprobs: number
}
interface Held extends Seen {
  result: Promise<Sdk.GenerateResult>
  error?: string
}
declare global {
  var ryzanstein: typeof Sdk
  var engine: Sdk.Ryzanstein
  var held: Held[]
  var session: Blob
}

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf?tabs-gpu'
const PROMPT = 'Once upon a time'
const LOAD = { backend: 'webgpu', allowSoftwareAdapter: true, contextLength: 128 } as const
/** The same random numbers are drawn behind the seam; the others need the logits of each token. */
const KINDS: Sdk.GenerateOptions[] = [
  { temperature: 0 },
  { temperature: 1, seed: 5, topK: 20 },
  { temperature: 0.8, seed: 6, repetitionPenalty: 1.2, logprobs: 1 },
]
const TOKENS = 40

test.use({
  launchOptions: {
    executablePath: CHROMIUM,
    args: [...CHROMIUM_ARGS, '--enable-unsafe-webgpu', '--enable-features=Vulkan'],
  },
})
test.describe.configure({ timeout: 240_000 })

async function open(context: BrowserContext): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
  const tab = await page.evaluate(
    async ({ model, options }) => {
      globalThis.engine = await ryzanstein.load(model, { ...options, share: true })
      return (await engine.stats()).tab
    },
    { model: MODEL, options: LOAD },
  )
  expect(tab).toBe(context.pages().length === 1 ? 'leader' : 'follower')
  return page
}

/** Starts one answer of each kind. */
function begin(page: Page): Promise<void> {
  return page.evaluate(
    ({ prompt, kinds, maxTokens }) => {
      globalThis.held = kinds.map(options => {
        const stream = engine.generate(prompt, { ...options, maxTokens, ignoreEos: true })
        const seen = { tokens: [] as number[], text: '', logprobs: 0, result: stream.result }
        const reading = async () => {
          for await (const chunk of stream) {
            seen.tokens.push(...chunk.tokens)
            seen.text += chunk.text
            seen.logprobs += chunk.logprobs?.length ?? 0
          }
        }
        reading().catch(error => Object.assign(seen, { error: `${error.code}: ${error.message}` }))
        return seen
      })
    },
    { prompt: PROMPT, kinds: KINDS, maxTokens: TOKENS },
  )
}

const seen = (page: Page): Promise<Seen[]> =>
  page.evaluate(() => held.map(({ tokens, text, logprobs }) => ({ tokens, text, logprobs })))

const results = (page: Page) =>
  page.evaluate(async () => ({
    results: await Promise.all(held.map(({ result }) => result)),
    seen: held.map(({ tokens, text, logprobs, error }) => ({ tokens, text, logprobs, error })),
  }))

/** What the engine of this tab gives behind these tokens of the greedy answer. */
function behind(page: Page, tokens: number[]): Promise<number[]> {
  return page.evaluate(
    async ({ prompt, tokens, maxTokens }) => {
      const ids = [...(await engine.tokenize(prompt, { bos: true })), ...tokens]
      const options = { temperature: 0, maxTokens, ignoreEos: true, noBos: true }
      return (await engine.generate(ids, options).result).tokens
    },
    { prompt: PROMPT, tokens, maxTokens: TOKENS - tokens.length },
  )
}

async function untilAllBegan(pages: readonly Page[]): Promise<void> {
  for (const page of pages) {
    await page.waitForFunction(() => held.every(({ tokens }) => tokens.length > 3), null, {
      timeout: 120_000,
    })
  }
}

async function expectWhole(page: Page, before: Seen[]): Promise<void> {
  const told = await results(page)
  for (const [i, result] of told.results.entries()) {
    const { tokens, text, logprobs, error } = told.seen[i]!
    expect(error).toBeUndefined()
    // None lost, none twice, and those that were sent stand.
    expect(tokens).toHaveLength(TOKENS)
    expect(tokens.slice(0, before[i]!.tokens.length)).toEqual(before[i]!.tokens)
    expect(result.tokens).toEqual(tokens)
    expect(result.text).toBe(text)
    expect(result.finishReason).toBe('length')
    expect(logprobs).toBe(KINDS[i]!.logprobs === undefined ? 0 : TOKENS)
  }
}

/** A text of 64 tokens and more, whose blocks are worth keeping. */
const TALE = `${PROMPT} there was a fox who lived alone in a small house by the sea. `.repeat(3)

/** Kept in the page, as an app would keep it in its own store. */
function saveSession(page: Page): Promise<number> {
  return page.evaluate(async tale => {
    globalThis.session = await engine.saveSession(tale)
    return globalThis.session.size
  }, TALE)
}

/** What restoring it gives: tokens that need not be read again, or the code of the refusal. */
function restoreSession(page: Page): Promise<{ restored: number; reused: number } | string> {
  return page.evaluate(async tale => {
    try {
      const { restoredTokens } = await engine.restoreSession(globalThis.session)
      const options = { temperature: 0, maxTokens: 2 }
      const { reusedTokens } = await engine.generate(`${tale}One day`, options).result
      return { restored: restoredTokens, reused: reusedTokens }
    } catch (caught) {
      return (caught as Sdk.RyzError).code
    }
  }, TALE)
}

test('the leader closes: two followers and their six answers go on, on the next GPU', async ({
  context,
}) => {
  const [first, ...others] = [await open(context), await open(context), await open(context)]
  expect(await others[0]!.evaluate(async () => (await engine.stats()).backend)).toBe('webgpu')
  await Promise.all(others.map(begin))
  await untilAllBegan(others)
  await first.close()
  const before = await Promise.all(others.map(seen))
  for (const [i, page] of others.entries()) await expectWhole(page, before[i]!)
  const stats = await Promise.all(others.map(page => page.evaluate(() => engine.stats())))
  expect(stats.map(({ tab }) => tab).sort()).toEqual(['follower', 'leader'])
  expect(stats.map(({ backend }) => backend)).toEqual(['webgpu', 'webgpu'])
})

test('a stop string and a session go over to the next GPU', async ({ context }) => {
  const [first, second] = [await open(context), await open(context)]
  // A stop string of several tokens, late in the greedy text: the engine that goes on finds it.
  const greedy = await second.evaluate(
    ({ prompt, maxTokens }) =>
      engine.generate(prompt, { temperature: 0, maxTokens, ignoreEos: true }).text(),
    { prompt: PROMPT, maxTokens: TOKENS },
  )
  const stop = greedy.slice(Math.floor(0.7 * greedy.length)).slice(0, 12)
  await saveSession(second)
  await second.evaluate(
    ({ prompt, stop, maxTokens }) => {
      const wish = { temperature: 0, maxTokens, ignoreEos: true, stop: [stop] }
      const stream = engine.generate(prompt, wish)
      const seen = { tokens: [] as number[], text: '', logprobs: 0, result: stream.result }
      globalThis.held = [seen]
      const reading = async () => {
        for await (const { tokens, text } of stream) {
          seen.tokens.push(...tokens)
          seen.text += text
        }
      }
      reading().catch(error => Object.assign(seen, { error: `${error.code}: ${error.message}` }))
    },
    { prompt: PROMPT, stop, maxTokens: TOKENS },
  )
  await untilAllBegan([second])
  await first.close()
  const [before] = await seen(second)
  const told = await results(second)
  const { finishReason, text } = told.results[0]!
  expect(before!.text.length).toBeLessThan(text.length)
  expect({ finishReason, text }).toEqual({
    finishReason: 'stop',
    text: greedy.slice(0, greedy.indexOf(stop)),
  })
  expect(told.seen[0]!.text).toBe(text)
  const { tab, backend } = await second.evaluate(() => engine.stats())
  expect({ tab, backend }).toEqual({ tab: 'leader', backend: 'webgpu' })
  // Of the first GPU's keys and values, on the next one of the same kind.
  const session = await restoreSession(second)
  expect(session).toMatchObject({ restored: expect.any(Number) })
  const { restored, reused } = session as { restored: number; reused: number }
  expect(restored).toBeGreaterThanOrEqual(32)
  expect(reused).toBe(restored)
})

test('the leader crashes and the next tab has no GPU: what follows is what the kernels give', async ({
  context,
}) => {
  const [first, second] = [await open(context), await open(context)]
  await second.route('**/webgpu.js', route => route.abort())
  await saveSession(second)
  await begin(second)
  await untilAllBegan([second])
  const session = await first.context().newCDPSession(first)
  const crashed = new Promise(resolve => first.once('crash', resolve))
  session.send('Page.crash').catch(() => undefined)
  await crashed
  const before = await seen(second)
  expect(before[0]!.tokens.length).toBeLessThan(TOKENS)
  await expectWhole(second, before)
  const { tab, backend, fallbacks } = await second.evaluate(() => engine.stats())
  expect({ tab, backend }).toEqual({ tab: 'leader', backend: 'wasm' })
  expect(fallbacks[0]!.from).toBe('WebGPU')
  expect(fallbacks[0]!.reason).toContain('webgpu.js')
  // A GPU's keys and values are another engine's: refused by name, not believed.
  expect(await restoreSession(second)).toBe('BAD_OPTION')
  const [greedy] = (await results(second)).results
  const { tokens } = before[0]!
  expect(await behind(second, tokens)).toEqual(greedy!.tokens.slice(tokens.length))
})

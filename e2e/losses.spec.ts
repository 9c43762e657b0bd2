// Crashes of the GPU process while a page writes four texts, one for every 200 tokens, each in a browser of its own:
// Chromium gives no adapter after two. Nothing is lost, nothing comes twice, and what follows is what the CPU gives.
// `make losses` takes ten, 2,000 tokens.
import { chromium, expect, test } from '@playwright/test'
import type * as Sdk from '../src/index.ts'
import {
  type Continued,
  changeOf,
  LOSSES,
  PROMPTS,
  STREAMS,
  TOKENS,
} from '../test/support/losses.ts'
import { writeLosses } from '../test/support/write-losses.ts'
import { CHROMIUM, CHROMIUM_ARGS } from '../tools/chromium.ts'
import { HOSTS } from './hosts.ts'

declare global {
  var streamed: number[][]
  var cpu: Sdk.Ryzanstein
}

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
const GPU = ['--enable-unsafe-webgpu', '--enable-features=Vulkan']

test('crashes of the GPU process lose and repeat nothing', async () => {
  test.setTimeout(180_000 * LOSSES)
  const began = performance.now()
  const found = { fromGpu: 0, fromCpu: 0, failed: 0, wrong: 0 }
  for (let loss = 0; loss < LOSSES; loss++) {
    const { texts, failed, backend, reason } = await crashed(loss)
    expect([backend, failed]).toEqual(['wasm', 0])
    expect(reason).toContain('lost')
    found.failed += failed
    for (const { at, tokens } of texts) {
      found.fromGpu += at ?? 0
      found.fromCpu += tokens - (at ?? 0)
      if (at === undefined) found.wrong++
    }
  }
  const counts = { losses: LOSSES, tokens: LOSSES * STREAMS * TOKENS, requests: LOSSES * STREAMS }
  const seconds = (performance.now() - began) / 1000
  writeLosses({ kind: 'crash', ...counts, ...found, seconds })
  expect(found.wrong).toBe(0)
  expect(found.fromGpu).toBeGreaterThan(0)
  expect(found.fromGpu + found.fromCpu).toBe(counts.tokens)
})

/** One browser, four texts, one crash in the middle of them, at another token each time. */
async function crashed(loss: number) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [...CHROMIUM_ARGS, ...GPU],
  })
  try {
    const page = await browser.newPage()
    await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
    await page.waitForFunction(() => 'ryzanstein' in globalThis)
    const writing = page.evaluate(
      async ([model, prompts, maxTokens]) => {
        const options = { contextLength: 128, maxSequences: prompts.length, cache: 'off' } as const
        globalThis.streamed = prompts.map(() => [])
        globalThis.cpu = await ryzanstein.load(model, { ...options, backend: 'wasm' })
        const gpu = { backend: 'webgpu', allowSoftwareAdapter: true } as const
        const engine = await ryzanstein.load(model, { ...options, ...gpu })
        const began = (await engine.stats()).backend
        const ended = await Promise.all(
          prompts.map(async (prompt, i) => {
            const wish = { temperature: 0, maxTokens, ignoreEos: true }
            const stream = engine.generate(prompt, wish)
            for await (const { tokens } of stream) globalThis.streamed[i]!.push(...tokens)
            const ids = await engine.tokenize(prompt, { bos: true })
            return { prompt: ids, tokens: (await stream.result).tokens }
          }),
        )
        const { backend, queue, fallbacks } = await engine.stats()
        await engine.close()
        return { ended, began, backend, failed: queue.failed, reason: fallbacks[0]?.reason }
      },
      [MODEL, PROMPTS, TOKENS] as const,
    )
    const least = (STREAMS * TOKENS) / 2 + loss
    await page.waitForFunction(n => globalThis.streamed?.flat().length >= n, least, {
      timeout: 150_000,
      polling: 20,
    })
    const before = await page.evaluate(() => globalThis.streamed.map(tokens => tokens.length))
    const cdp = await browser.newBrowserCDPSession()
    await cdp.send('Browser.crashGpuProcess').catch(() => undefined)
    const { ended, began, backend, failed, reason } = await writing
    expect(began).toBe('webgpu')
    const streamed = await page.evaluate(() => globalThis.streamed)
    const cpu = (ids: readonly number[], maxTokens: number) =>
      page.evaluate(
        async ([given, count]) => {
          const wish = { temperature: 0, maxTokens: count, ignoreEos: true }
          return (await globalThis.cpu.generate(given, wish).result).tokens
        },
        [ids, maxTokens] as const,
      )
    const texts: { at: number | undefined; tokens: number }[] = []
    for (const [i, text] of ended.entries()) {
      const seen: Continued = { ...text, streamed: streamed[i]!, before: before[i]! }
      texts.push({ at: await changeOf(seen, cpu), tokens: text.tokens.length })
    }
    return { texts, failed, backend, reason }
  } finally {
    await browser.close()
  }
}

// Crashes of the GPU process while a page writes four texts, one for every 200 tokens, each in a browser of its own:
// Chromium gives no adapter after two. Nothing is lost, nothing comes twice, and what follows is what the CPU gives.
// `make losses` takes ten, 2,000 tokens. And two crashes in one browser, the second after site data were cleared.
import { type Browser, chromium, expect, type Page, test } from '@playwright/test'
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
  var lossy: Sdk.Ryzanstein
  var phases: string[]
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

test('after two crashes, in loading and while nothing ran, the CPU is taken by name', async () => {
  test.setTimeout(240_000)
  const { browser, page } = await openBrowser()
  try {
    await page.evaluate(async model => {
      globalThis.cpu = await ryzanstein.load(model, { contextLength: 128, backend: 'wasm' })
    }, MODEL)
    const loading = open(page)
    await page.waitForFunction(() => globalThis.phases?.includes('compile'), null, {
      timeout: 120_000,
      polling: 20,
    })
    await crash(browser)
    await loading
    const first = await written(page)
    expect(first).toMatchObject({ same: true, failed: 0, backend: 'wasm' })
    expect(first.reason).toContain('lost')

    // As if site data were cleared: the mark keeps the next load off the GPU.
    await forget(page)
    await open(page)
    expect((await written(page)).backend).toBe('webgpu')
    await crash(browser)
    await page.waitForFunction(async () => (await lossy.stats()).backend === 'wasm', null, {
      timeout: 120_000,
      polling: 200,
    })
    const second = await written(page)
    expect(second).toMatchObject({ same: true, failed: 0, backend: 'wasm' })
    expect(second.reason).toContain('lost')

    await forget(page)
    await open(page)
    const third = await written(page)
    expect(third).toMatchObject({ same: true, failed: 0, backend: 'wasm' })
    expect(third.reason).toContain('the browser gives no GPU adapter')
  } finally {
    await browser.close()
  }
})

async function openBrowser(): Promise<{ browser: Browser; page: Page }> {
  const args = [...CHROMIUM_ARGS, ...GPU]
  const browser = await chromium.launch({ executablePath: CHROMIUM, args })
  const page = await browser.newPage()
  await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
  return { browser, page }
}

async function crash(browser: Browser): Promise<void> {
  const cdp = await browser.newBrowserCDPSession()
  await cdp.send('Browser.crashGpuProcess').catch(() => undefined)
}

/** An engine on the GPU, where there is one, in place of the one before. */
function open(page: Page): Promise<void> {
  return page.evaluate(async model => {
    await globalThis.lossy?.close()
    globalThis.phases = []
    globalThis.lossy = await ryzanstein.load(model, {
      ...{ backend: 'webgpu', allowSoftwareAdapter: true, contextLength: 128 },
      onProgress: ({ phase }) => globalThis.phases.push(phase),
    })
  }, MODEL)
}

/** Whether it writes what the CPU does, and what it says of itself. */
function written(page: Page) {
  return page.evaluate(async () => {
    const wish = { temperature: 0, maxTokens: 20 }
    const text = await lossy.generate('Once upon a time', wish).text()
    const same = (await cpu.generate('Once upon a time', wish).text()) === text
    const { backend, fallbacks, queue } = await lossy.stats()
    const reason = fallbacks.find(({ from }) => from.startsWith('WebGPU'))?.reason
    return { same, failed: queue.failed, backend, reason }
  })
}

/** Takes back what is remembered of lost GPUs. */
function forget(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const request = indexedDB.open('ryzanstein-notes')
    await new Promise(done => {
      request.onsuccess = done
    })
    const cleared = request.result.transaction('notes', 'readwrite').objectStore('notes').clear()
    await new Promise(done => {
      cleared.onsuccess = done
    })
    request.result.close()
  })
}

/** One browser, four texts, one crash in the middle of them, at another token each time. */
async function crashed(loss: number) {
  const { browser, page } = await openBrowser()
  try {
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
    await crash(browser)
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

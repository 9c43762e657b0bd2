// Every way a download or the store can fail, in a real Chromium against a server that misbehaves: the next
// load completes, fetches only what is missing, and the text is the golden one.
import { expect, test } from '@playwright/test'
import { ready } from '../demo-page.ts'
import { HOSTS } from '../hosts.ts'
import { type FaultServer, startFaultServer } from './server.mjs'
import {
  CHUNK,
  CHUNKS,
  expectText,
  flipStored,
  GOLDEN,
  loadAndWrite,
  MODEL,
  MODEL_SHA256,
  openPage,
} from './support.ts'

let server: FaultServer
let url: string

test.beforeAll(async () => {
  server = await startFaultServer()
  url = server.serve('tales.gguf', MODEL)
})
test.afterAll(() => server.close())
test.beforeEach(async ({ page }) => {
  server.setFaults()
  server.serve('tales.gguf', MODEL)
  await openPage(page, server.url)
  server.takeServed()
})

/** Bytes of the model that were sent since the last call. */
const sentBytes = () => server.takeServed().reduce((sum, s) => sum + s.sent, 0)

test('the first load downloads, the second asks for one byte, the third works offline', async ({
  page,
}) => {
  expectText(await loadAndWrite(page, url), { state: 'cold', fetched: CHUNKS, hits: 0 })
  expect(sentBytes()).toBe(MODEL.length)
  const warm = await loadAndWrite(page, url)
  expectText(warm, { state: 'warm', hits: CHUNKS, fetched: 0, repaired: 0 })
  expect(warm.cache?.verifyMs).toBeGreaterThan(0)
  expect(sentBytes()).toBe(1)
  server.setFaults({ offline: true })
  expectText(await loadAndWrite(page, url), { state: 'warm' })
  expectText(await loadAndWrite(page, url, { cache: 'only' }), { state: 'warm' })
})

test('a change of kernels never downloads', async ({ page }) => {
  await loadAndWrite(page, url)
  server.takeServed()
  for (const options of [
    { variant: 'simd128' },
    { backend: 'reference' },
    { strict: true },
  ] as const) {
    const { text, cache } = await loadAndWrite(page, url, options)
    expect(cache?.state).toBe('warm')
    expect(text?.length).toBeGreaterThan(20)
  }
  expect(sentBytes()).toBe(3)
})

test.describe('a download', () => {
  test('that is cut again and again is continued', async ({ page }) => {
    server.setFaults({ cutAfter: 100_000, times: 12 })
    expectText(await loadAndWrite(page, url), { state: 'cold', fetchedBytes: MODEL.length })
  })

  test('that falls silent is asked for again', async ({ page }) => {
    server.setFaults({ stallAfter: 50_000, times: 1 })
    expectText(await loadAndWrite(page, url), { state: 'cold', retries: 1 })
  })

  test('from a server that fails first succeeds in the end', async ({ page }) => {
    server.setFaults({ status: 500, times: 3 })
    expectText(await loadAndWrite(page, url), { state: 'cold', retries: 3 })
  })

  test('from a server without ranges is stored', async ({ page }) => {
    server.setFaults({ ranges: false })
    expectText(await loadAndWrite(page, url), { state: 'cold' })
    expect(server.takeServed()).toHaveLength(1)
    expectText(await loadAndWrite(page, url), { state: 'warm' })
  })

  test('of wrong bytes is refused by the demanded hash, and the next is right', async ({
    page,
  }) => {
    server.setFaults({ wrongAt: MODEL.length - 5000 })
    const refused = await loadAndWrite(page, url, { sha256: MODEL_SHA256 })
    expect(refused).toMatchObject({ code: 'MODEL_HASH' })
    server.setFaults()
    expectText(await loadAndWrite(page, url, { sha256: MODEL_SHA256 }), { state: 'cold' })
  })

  test('of a truncated file is refused and not kept', async ({ page }) => {
    server.setFaults({ truncateTo: 1_000_000 })
    expect(await loadAndWrite(page, url)).toMatchObject({ code: 'TRUNCATED' })
    expect(await page.evaluate(() => ryzanstein.listModels())).toEqual([])
    server.setFaults()
    expectText(await loadAndWrite(page, url), { state: 'cold' })
  })

  test('is paused by its signal and resumed after a reload', async ({ page }) => {
    server.setFaults({ bytesPerSecond: 400_000 })
    const code = await page.evaluate(
      async ([source, cacheChunkBytes]) => {
        const controller = new AbortController()
        const onProgress = (p: { phase: string; loadedBytes: number }) => {
          if (p.phase === 'weights' && p.loadedBytes > 700_000) controller.abort()
        }
        const { signal } = controller
        const options = { cacheChunkBytes, signal, onProgress }
        return ryzanstein.load(source, options).catch(error => error.code)
      },
      [url, CHUNK] as const,
    )
    expect(code).toBe('ABORTED')
    server.setFaults()
    await openPage(page, server.url)
    const [listed] = await page.evaluate(() => ryzanstein.listModels())
    expect(listed).toMatchObject({ url, complete: false, totalBytes: MODEL.length })
    expect(listed?.storedBytes).toBeGreaterThan(500_000)
    server.takeServed()
    const resumed = await loadAndWrite(page, url)
    expectText(resumed, { state: 'resumed' })
    expect(sentBytes()).toBe(1 + MODEL.length - (resumed.cache?.hitBytes ?? 0))
  })

  test('of a file that changes starts over', async ({ page }) => {
    await loadAndWrite(page, url)
    server.setFaults({ etag: '"v2"' })
    const again = await loadAndWrite(page, url)
    expectText(again, { state: 'cold', fetched: CHUNKS })
    expect(again.fallbacks?.[0]?.reason).toContain('changed')
  })
})

test.describe('two tabs', () => {
  test('download once', async ({ page, context }) => {
    const other = await context.newPage()
    await openPage(other, server.url)
    server.setFaults({ bytesPerSecond: 1_000_000 })
    const both = await Promise.all([loadAndWrite(page, url), loadAndWrite(other, url)])
    for (const outcome of both) expectText(outcome, {})
    expect(both.map(o => o.cache?.state).sort()).toEqual(['cold', 'warm'])
    expect(sentBytes()).toBeLessThanOrEqual(MODEL.length + 1)
  })

  test('go on when the one that downloads is closed', async ({ page, context }) => {
    const other = await context.newPage()
    await openPage(other, server.url)
    server.setFaults({ bytesPerSecond: 300_000 })
    const first = loadAndWrite(other, url).catch(() => undefined)
    await expect.poll(() => page.evaluate(() => ryzanstein.listModels())).toHaveLength(1)
    const second = loadAndWrite(page, url)
    await page.waitForTimeout(1000)
    await other.close()
    await first
    server.setFaults()
    expectText(await second, { state: 'resumed' })
  })
})

test.describe('the store', () => {
  test('damaged anywhere is repaired, and only that chunk is fetched', async ({ page }) => {
    await loadAndWrite(page, url)
    for (const position of [7, 70_001, 131_071, 1_000_003]) {
      await flipStored(page, 'chunk', position)
      server.takeServed()
      const outcome = await loadAndWrite(page, url)
      expectText(outcome, { state: 'repaired', repaired: 1, fetched: 1, hits: CHUNKS - 1 })
      expect(sentBytes()).toBeLessThanOrEqual(CHUNK + 1)
    }
    for (const position of [20, 333]) {
      await flipStored(page, 'model', position)
      expectText(await loadAndWrite(page, url), { state: 'warm' })
      await flipStored(page, 'file', position)
      expectText(await loadAndWrite(page, url), { state: 'cold' })
    }
    expectText(await loadAndWrite(page, url), { state: 'warm', repaired: 0 })
  })

  test('damaged and offline is refused by name', async ({ page }) => {
    await loadAndWrite(page, url)
    await flipStored(page, 'chunk', 3 * CHUNK + 5)
    const outcome = await loadAndWrite(page, url, { cache: 'only' })
    expect(outcome).toMatchObject({ code: 'NETWORK' })
    expect(outcome.message).toMatch(/chunk \d+ of .* is damaged/)
  })

  test('emptied by the browser costs a download', async ({ page }) => {
    await loadAndWrite(page, url)
    const cdp = await page.context().newCDPSession(page)
    const origin = server.url.slice(0, -1)
    await cdp.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' })
    expectText(await loadAndWrite(page, url), { state: 'cold' })
  })

  test('that is too small is left alone, and STORAGE_FULL where storing was demanded', async ({
    page,
  }) => {
    const cdp = await page.context().newCDPSession(page)
    const origin = server.url.slice(0, -1)
    await cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1_000_000 })
    const outcome = await loadAndWrite(page, url)
    expectText(outcome, { state: 'uncached' })
    expect(outcome.fallbacks?.[0]).toMatchObject({ to: 'no cache' })
    expect(await loadAndWrite(page, url, { cache: 'require' })).toMatchObject({
      code: 'STORAGE_FULL',
    })
  })

  test('is listed, exported, deleted, imported', async ({ page }) => {
    await loadAndWrite(page, url)
    const seen = await page.evaluate(async source => {
      const [listed] = await ryzanstein.listModels()
      const file = await ryzanstein.exportModel(source)
      const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer())
      const hash = [...new Uint8Array(digest)].map(b => b.toString(16).padStart(2, '0')).join('')
      const offered = await ryzanstein.evictionCandidates(1)
      const room = await ryzanstein.storageEstimate()
      const deleted = [await ryzanstein.deleteModel(source), await ryzanstein.deleteModel(source)]
      const left = (await ryzanstein.listModels()).length
      await ryzanstein.importModel(file, '/model/imported.gguf')
      return { listed, name: file.name, hash, offered: offered.length, room, deleted, left }
    }, url)
    expect(seen.listed).toMatchObject({ url, complete: true, storedBytes: MODEL.length })
    expect(seen.listed?.about).toMatchObject({ architecture: 'bitnet' })
    expect(seen).toMatchObject({ name: 'tales.gguf', hash: MODEL_SHA256, offered: 1, left: 0 })
    expect(seen.deleted).toEqual([true, false])
    expect(seen.room.usage).toBeGreaterThan(0)
    const imported = `${server.url}model/imported.gguf`
    expectText(await loadAndWrite(page, imported, { cache: 'only' }), { state: 'warm' })
    await page.evaluate(() => ryzanstein.clearModels())
    expect(await page.evaluate(() => ryzanstein.listModels())).toEqual([])
  })
})

test('a stream and a file of this device write the same text', async ({ page }) => {
  const texts = await page.evaluate(async source => {
    const blob = await (await fetch(source)).blob()
    const texts: string[] = []
    for (const local of [blob.stream(), new File([blob], 'tales.gguf')]) {
      const engine = await ryzanstein.load(local)
      const stream = engine.generate('Once upon a time', { temperature: 0, maxTokens: 24 })
      texts.push(await stream.text())
      await engine.close()
    }
    return texts
  }, url)
  for (const text of texts) expect(text).toContain(GOLDEN)
})

test('the demo lists what is stored and deletes it', async ({ page }) => {
  await page.goto(HOSTS.isolated.url)
  await ready(page)
  await page.locator('#stored summary').click()
  const items = page.locator('#stored-list li')
  await expect(items).toHaveCount(1)
  await expect(items.first()).toContainText('2.2 MB, used ')
  await expect(page.locator('#stored-room')).toContainText('that this site may use')
  await items
    .first()
    .getByRole('button', { name: /^Delete / })
    .click()
  await expect(items).toHaveCount(0)
})

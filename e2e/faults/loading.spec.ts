// Sources, servers and policies that a load meets outside of a well-kept site, on the built package in a real
// Chromium: the model loads and writes the golden text, or the error says what would help.
import { chromium, expect, type Page, test } from '@playwright/test'
import type { LoadOptions } from '../../src/types/index.ts'
import { CHROMIUM, CHROMIUM_ARGS } from '../../tools/chromium.ts'
import { type FaultServer, startFaultServer } from './server.mjs'
import { CHUNK, GOLDEN, loadAndWrite, MODEL, openPage } from './support.ts'

/** The page's own server, and one of another origin. */
let own: FaultServer
let other: FaultServer
let url: string
let elsewhere: string

test.beforeAll(async () => {
  own = await startFaultServer()
  other = await startFaultServer()
})
test.afterAll(async () => {
  await own.close()
  await other.close()
})
test.beforeEach(() => {
  for (const server of [own, other]) {
    server.setFaults()
    server.takeServed()
  }
  url = own.serve('tales.gguf', MODEL)
  elsewhere = other.serve('tales.gguf', MODEL)
})

test.describe('memory that is collected while a load waits', () => {
  /** The collector runs in every worker of the page every few milliseconds. */
  async function collecting(page: Page): Promise<void> {
    page.on('worker', worker => {
      worker
        .evaluate(() => {
          const { gc } = globalThis as unknown as { gc(): void }
          setInterval(gc, 5)
        })
        .catch(() => undefined) // it ended before
    })
    await openPage(page, own.url)
  }

  test('takes no read along: by URL, from the store, of a File, and of a forecast', async () => {
    test.setTimeout(180_000)
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [...CHROMIUM_ARGS, '--js-flags=--expose-gc'],
    })
    try {
      const page = await browser.newPage()
      await collecting(page)
      const loads = (
        source: string,
        count: number,
        options: Omit<LoadOptions, 'fetch' | 'draft'>,
      ) =>
        page.evaluate(
          async ([address, times, given]) => {
            const blob = address.startsWith('file:')
              ? new File([await (await fetch(address.slice(5))).blob()], 'm.gguf')
              : address
            const late = (ms: number) =>
              new Promise<string>(done => setTimeout(() => done('hangs'), ms))
            const outcomes: string[] = []
            for (let i = 0; i < times; i++) {
              const forecast = ryzanstein.willItRun(blob, given).then(told => String(told.fits))
              outcomes.push(await Promise.race([forecast, late(15_000)]))
              const engine = ryzanstein.load(blob, given).then(async loaded => {
                await loaded.close()
                return 'loaded'
              })
              outcomes.push(await Promise.race([engine, late(15_000)]))
            }
            return outcomes
          },
          [source, count, options] as const,
        )
      const fine = Array.from({ length: 3 }, () => ['true', 'loaded']).flat()
      expect(await loads(url, 3, { cacheChunkBytes: CHUNK })).toEqual(fine)
      expect(await loads(url, 3, { cache: 'off' })).toEqual(fine)
      expect(await loads(`file:${url}`, 3, {})).toEqual(fine)
    } finally {
      await browser.close()
    }
  })
})

test.describe('a server of another origin', () => {
  test('with CORS headers loads, access included', async ({ page }) => {
    await openPage(page, own.url)
    const authorization = 'Bearer abc'
    other.setFaults({ cors: true, authorization })
    const refused = await loadAndWrite(page, elsewhere)
    expect(refused.code).toBe('NETWORK')
    expect(refused.message).toContain('give the option headers')
    const headers = { Authorization: authorization }
    expect((await loadAndWrite(page, elsewhere, { headers })).text).toContain(GOLDEN)
    expect(
      await page.evaluate(
        ([source, given]) => ryzanstein.willItRun(source, given).then(told => told.downloadBytes),
        [elsewhere, { headers }] as const,
      ),
    ).toBe(0)
  })

  test('without them is told so, and not asked five times', async ({ browser }) => {
    const plain = await startFaultServer({ isolate: false })
    const page = await browser.newPage()
    await openPage(page, plain.url)
    const { code, message } = await loadAndWrite(page, elsewhere)
    expect(code).toBe('NETWORK')
    expect(message).toContain('without the CORS headers')
    expect(message).toContain(`Access-Control-Allow-Origin: ${new URL(plain.url).origin}`)
    expect(other.takeServed().length).toBeLessThanOrEqual(3)
    await page.close()
    await plain.close()
  })

  test('that a page with COEP cannot tell from one that is gone is told as both', async ({
    page,
  }) => {
    await openPage(page, own.url)
    const { code, message } = await loadAndWrite(page, elsewhere)
    expect(code).toBe('NETWORK')
    expect(message).toContain('sends no CORS headers')
    expect(other.takeServed().length).toBeLessThanOrEqual(6)
  })
})

test('a server that compresses everything, ranges too, is read whole', async ({ page }) => {
  await openPage(page, own.url)
  own.setFaults({ gzip: true })
  const { text, fallbacks, message } = await loadAndWrite(page, url)
  expect(message).toBeUndefined()
  expect(text).toContain(GOLDEN)
  expect(fallbacks).toContainEqual(expect.objectContaining({ to: 'no cache' }))
  expect((await loadAndWrite(page, url, { cache: 'off' })).text).toContain(GOLDEN)
})

test('blob: and data: URLs and buffers load like the file itself', async ({ page }) => {
  await openPage(page, own.url)
  const texts = await page.evaluate(async address => {
    const blob = await (await fetch(address)).blob()
    const bytes = new Uint8Array(await blob.arrayBuffer())
    const larger = new Uint8Array(bytes.length + 8)
    larger.set(bytes, 5)
    const dataUrl = await new Promise<string>(done => {
      const reader = new FileReader()
      reader.onload = () => done(String(reader.result))
      reader.readAsDataURL(blob)
    })
    const blobUrl = URL.createObjectURL(blob)
    const sources = [
      blobUrl,
      new URL(blobUrl),
      dataUrl,
      bytes.buffer,
      larger.subarray(5, 5 + bytes.length),
    ]
    const found: (string | boolean)[] = []
    for (const source of sources) {
      found.push((await ryzanstein.willItRun(source)).fits)
      const engine = await ryzanstein.load(source)
      found.push(
        await engine.generate('Once upon a time', { temperature: 0, maxTokens: 24 }).text(),
      )
      await engine.close()
    }
    URL.revokeObjectURL(blobUrl)
    found.push(
      await ryzanstein.load(blobUrl).then(String, error => `${error.code} ${error.message}`),
    )
    const shared = ryzanstein.load(new Blob([bytes]), { share: true })
    found.push(await shared.then(String, error => error.code))
    return found
  }, url)
  const [revoked, share] = texts.splice(-2)
  expect(texts).toEqual(
    Array.from({ length: 5 }, () => [true, expect.stringContaining(GOLDEN)]).flat(),
  )
  expect(revoked).toMatch(/^NETWORK .*revoked/)
  expect(share).toBe('BAD_OPTION')
})

test('a fetch function of the page makes the requests of load and forecast', async ({ page }) => {
  await openPage(page, own.url)
  own.setFaults({ authorization: 'signed' })
  const found = await page.evaluate(async address => {
    const asked: string[] = []
    const options = {
      fetch: (target: string, init: RequestInit) => {
        const headers = new Headers(init.headers)
        asked.push(headers.get('range') ?? 'whole')
        headers.set('authorization', 'signed')
        return fetch(target, { ...init, headers })
      },
    }
    const { fits } = await ryzanstein.willItRun(address, options)
    const texts: string[] = []
    for (const cache of ['auto', 'off'] as const) {
      const engine = await ryzanstein.load(address, { ...options, cache })
      texts.push(
        await engine.generate('Once upon a time', { temperature: 0, maxTokens: 24 }).text(),
      )
      await engine.close()
    }
    const last = await ryzanstein.load(address, options)
    await last[Symbol.asyncDispose]()
    const after = await last.stats().catch(error => error.code)
    return { fits, texts, asked, after }
  }, url)
  expect(found.fits).toBe(true)
  expect(found.after).toBe('CLOSED')
  expect(found.texts).toEqual([expect.stringContaining(GOLDEN), expect.stringContaining(GOLDEN)])
  expect(found.asked.length).toBeGreaterThan(3)
})

test('pages, pointers and archives in place of a model are named', async ({ page }) => {
  await openPage(page, own.url)
  const encoder = new TextEncoder()
  const cases: [string, string][] = [
    ['<!doctype html><title>404</title>', 'is a web page, not a model'],
    ['version https://git-lfs.github.com/spec/v1\n', 'Git LFS pointer'],
    ['{"error":"Invalid username or password."}', 'Invalid username'],
  ]
  for (const [body, what] of cases) {
    const address = own.serve('wrong.gguf', encoder.encode(body))
    const { code, message } = await loadAndWrite(page, address)
    expect(code).toBe('NOT_A_MODEL')
    expect(message).toContain(what)
  }
  expect(await page.evaluate(() => ryzanstein.listModels())).toEqual([])
})

test.describe("a policy without 'wasm-unsafe-eval'", () => {
  test('leaves the TypeScript path, which loads, stores and is told by a forecast', async ({
    browser,
  }) => {
    const strict = await startFaultServer({ policy: "default-src 'self'" })
    const model = strict.serve('tales.gguf', MODEL)
    const page = await browser.newPage()
    await openPage(page, strict.url)
    const told = await page.evaluate(source => ryzanstein.willItRun(source), model)
    expect(told).toMatchObject({ fits: true, path: { backend: 'reference' } })
    expect(told.expectedDecodeTokensPerSecond).toBe(0)
    const directive = expect.objectContaining({
      reason: expect.stringContaining("add 'wasm-unsafe-eval' to its script-src"),
    })
    expect(told.path.fallbacks).toContainEqual(directive)
    const cold = await loadAndWrite(page, model)
    expect(cold.text).toContain(GOLDEN)
    expect(cold.fallbacks).toContainEqual(directive)
    expect(cold.cache).toMatchObject({ state: 'cold' })
    expect((await loadAndWrite(page, model)).cache).toMatchObject({ state: 'warm' })
    const [stored] = await page.evaluate(() => ryzanstein.listModels())
    expect(stored?.files[0]?.sha256).toMatch(/^[0-9a-f]{64}$/)
    const forced = await loadAndWrite(page, model, { backend: 'wasm' })
    expect(forced.message).toContain("'wasm-unsafe-eval'")
    await page.close()
    await strict.close()
  })
})

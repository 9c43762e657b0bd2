// The built package on WebGPU in Chromium, on SwiftShader: it is taken only when asked for and allowed, writes
// the golden text, and when the GPU process crashes the text goes on with the kernels.
import { expect, type Page, test } from '@playwright/test'
import type * as Sdk from '../src/index.ts'
import { CHROMIUM, CHROMIUM_ARGS } from '../tools/chromium.ts'
import { HOSTS } from './hosts.ts'

declare global {
  var ryzanstein: typeof Sdk
  var written: string
}

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
/** No frame and no answer may take longer: a twelfth of the prompt, on cores that SwiftShader and others share. */
const LONGEST_MS = 1000
const GOLDEN = ' there lived a king who had three sons.'

test.use({
  launchOptions: {
    executablePath: CHROMIUM,
    args: [...CHROMIUM_ARGS, '--enable-unsafe-webgpu', '--enable-features=Vulkan'],
  },
})
test.describe.configure({ timeout: 180_000 })

async function openEmbed(page: Page): Promise<void> {
  await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
}

test('a software adapter is refused by name, and taken when it is allowed', async ({ page }) => {
  await openEmbed(page)
  const told = await page.evaluate(async model => {
    const options = { backend: 'webgpu', contextLength: 128 } as const
    const refused = await ryzanstein.load(model, options)
    const before = await refused.stats()
    const cpu = await refused.embed('Once upon a time')
    await refused.close()
    const engine = await ryzanstein.load(model, { ...options, allowSoftwareAdapter: true })
    const stream = engine.generate('Once upon a time', { temperature: 0, maxTokens: 10 })
    const text = await stream.text()
    const after = await engine.stats()
    const gpu = await engine.embed('Once upon a time')
    await engine.close()
    const cosine = cpu.embeddings[0]!.reduce((sum, x, i) => sum + x * gpu.embeddings[0]![i]!, 0)
    return { before, text, after, cosine }
  }, MODEL)
  expect(told.before.backend).toBe('wasm')
  expect(told.before.fallbacks[0]).toMatchObject({ from: 'WebGPU' })
  expect(told.before.fallbacks[0]!.reason).toContain('computes on the CPU')
  expect(told.before.gpu).toBeUndefined()
  expect(told.after).toMatchObject({ backend: 'webgpu', variant: 'wgsl' })
  expect(told.after.gpu).toMatchObject({ software: true, architecture: 'swiftshader' })
  // Four layers of 10 dispatches, six more, and two that draw the token.
  expect(told.after.gpu!.stepDispatches).toBe(4 * 10 + 6 + 2)
  expect(told.after.gpu!.drawing).toMatchObject({ drawn: 9, read: [] })
  expect(GOLDEN).toContain(told.text.slice(0, 30))
  expect(told.text.length).toBeGreaterThan(20)
  // An activation that rounds the other way moves a vector by one or two in ten thousand.
  expect(told.cosine).toBeGreaterThan(0.999)
})

test('no adapter is asked for unless the GPU is', async ({ page }) => {
  await openEmbed(page)
  const asked = await page.evaluate(async model => {
    const engine = await ryzanstein.load(model, {})
    const { backend, fallbacks } = await engine.stats()
    await engine.close()
    return { backend, fallbacks: fallbacks.filter(f => f.from.startsWith('WebGPU')) }
  }, MODEL)
  expect(asked).toEqual({ backend: 'wasm', fallbacks: [] })
})

test('when the GPU process crashes, the text goes on and nothing is lost', async ({
  browser,
  page,
}) => {
  await openEmbed(page)
  const writing = page.evaluate(async model => {
    globalThis.written = ''
    const options = { backend: 'webgpu', allowSoftwareAdapter: true, contextLength: 128 } as const
    const engine = await ryzanstein.load(model, options)
    const stream = engine.generate('Once upon a time', { temperature: 0, maxTokens: 24 })
    for await (const piece of stream) globalThis.written += piece.text
    const { backend, fallbacks, queue } = await engine.stats()
    await engine.close()
    // The next load does not try it again by itself: a second loss would cost the origin its adapters.
    const later = await ryzanstein.load(model, options)
    const { backend: laterBackend, fallbacks: laterFallbacks } = await later.stats()
    await later.close()
    const forecast = await ryzanstein.willItRun(model, options)
    const next = {
      backend: laterBackend,
      reason: laterFallbacks[0]?.reason,
      forecast: forecast.path,
    }
    return { text: globalThis.written, backend, fallbacks, queue, next }
  }, MODEL)
  await page.waitForFunction(() => (globalThis.written ?? '').length > 12, null, {
    timeout: 120_000,
  })
  const cdp = await browser.newBrowserCDPSession()
  await cdp.send('Browser.crashGpuProcess').catch(() => undefined)
  const told = await writing
  expect(told.text).toContain(GOLDEN)
  expect(told.backend).toBe('wasm')
  expect(told.fallbacks[0]!.reason).toContain('lost')
  expect(told.queue).toMatchObject({ served: 1, failed: 0 })
  expect(told.next.backend).toBe('wasm')
  expect(told.next.reason).toContain('not tried again for 12 hours')
  expect(told.next.forecast.fallbacks[0]!.reason).toBe(told.next.reason)
})

test('on a phone, a load that ended its page is not tried again at once', async ({ browser }) => {
  const context = await browser.newContext({
    userAgent: 'Mozilla/5.0 (Linux; Android 16; Phone) Chrome/156.0.0.0 Mobile Safari/537.36',
  })
  const options = { backend: 'webgpu', allowSoftwareAdapter: true, contextLength: 128 } as const
  const first = await context.newPage()
  await openEmbed(first)
  await first.evaluate(
    ([model, given]) => {
      ryzanstein.load(model, given).catch(() => undefined)
    },
    [MODEL, options] as const,
  )
  // It compiles for seconds here; the mark is set before.
  const marked = (): Promise<boolean> =>
    first.evaluate(async () => {
      // Opening it before the package does would make it without its store.
      const known = await indexedDB.databases()
      if (!known.some(({ name }) => name === 'ryzanstein-notes')) return false
      const request = indexedDB.open('ryzanstein-notes')
      const database = await new Promise<IDBDatabase>(done => {
        request.onsuccess = () => done(request.result)
      })
      const keys = database.transaction('notes').objectStore('notes').getAllKeys()
      await new Promise(done => {
        keys.onsuccess = done
      })
      database.close()
      return keys.result.some(key => String(key).startsWith('crash mark'))
    })
  await expect.poll(marked, { timeout: 10_000 }).toBe(true)
  const crashed = first.waitForEvent('crash')
  const cdp = await context.newCDPSession(first)
  cdp.send('Page.crash').catch(() => undefined)
  await crashed

  const second = await context.newPage()
  await openEmbed(second)
  const told = await second.evaluate(
    async ([model, given]) => {
      const engine = await ryzanstein.load(model, given)
      const { backend, fallbacks } = await engine.stats()
      await engine.close()
      return { backend, reason: fallbacks[0]?.reason }
    },
    [MODEL, options] as const,
  )
  await context.close()
  expect(told.backend).toBe('wasm')
  expect(told.reason).toContain('the page ended')
})

test('willItRun tells the GPU, or why there is none', async ({ page }) => {
  await openEmbed(page)
  const paths = await page.evaluate(async model => {
    const told = []
    for (const allowSoftwareAdapter of [false, true]) {
      const options = { backend: 'webgpu', allowSoftwareAdapter } as const
      told.push((await ryzanstein.willItRun(model, options)).path)
    }
    return told
  }, MODEL)
  expect(paths[0]).toMatchObject({ backend: 'wasm' })
  expect(paths[0]!.fallbacks[0]!.reason).toContain('computes on the CPU')
  expect(paths[1]).toMatchObject({ backend: 'webgpu', variant: 'wgsl', fallbacks: [] })
})

/** What stands before worker.js, in place of the browser's WebGPU, and what is told of it. */
const ODD = [
  ['none', `{ get: () => undefined }`, 'this browser has no WebGPU'],
  ['a getter that throws', `{ get() { throw new Error('blocked') } }`, 'no WebGPU'],
  ['no adapter', `{ value: { requestAdapter: async () => null } }`, 'gives no GPU adapter'],
  ['a refusal', `{ value: { requestAdapter() { throw new TypeError('blocked') } } }`, 'blocked'],
  [
    'an adapter without devices',
    `{ value: { requestAdapter: async () => ({ info: {}, features: new Set(), limits: {},
      requestDevice: async () => { throw new DOMException('used up') } }) } }`,
    'gives no device',
  ],
  ['silence', `{ value: { requestAdapter: () => new Promise(() => {}) } }`, 'within 10000 ms'],
] as const

test('where WebGPU is odd, the kernels compute and say why', async ({ page }) => {
  let before = ''
  await page.route('**/dist/worker.js', async route => {
    const response = await route.fetch()
    const body = `Object.defineProperty(navigator, 'gpu', ${before});\n${await response.text()}`
    await route.fulfill({ response, body })
  })
  await openEmbed(page)
  for (const [name, gpu, why] of ODD) {
    before = gpu
    const told = await page.evaluate(async model => {
      const options = { backend: 'webgpu', allowSoftwareAdapter: true, contextLength: 64 } as const
      const engine = await ryzanstein.load(model, options)
      const text = await engine.generate('Once upon a time', { maxTokens: 3 }).text()
      const { backend, fallbacks } = await engine.stats()
      await engine.close()
      return { backend, written: text.length > 0, fallback: fallbacks[0] }
    }, MODEL)
    expect(told, name).toMatchObject({ backend: 'wasm', written: true })
    expect(told.fallback, name).toMatchObject({ from: 'WebGPU' })
    expect(told.fallback!.reason, name).toContain(why)
  }
})

test('two engines on one GPU, a third closed while it loads, and options that are none', async ({
  page,
}) => {
  await openEmbed(page)
  const told = await page.evaluate(async model => {
    const options = { backend: 'webgpu', allowSoftwareAdapter: true, contextLength: 64 } as const
    const wrong = [
      { backend: 'gpu' },
      { backend: ['webgpu'] },
      { powerPreference: 'fast' },
      { allowSoftwareAdapter: 'yes' },
      { profileGpu: 1 },
    ]
    const codes = await Promise.all(
      wrong.map(given =>
        ryzanstein.load(model, given as unknown as Sdk.LoadOptions).then(
          () => 'loaded',
          (error: Sdk.RyzError) => `${error.code} ${Object.keys(given)[0] === error.detail.option}`,
        ),
      ),
    )
    const cancel = new AbortController()
    const closing = ryzanstein
      .load(model, { ...options, signal: cancel.signal, onProgress: () => cancel.abort() })
      .then(
        () => 'loaded',
        (error: Sdk.RyzError) => error.code,
      )
    const engines = await Promise.all([1, 2].map(() => ryzanstein.load(model, options)))
    const wish = { temperature: 0, maxTokens: 8 }
    const texts = await Promise.all(engines.map(e => e.generate('Once upon a time', wish).text()))
    // One that ends takes nothing from the other.
    await engines[0]!.close()
    const after = await engines[1]!.generate('Once upon a time', wish).text()
    const { backend, fallbacks } = await engines[1]!.stats()
    await engines[1]!.close()
    return { codes, closed: await closing, texts, after, backend, fallbacks }
  }, MODEL)
  expect(told.codes).toEqual(Array(5).fill('BAD_OPTION true'))
  expect(told.closed).toBe('ABORTED')
  expect(told).toMatchObject({ backend: 'webgpu', fallbacks: [] })
  expect(told.texts[0]!.length).toBeGreaterThan(5)
  expect([told.texts[1], told.after]).toEqual([told.texts[0], told.texts[0]])
})

test('while a long prompt is read, the page draws and the worker answers', async ({ page }) => {
  await openEmbed(page)
  const told = await page.evaluate(async model => {
    const options = { backend: 'webgpu', allowSoftwareAdapter: true, contextLength: 512 } as const
    const engine = await ryzanstein.load(model, options)
    const prompt = 'Once upon a time there was a king. '.repeat(40)
    const ids = (await engine.tokenize(prompt, { bos: true })).slice(0, 128)
    let over = false
    const frames: number[] = []
    const draw = (): void => {
      frames.push(performance.now())
      if (!over) requestAnimationFrame(draw)
    }
    requestAnimationFrame(draw)
    const began = performance.now()
    const reading = engine.generate(ids, { temperature: 0, maxTokens: 1, noBos: true }).result
    const answers: number[] = []
    const asking = (async () => {
      while (!over) {
        const asked = performance.now()
        await engine.stats()
        answers.push(performance.now() - asked)
        await new Promise(done => setTimeout(done, 50))
      }
    })()
    const { promptTokens } = await reading
    over = true
    await asking
    const ms = performance.now() - began
    const gaps = frames.slice(1).map((at, i) => at - frames[i]!)
    const { backend } = await engine.stats()
    await engine.close()
    return { backend, promptTokens, ms, gaps, answers }
  }, MODEL)
  expect(told).toMatchObject({ backend: 'webgpu', promptTokens: 128 })
  // Seconds of work in many pieces, of which the page notices none. Seen: 60 frames a second, the longest gap 21 ms, the
  // longest answer 6 ms; 413 ms for a frame where five processes shared two cores.
  const { gaps, answers, ms } = told
  expect(ms).toBeGreaterThan(1000)
  expect(gaps.length).toBeGreaterThan(ms / 50)
  expect(Math.max(...gaps)).toBeLessThan(LONGEST_MS)
  expect(answers.length).toBeGreaterThan(ms / 250)
  expect(Math.max(...answers)).toBeLessThan(LONGEST_MS)
})

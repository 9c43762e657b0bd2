// The built demo on hosts that make it hard: no isolation headers, plain http, missing models.
import { expect, type Page, test } from '@playwright/test'
import {
  collectTrouble,
  finished,
  MODEL_FILE,
  openDemo,
  openModelFold,
  path,
  ready,
} from './demo-page.ts'
import { HOSTS, PLAIN_URL } from './hosts.ts'

async function loadUrl(page: Page, url: string): Promise<void> {
  await openModelFold(page)
  await page.locator('#model-url').fill(url)
  await page.locator('#url-form').getByRole('button', { name: 'Load' }).click()
}

test('a host without headers is isolated by the service worker after one reload', async ({
  page,
}) => {
  const trouble = collectTrouble(page)
  let loads = 0
  page.on('load', () => {
    loads += 1
  })
  await page.goto(HOSTS.bare.url)
  await page.waitForFunction(() => crossOriginIsolated)
  await expect(page.locator('#path-reasons')).toContainText('service worker')
  await page.locator('#write').click()
  await finished(page)
  expect(loads).toBe(2)
  expect(await page.evaluate(() => sessionStorage.getItem('ryzanstein.isolating'))).toBeNull()
  await page.reload()
  await expect(page.locator('#status')).toHaveText('Ready.')
  expect(loads).toBe(3)
  expect(trouble).toEqual([])
})

test('Range requests and POSTs pass the service worker untouched', async ({ page }) => {
  await page.goto(HOSTS.bare.url)
  await page.waitForFunction(() => crossOriginIsolated)
  const answer = await page.evaluate(async () => {
    const model = './models/ryz-tales-tq2_0-embq8_0.gguf'
    const part = await fetch(model, { headers: { Range: 'bytes=0-3' } })
    const post = await fetch('./index.html', { method: 'POST', body: 'x' })
    return {
      status: part.status,
      magic: await part.text(),
      added: part.headers.has('Cross-Origin-Embedder-Policy'),
      post: post.status,
    }
  })
  expect(answer).toEqual({ status: 206, magic: 'GGUF', added: false, post: 200 })
})

test('a service worker that never starts leaves a page that writes on one thread', async ({
  page,
}) => {
  // Only the context sees requests for service workers.
  await page.context().route('**/site-worker.js', route => route.abort())
  await openDemo(page, HOSTS.bare.url)
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false)
  await expect(path(page)).toHaveText(/1\sthread$/)
  await expect(page.locator('#path-reasons')).toContainText('could not be registered')
  await page.locator('#write').click()
  await finished(page)
})

test('a browser that does not isolate after the reload is not reloaded again', async ({ page }) => {
  let loads = 0
  page.on('load', () => {
    loads += 1
  })
  await page.addInitScript(() => {
    Object.defineProperty(window, 'crossOriginIsolated', { value: false })
  })
  await openDemo(page, HOSTS.bare.url)
  await expect(page.locator('#path-reasons')).toContainText('after a reload')
  expect(loads).toBe(2)
})

test('plain http is no secure context, and still writes', async ({ page }) => {
  const trouble = collectTrouble(page)
  await openDemo(page, PLAIN_URL)
  expect(await page.evaluate(() => isSecureContext)).toBe(false)
  await expect(page.locator('#path-reasons')).toContainText('plain http')
  await expect(path(page)).toHaveText(/1\sthread$/)
  await page.locator('#write').click()
  await finished(page)
  expect((await page.locator('#tale-text').textContent())?.length).toBeGreaterThan(100)
  expect(trouble).toEqual([])
})

test('the site works below a path', async ({ page }) => {
  const trouble = collectTrouble(page)
  await openDemo(page, `${HOSTS.library.url}demo/dist/`)
  await page.locator('#write').click()
  await finished(page)
  await expect(path(page)).toHaveText(/^WebAssembly/)
  expect(trouble).toEqual([])
})

test('a URL that answers 404 shows NETWORK, and Try again asks again', async ({ page }) => {
  let there = false
  await page.route('**/models/late.gguf', route =>
    there ? route.fulfill({ path: MODEL_FILE }) : route.fulfill({ status: 404, body: 'no' }),
  )
  await openDemo(page, HOSTS.isolated.url)
  await loadUrl(page, `${HOSTS.isolated.url}models/late.gguf`)
  await expect(page.locator('#notice-code')).toHaveText('NETWORK')
  await expect(page.locator('#notice-message')).toContainText('404')
  there = true
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.locator('#question-load').click()
  await expect(page.locator('#model-facts')).not.toBeEmpty()
  await ready(page)
})

test('a URL that answers with a web page shows NOT_A_MODEL', async ({ page }) => {
  await openDemo(page, HOSTS.isolated.url)
  await loadUrl(page, `${HOSTS.isolated.url}index.html`)
  await expect(page.locator('#notice-code')).toHaveText('NOT_A_MODEL')
  await expect(page.locator('#status')).toHaveText(
    'index.html could not be loaded. ryz-tales is still open.',
  )
})

test('a host that cannot be reached shows NETWORK', async ({ page }) => {
  await openDemo(page, HOSTS.isolated.url)
  await page.route('**/gone.gguf', route => route.abort())
  await loadUrl(page, `${HOSTS.isolated.url}gone.gguf`)
  await expect(page.locator('#notice-code')).toHaveText('NETWORK', { timeout: 20_000 })
})

test('a memory limit that is too small shows MEMORY_BUDGET, and the page recovers', async ({
  page,
}) => {
  await openDemo(page, HOSTS.isolated.url)
  await page.locator('#engine summary').click()
  await page.locator('#opt-memoryBudget').fill('1')
  await page.locator('#engine').getByRole('button', { name: 'Apply' }).click()
  await expect(page.locator('#notice-code')).toHaveText('MEMORY_BUDGET')
  await page.locator('#opt-memoryBudget').fill('')
  await page.locator('#engine').getByRole('button', { name: 'Apply' }).click()
  await expect(page.locator('#status')).toHaveText('Ready.')
  await expect(page.locator('#notice')).toBeHidden()
})

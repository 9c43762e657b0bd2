// The ten-line example of the README, run exactly as it stands there.
import { readFileSync } from 'node:fs'
import { expect, test } from '@playwright/test'
import { MODEL_FILE } from './demo-page.ts'
import { HOSTS } from './hosts.ts'

test('the README example runs as it stands and writes 64 tokens at most', async ({ page }) => {
  const code = /```js\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8'))?.[1] ?? ''
  expect(code).toContain("from 'ryzanstein'")
  const logged: string[] = []
  const uncaught: string[] = []
  page.on('console', message => logged.push(message.text()))
  page.on('pageerror', error => uncaught.push(error.message))
  const isolated = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  }
  // The example imports by name and loads from the site's root; a page of its own makes both true.
  await page.route('**/readme.html', route =>
    route.fulfill({
      headers: { ...isolated, 'Content-Type': 'text/html' },
      body:
        '<!doctype html><title>README</title>' +
        '<script type="importmap">{"imports":{"ryzanstein":"/dist/index.js"}}</script>' +
        `<script type="module">${code}\nglobalThis.done = true</script><body></body>`,
    }),
  )
  const model = readFileSync(MODEL_FILE)
  await page.route('**/models/*.gguf', route => {
    const range = /bytes=(\d+)-(\d*)/.exec(route.request().headers().range ?? '')
    if (!range) return route.fulfill({ body: model })
    const first = Number(range[1])
    const last = range[2] ? Math.min(Number(range[2]), model.length - 1) : model.length - 1
    return route.fulfill({
      status: 206,
      headers: { 'Content-Range': `bytes ${first}-${last}/${model.length}` },
      body: model.subarray(first, last + 1),
    })
  })
  await page.goto(`${HOSTS.library.url}readme.html`)
  await page.waitForFunction(() => 'done' in globalThis, undefined, { timeout: 30_000 })
  expect(uncaught).toEqual([])
  const text = await page.evaluate(() => document.body.textContent)
  expect(text?.length).toBeGreaterThan(50)
  expect(logged.some(line => /^weights \d+ \d+/.test(line))).toBe(true)
  expect(logged.at(-1)).toMatch(/^(length|eos) \d/)
})

// The example of the README, run as it stands there, on a page that imports the built package.
import { readFileSync } from 'node:fs'
import { expect, test } from '@playwright/test'
import { HOSTS } from './hosts.ts'

const example = readFileSync('README.md', 'utf8').match(/```js\n([\s\S]*?)```/)?.[1] ?? ''

const PAGE = `<!doctype html><title>README</title><body>
<script type="importmap">{ "imports": { "ryzanstein": "/dist/index.js" } }</script>
<script type="module">
${example}
globalThis.outcome = { finishReason, ttftMs }
</script>`

test('the ten lines of the README write a story', async ({ page }) => {
  expect(example).toContain("from 'ryzanstein'")
  expect(example.split('\n').filter(line => line.trim() !== '').length).toBeLessThanOrEqual(10)
  await page.route('**/readme.html', route =>
    route.fulfill({
      contentType: 'text/html',
      headers: {
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
      },
      body: PAGE,
    }),
  )
  await page.route('**/models/*.gguf', route =>
    route.fulfill({ path: `demo/public${new URL(route.request().url()).pathname}` }),
  )
  const trouble: string[] = []
  page.on('pageerror', error => trouble.push(error.message))
  const lines: string[] = []
  page.on('console', message => lines.push(message.text()))

  await page.goto(`${HOSTS.library.url}readme.html`)
  const outcome = () => page.evaluate(() => Reflect.get(globalThis, 'outcome'))
  await expect.poll(outcome, { timeout: 30_000 }).toBeTruthy()

  expect(await outcome()).toEqual({
    finishReason: expect.stringMatching(/length|eos/),
    ttftMs: expect.any(Number),
  })
  expect((await page.textContent('body'))?.length).toBeGreaterThan(80)
  expect(trouble).toEqual([])
  expect(lines.some(line => line.startsWith('weights'))).toBe(true)
})

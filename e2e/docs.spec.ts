// The code of the documents that says it can be run, run as it stands on a page that imports the built package.
import { readFileSync } from 'node:fs'
import { expect, type Page, test } from '@playwright/test'
import { collectTrouble } from './demo-page.ts'
import { HOSTS } from './hosts.ts'

const quickstart = readFileSync('docs/QUICKSTART.md', 'utf8')
const pieces = Array.from(
  quickstart.matchAll(/<!-- run -->\n```js\n([\s\S]*?)```/g),
  ([, code]) => code!,
)
const CDN = 'https://cdn.example/ryzanstein@0.1.0/dist/'

function pageOf(code: string): string {
  return `<!doctype html><title>waiting</title><body>
<script type="importmap">{ "imports": { "ryzanstein": "/dist/index.js" } }</script>
<script type="module">
${code}
document.title = 'done'
</script>`
}

async function run(page: Page, html: string): Promise<string[]> {
  const lines: string[] = []
  page.on('console', message => lines.push(message.text()))
  await page.route('**/document.html', route =>
    route.fulfill({
      contentType: 'text/html',
      headers: {
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
      },
      body: html,
    }),
  )
  await page.route('**/models/*.gguf', route =>
    route.fulfill({ path: `demo/public${new URL(route.request().url()).pathname}` }),
  )
  await page.goto(`${HOSTS.library.url}document.html`)
  return lines
}

test('QUICKSTART has pieces to run', () => {
  expect(pieces.length).toBe(3)
})

for (const [index, code] of pieces.entries()) {
  test(`piece ${index + 1} of QUICKSTART runs as it stands`, async ({ page }) => {
    const trouble = collectTrouble(page)
    const lines = await run(page, pageOf(code))
    await expect(page).toHaveTitle('done', { timeout: 30_000 })
    // It shows something: text on the page, or a line of the console.
    const shown = `${(await page.textContent('body'))?.split('</script>').at(-1)}${lines.join('')}`
    expect(shown.length).toBeGreaterThan(0)
    expect(trouble).toEqual([])
  })
}

test('the page without a bundler of QUICKSTART runs from the address of the package', async ({
  page,
}) => {
  const html = /```html\n([\s\S]*?)```/.exec(quickstart)?.[1] ?? ''
  expect(html).toContain(CDN)
  const trouble = collectTrouble(page)
  await run(page, html.replace(CDN, `${HOSTS.library.url}dist/`))
  const written = () => page.evaluate(() => document.body.lastChild?.textContent?.length ?? 0)
  await expect.poll(written, { timeout: 30_000 }).toBeGreaterThan(20)
  expect(trouble).toEqual([])
})

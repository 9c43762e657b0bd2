// Tales, Bench and Evals by axe: as opened, with their folds open, with results, with a problem; light and dark, and no
// wider than a phone. Chat and Play have theirs in chat.spec.ts and play.spec.ts. SHOTS=folder keeps pictures.
import { AxeBuilder } from '@axe-core/playwright'
import { expect, type Page, test } from '@playwright/test'
import { finished, ready } from './demo-page.ts'
import { HOSTS } from './hosts.ts'

const SITE = HOSTS.isolated.url

interface Visit {
  readonly name: string
  readonly url: string
  /** Brings the page into the state that is looked at. */
  readonly until: (page: Page) => Promise<unknown>
}

const opened = (page: Page) => expect(page.locator('h1')).toBeVisible()
const unfolded = async (page: Page) => {
  await opened(page)
  await page.evaluate(() => {
    for (const fold of document.querySelectorAll('details')) fold.open = true
  })
}

const VISITS: Visit[] = [
  {
    name: 'tales, written',
    url: 'index.html',
    until: async page => {
      await ready(page)
      await page.locator('#write').click()
      await finished(page)
      await unfolded(page)
    },
  },
  { name: 'bench, unfolded', url: 'bench/index.html', until: unfolded },
  {
    name: 'bench, results',
    url: 'bench/index.html',
    until: async page => {
      for (const [id, value] of Object.entries({
        values: '1',
        prompt: '8',
        generate: '8',
        repeat: '1',
      })) {
        await page.locator(`#set-${id}`).fill(value)
      }
      await page.locator('#run').click()
      await expect(page.locator('#link')).toBeVisible({ timeout: 60_000 })
      await expect(page.locator('#stop')).toHaveAttribute('aria-disabled', 'true', {
        timeout: 60_000,
      })
    },
  },
  { name: 'evals, unfolded', url: 'evals/index.html', until: unfolded },
  {
    name: 'evals, results',
    url: 'evals/index.html?task=mmlu&model=ryz-tales&run=1',
    until: page => expect(page.locator('#status')).toHaveText(/^Finished: /, { timeout: 50_000 }),
  },
  {
    name: 'evals, a wrong file',
    url: 'evals/index.html?task=lambada_openai&model=ryz-tales',
    until: async page => {
      const buffer = Buffer.from('{"txt":"a b"}\n')
      await page.locator('#data-files').setInputFiles({ name: 'x.jsonl', mimeType: '', buffer })
      await page.locator('#run').click()
      await expect(page.locator('#problem')).toBeVisible({ timeout: 30_000 })
    },
  },
]

for (const { name, url, until } of VISITS) {
  test(`${name}: nothing is wrong by axe, light and dark, and the page fits 390 px`, async ({
    page,
  }) => {
    await page.goto(SITE + url)
    await until(page)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 })
        const { violations } = await new AxeBuilder({ page }).analyze()
        expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([])
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        expect(over, `${width} ${colorScheme}`).toBeLessThanOrEqual(0)
        if (process.env.SHOTS) {
          const path = `${process.env.SHOTS}/${name.replaceAll(/\W+/g, '-')}-${colorScheme}-${width}.png`
          await page.screenshot({ path, fullPage: true })
        }
      }
    }
  })
}

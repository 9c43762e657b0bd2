// The evaluation page as built: runs, what a closed tab leaves, files of the device, and what is wrong with them.
import { readFileSync } from 'node:fs'
import { expect, type Page, test } from '@playwright/test'
import { planOfFiles, publishedIn, shotsOf } from '../evals/node/published.ts'
import type { EvalResults } from '../evals/report/results.ts'
import { collectTrouble } from './demo-page.ts'
import { HOSTS } from './hosts.ts'

const PAGE = `${HOSTS.isolated.url}evals/index.html`

let trouble: string[] = []
test.beforeEach(({ page }) => {
  trouble = collectTrouble(page)
})
test.afterEach(() => {
  expect(trouble).toEqual([])
})

async function finished(page: Page): Promise<EvalResults> {
  await expect(page.locator('#status')).toHaveText(/^Finished: /, { timeout: 50_000 })
  return page.evaluate(() => window.__evals!)
}

test('a link runs a task; figures, notes and the link are shown', async ({ page }) => {
  await page.goto(`${PAGE}?task=mmlu&model=ryz-tales&run=1`)
  const out = await finished(page)
  expect(out['n-shot']).toMatchObject({ mmlu: 5, mmlu_farm_animals: 5 })
  expect(out['n-samples'].mmlu).toEqual({ original: 10, effective: 10 })
  await expect(page.locator('#table-body tr.group td').first()).toHaveText('mmlu')
  await expect(page.locator('#table-body tr')).toHaveCount(3)
  await expect(page.locator('#notes')).toContainText('Bos stands before every text')
  await expect(page.locator('#link')).toHaveAttribute('href', '?task=mmlu&model=ryz-tales')
  const saved = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Save as Markdown' }).click()
  expect(readFileSync(await (await saved).path(), 'utf8')).toContain(
    '| - mmlu_farm_animals | 1.0 |',
  )
})

test('a run goes on after its tab was closed, with the same figures', async ({ page, context }) => {
  // The reference is slow enough to be caught in the middle.
  const url = `${PAGE}?task=hellaswag&model=ryz-tales&backend=reference&run=1`
  await page.goto(url)
  await expect(page.locator('#status')).toHaveText(/: [2-7] of 10 documents/, { timeout: 50_000 })
  await page.close({ runBeforeUnload: false })
  const next = await context.newPage()
  await next.goto(url)
  const out = await finished(next)
  expect(out.ryzanstein.resumed).toBeGreaterThanOrEqual(2)
  expect(out.ryzanstein.resumed).toBeLessThan(10)
  await expect(next.locator('#notes')).toContainText('answered in an earlier visit')
  await next.getByRole('button', { name: 'Forget fetched files and unfinished runs' }).click()
  await expect(next.locator('#status')).toContainText('forgotten')
  // The kernels give the same bits as the reference, in one go.
  await next.goto(`${PAGE}?task=hellaswag&model=ryz-tales&run=1`)
  const whole = await finished(next)
  expect(whole.ryzanstein.resumed).toBe(0)
  expect(whole.results).toEqual(out.results)
})

test('files of the device are read, and a wrong line is named', async ({ page }) => {
  await page.goto(`${PAGE}?task=lambada_openai&model=ryz-tales`)
  const picker = page.locator('#data-files')
  const file = (text: string) => ({ name: 'x.jsonl', mimeType: '', buffer: Buffer.from(text) })
  await picker.setInputFiles(file('{"text":"He has a boat"}\n{"txt":"a b"}\n'))
  await page.locator('#run').click()
  await expect(page.locator('#problem')).toHaveText(/^Line 2 of x\.jsonl: text must be a text/i)
  await picker.setInputFiles(file('{"text":"He has a boat"}\n{"text":"She sees the sea"}\n'))
  await page.locator('#run').click()
  const out = await finished(page)
  expect(out['n-samples'].lambada_openai).toEqual({ original: 2, effective: 2 })
  await expect(page.locator('#problem')).toBeHidden()
  await expect(page.locator('#link')).toBeHidden()
})

test('files by URL are fetched once and kept', async ({ page }) => {
  const data = `${HOSTS.isolated.url}evals/there.jsonl`
  await page.route(data, route => route.fulfill({ path: 'evals/set/winogrande.jsonl' }))
  let fetched = 0
  page.on('request', request => {
    if (request.url() === data) fetched++
  })
  const url = `${PAGE}?task=winogrande&model=ryz-tales&data=${encodeURIComponent(data)}&run=1`
  await page.goto(url)
  const out = await finished(page)
  expect(out.ryzanstein.data[0]).toMatchObject({ url: data, use: 'documents' })
  await page.goto(url)
  expect((await finished(page)).ryzanstein.resumed).toBe(8)
  expect(fetched).toBe(1)
})

const SET = 'evals/set'
/** One for each way of asking a model: choices, parts of a sentence, a last word, answers, whole texts. */
const ON_REFERENCE = ['hellaswag', 'winogrande', 'lambada_openai', 'gsm8k', 'wikitext']
test.describe('files in the published formats', () => {
  for (const published of publishedIn(SET)) {
    const { task } = published
    const compared = ON_REFERENCE.includes(task)
    const title = compared ? ', with the same figures on the reference' : ''
    test(`${task}: from start to end${title}`, async ({ page }) => {
      test.slow()
      const run = async (query: string) => {
        await page.goto(
          `${PAGE}?model=ryz-tales&task=${task}&fewshot=${shotsOf(published)}&${query}`,
        )
        const places = (names: readonly string[]) => names.map(name => `${SET}/${name}`)
        await page.locator('#data-files').setInputFiles(places(published.documents))
        await page.locator('#shot-files').setInputFiles(places(published.examples))
        await page.locator('#run').click()
        return finished(page)
      }
      const { plan } = await planOfFiles(SET, published)
      const documents = plan.parts.reduce((sum, part) => sum + part.documents.length, 0)
      const whole = await run('backend=wasm')
      expect(whole['n-samples'][task]).toEqual({ original: documents, effective: documents })
      expect(whole.ryzanstein.path.backend).toBe('wasm')
      if (!compared) return
      await page.getByRole('button', { name: 'Forget fetched files' }).click()
      const few = await run('backend=wasm&limit=1')
      const reference = await run('backend=reference&limit=1')
      expect(reference.ryzanstein.path.backend).toBe('reference')
      expect(reference.ryzanstein.resumed).toBe(0)
      expect(reference.results).toEqual(few.results)
    })
  }
})

test('what is wrong with files and links is said, and the page goes on', async ({ page }) => {
  await page.goto(`${PAGE}?task=mmlu&model=ryz-tales`)
  const file = (name: string, text: string) => ({
    name,
    mimeType: '',
    buffer: Buffer.from(text),
  })
  const says = async (files: ReturnType<typeof file>[], problem: RegExp) => {
    await page.locator('#data-files').setInputFiles(files)
    await page.locator('#run').click()
    await expect(page.locator('#problem')).toHaveText(problem)
  }
  const line = 'q,a,b,c,d,A\n'
  await says([file('x_test.csv', '')], /^X_test\.csv holds no rows/i)
  await says([file('x_test.csv', 'q,"a')], /never closed/)
  await says([file('x_test.csv', 'q,a,b\n')], /^Line 1 of x_test\.csv: a line must hold/)
  await says(
    [file('x_test.csv', line)],
    /^5 examples stand before each question and 0 are given for x/,
  )
  await says([file('x.parquet', 'version https://git-lfs')], /is not Parquet/)
  await says([file('x.parquet', 'PAR1 and no more')], /cannot be read as Parquet/)
  await page.locator('#set-fewshot').fill('0')
  await page.locator('#data-files').setInputFiles([file('x_test.csv', line + line)])
  await page.locator('#run').click()
  await finished(page)
  await expect(page.locator('#notes')).toContainText('1 documents stand in the data a second time')
  await page.goto(`${PAGE}?task=nothing&model=ryz-tales&run=1`)
  await expect(page.locator('#problem')).toContainText('is no task; there are mmlu')
})

test('two tabs run the same task at once, with the same figures', async ({ page, context }) => {
  const url = `${PAGE}?task=arc_easy&model=ryz-tales&run=1`
  const other = await context.newPage()
  await Promise.all([page.goto(url), other.goto(url)])
  const [one, two] = [await finished(page), await finished(other)]
  expect(one.results).toEqual(two.results)
  expect(one['n-samples'].arc_easy!.effective).toBe(10)
})

// The play page as a visitor meets it, on a host with isolation headers and a strict policy.
import { AxeBuilder } from '@axe-core/playwright'
import { expect, type Page, test } from '@playwright/test'
import { collectTrouble } from './demo-page.ts'
import { HOSTS } from './hosts.ts'

let trouble: string[] = []
test.beforeEach(async ({ page }) => {
  trouble = collectTrouble(page)
  await page.goto(`${HOSTS.isolated.url}play/index.html`)
  await expect(page.locator('#status')).toHaveText('Ready.', { timeout: 30_000 })
})
test.afterEach(() => {
  expect(trouble).toEqual([])
})

const axe = async (page: Page): Promise<string[]> => {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`)
}

test('a form fills in and meets its schema; the schema can be edited', async ({ page }) => {
  const note = page.locator('#form-note')
  await page.getByRole('button', { name: 'Fill in' }).click()
  await expect(note).toHaveText(/^Whole, and it meets the schema: \d+ tokens/, { timeout: 30_000 })
  const made = JSON.parse((await page.locator('#form-raw').textContent()) ?? '')
  expect(made).toEqual({
    ...{ name: 'Anna', age: 34, city: 'Oslo' },
    ...{ likes: ['music', 'books'], pet: 'cat' },
  })
  await expect(page.locator('#form-tree dt')).toHaveText(['name', 'age', 'city', 'likes', 'pet'])
  const schema = page.locator('#form-schema')
  await schema.fill('{"type": "array", "items": {"enum": [7]}, "minItems": 3, "maxItems": 3}')
  await page.getByRole('button', { name: 'Fill in' }).click()
  await expect(page.locator('#form-tree li')).toHaveText(['7', '7', '7'])
  await expect(note).toHaveText(/^Whole/)
  await schema.fill('{"type": "intger"}')
  await page.getByRole('button', { name: 'Fill in' }).click()
  await expect(note).toHaveText(/^Not run: .*type/)
  await schema.fill('{"type":')
  await page.getByRole('button', { name: 'Fill in' }).click()
  await expect(note).toHaveText(/^Not run: the schema is no JSON/)
})

test('a function is called, run in the page, and answered', async ({ page }) => {
  const steps = page.locator('.step')
  await page.getByRole('button', { name: 'Ask' }).click()
  await expect(page.locator('#functions-note')).toHaveText('Answered after one call.', {
    timeout: 30_000,
  })
  await expect(steps.nth(0)).toContainText('What is the weather in Oslo today?')
  await expect(steps.nth(1)).toContainText('get_weather({"city": "Oslo"')
  await expect(steps.nth(2)).toContainText('"temperature": "41"')
  await expect(steps.nth(3)).toContainText('41 degrees')
  await page.locator('#functions-definitions').fill('[{"name": "get_time"}]')
  await page.locator('#functions-choice').selectOption('required')
  await page.locator('#functions-question').fill('What time is it?')
  await page.keyboard.press('Enter')
  await expect(steps.nth(2)).toContainText('{"time": ', { timeout: 30_000 })
  await page.locator('#functions-definitions').fill('[{"name": "fly"}]')
  await page.getByRole('button', { name: 'Ask' }).click()
  await expect(page.locator('#functions-note')).toHaveText(/^Not run: fly needs "returns"/)
})

test('tokens show what else was likely, by pointer and by keys', async ({ page }) => {
  await page.locator('#odds-temperature').fill('0')
  await page.getByRole('button', { name: 'Answer' }).click()
  await expect(page.locator('#odds-note')).toHaveText(/^Point at a word/, { timeout: 30_000 })
  const tokens = page.locator('.token')
  await tokens.nth(1).hover()
  const rows = page.locator('#odds-list li')
  await expect(rows).toHaveCount(6)
  // Greedy draws the likeliest, and the likeliest stands first.
  await expect(rows.first()).toHaveClass('drawn')
  await expect(rows.first()).toHaveText(/\d %$/)
  await tokens.nth(0).focus()
  await page.keyboard.press('ArrowRight')
  await expect(tokens.nth(1)).toBeFocused()
  await expect(tokens.nth(1)).toHaveAttribute('data-shown', '')
})

test('nothing is wrong by axe, light and dark, and the page fits 390 px', async ({ page }) => {
  await page.getByRole('button', { name: 'Fill in' }).click()
  await expect(page.locator('#form-note')).toHaveText(/^Whole/, { timeout: 30_000 })
  await page.getByRole('button', { name: 'Ask' }).click()
  await expect(page.locator('#functions-note')).toHaveText(/^Answered/, { timeout: 30_000 })
  await page.getByRole('button', { name: 'Answer' }).click()
  await expect(page.locator('#odds-note')).toHaveText(/^Point/, { timeout: 30_000 })
  await page.locator('.token').first().hover()
  expect(await axe(page)).toEqual([])
  await page.setViewportSize({ width: 390, height: 844 })
  await page.emulateMedia({ colorScheme: 'dark' })
  expect(await axe(page)).toEqual([])
  const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  expect(widths[0]).toBeLessThanOrEqual(widths[1]!)
})

// The first words of a visit: on a line of 10 Mbit/s they come soon after the model's last byte, later visits are
// quick at once, and the page says so. Limits are several times what a free machine takes.
import { type ChildProcess, spawn } from 'node:child_process'
import { expect, type Page, test } from '@playwright/test'
import { HOSTS } from './hosts.ts'

/** 10 Mbit/s. */
const RATE = 1.25e6
const LIMIT_S = 4

let server: ChildProcess
const port = HOSTS.library.port + 71
const url = `http://localhost:${port}/chat/index.html`

test.beforeAll(async () => {
  const args = ['--root', 'demo/dist', '--isolate', '--csp', '--rate', `${RATE}`]
  server = spawn('node', ['e2e/server.mjs', ...args, '--port', `${port}`])
  const answers = () =>
    fetch(url).then(
      response => response.ok,
      () => false,
    )
  await expect.poll(answers).toBe(true)
})
test.afterAll(() => server.kill())

/** '412 ms', '7.6 s' in seconds. */
const seconds = (text: string, before: string): number => {
  const found = new RegExp(`${before} ([\\d,.]+) (ms|s)`).exec(text)
  const value = Number(found?.[1]?.replaceAll(',', ''))
  return found?.[2] === 'ms' ? value / 1000 : value
}

async function ask(page: Page): Promise<string> {
  await page.locator('#say').fill('Who are you?')
  await page.keyboard.press('Enter')
  await expect(page.locator('#status')).toHaveText('Answered.', { timeout: 60_000 })
  const told = (await page.locator('#first-word').textContent()) ?? ''
  console.log(told)
  return told
}

test('come within seconds of the last byte on a first visit, and of the opening on a later one', async ({
  page,
}) => {
  await page.goto(url)
  const first = await ask(page)
  expect(first).toContain('after its last byte')
  expect(seconds(first, 'The model came in')).toBeGreaterThan(5)
  expect(seconds(first, 'The model came in')).toBeLessThan(7 + LIMIT_S)
  expect(seconds(first, 'The first word stood')).toBeLessThan(LIMIT_S)

  await page.goto('about:blank')
  await page.goto(url)
  const later = await ask(page)
  const all = /, ([\d.]+ m?s) after the page was opened/.exec(later)?.[1] ?? ''
  expect(seconds(`x ${all}`, 'x')).toBeLessThan(LIMIT_S)
})

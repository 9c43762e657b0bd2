// A session survives a real reload of the page: saved to IndexedDB by one page load, found by the next,
// which goes on without reading the text again.
import { expect, type Page, test } from '@playwright/test'
import type * as Sdk from '../src/index.ts'
import { HOSTS } from './hosts.ts'

declare global {
  var ryzanstein: typeof Sdk
}

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
const TALE =
  'Once upon a time there was a fox who lived alone in a small house by the sea. Every morning he ' +
  'went down to the water and looked for something to eat, and every evening he came back. '

test('a text goes on after a reload, and only what is new is read', async ({ page }) => {
  await open(page)
  const before = await page.evaluate(
    async ({ model, tale }) => {
      const engine = await ryzanstein.load(model)
      const options = { maxTokens: 24, seed: 5, reuse: false }
      const text = await engine.generate(`${tale}One day`, options).text()
      await ryzanstein.sessions.save('fox', await engine.saveSession(tale))
      return text // and the page goes away with its engine
    },
    { model: MODEL, tale: TALE },
  )
  await page.reload()
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
  const after = await page.evaluate(
    async ({ model, tale }) => {
      const engine = await ryzanstein.load(model)
      const saved = await ryzanstein.sessions.load('fox')
      const restored = saved && (await engine.restoreSession(saved))
      const stream = engine.generate(`${tale}One day`, { maxTokens: 24, seed: 5 })
      const result = await stream.result
      await engine.close()
      return { text: result.text, reused: result.reusedTokens, restored }
    },
    { model: MODEL, tale: TALE },
  )
  expect(after.text).toBe(before)
  expect(after.restored?.restoredTokens).toBeGreaterThanOrEqual(32)
  expect(after.reused).toBe(after.restored?.restoredTokens)
})

async function open(page: Page): Promise<void> {
  await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
}

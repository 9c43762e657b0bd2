// The demo as a test uses it: opens it, waits for states, and collects what must never happen
// (console errors, uncaught exceptions, policy violations, requests to other hosts).
import { expect, type Page } from '@playwright/test'

export const MODEL_FILE = 'demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'

/** Start before goto(); check with expect(...).toEqual([]) at the end. */
export function collectTrouble(page: Page): string[] {
  const trouble: string[] = []
  page.on('console', message => {
    if (message.type() === 'error') trouble.push(`console: ${message.text()}`)
  })
  page.on('pageerror', error => trouble.push(`uncaught: ${error.message}`))
  page.on('request', request => {
    const url = new URL(request.url())
    const own = url.hostname === 'localhost' || url.hostname === 'plain.test'
    if (!own && url.protocol !== 'blob:') trouble.push(`request: ${url.href}`)
  })
  return trouble
}

/** Opens the demo and waits until the embedded model can write. */
export async function openDemo(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await ready(page)
}

export async function ready(page: Page): Promise<void> {
  await expect(page.locator('#status')).toHaveText('Ready.', { timeout: 30_000 })
}

export async function finished(page: Page): Promise<void> {
  await expect(page.locator('#status')).toHaveText(/^Finished: /, { timeout: 30_000 })
}

/** The path line, e.g. 'WebAssembly, relaxed SIMD, 2 threads'. */
export function path(page: Page) {
  return page.locator('#path-summary')
}

/** Sets a slider as a user's drag would: value, then the input event. */
export async function slide(page: Page, id: string, value: number): Promise<void> {
  await page.locator(`#${id}`).fill(String(value))
}

/** Chooses load options in the Engine fold and waits for the model to be back. */
export async function useEngine(page: Page, options: Record<string, string>): Promise<void> {
  const fold = page.locator('#engine')
  if ((await fold.getAttribute('open')) === null) await fold.locator('summary').click()
  for (const [name, value] of Object.entries(options)) {
    await page.locator(`#opt-${name}`).selectOption(value)
  }
  await fold.getByRole('button', { name: 'Apply and load again' }).click()
  await expect(page.locator('#loading')).toBeHidden({ timeout: 30_000 })
  await ready(page)
}

export async function openModelFold(page: Page): Promise<void> {
  await page.locator('#model summary').click()
}

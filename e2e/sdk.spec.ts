// The built package imported by a page without a bundler, as a user would: every public call once,
// in a real isolated browser and under a strict policy.
import { expect, type Page, test } from '@playwright/test'
import type * as Sdk from '../src/index.ts'
import { collectTrouble } from './demo-page.ts'
import { HOSTS } from './hosts.ts'

declare global {
  var ryzanstein: typeof Sdk
}

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
const GREEDY = ' there lived a king who had three sons. One day the king said to his wife, "'

async function openEmbed(page: Page): Promise<void> {
  await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
}

test('load, generate and close write the golden text', async ({ page }) => {
  const trouble = collectTrouble(page)
  await openEmbed(page)
  const seen = await page.evaluate(async model => {
    const phases = new Set<string>()
    const engine = await ryzanstein.load(model, { onProgress: p => phases.add(p.phase) })
    const stream = engine.generate('Once upon a time', { temperature: 0, maxTokens: 24 })
    let text = ''
    for await (const piece of stream) text += piece.text
    const result = await stream.result
    // A message takes up to 4 ms of tokens: 24 of them may come in five.
    const long = { temperature: 0, maxTokens: 240, ignoreEos: true }
    let pieces = 0
    for await (const piece of engine.generate('Once upon a time', long)) {
      if (piece.text !== '') pieces += 1
    }
    const stats = await engine.stats()
    await engine.close()
    await engine.close()
    const code = await engine
      .generate('x')
      .text()
      .catch(error => error.code)
    return { phases: [...phases], text, pieces, result, stats, code }
  }, MODEL)
  expect(seen.text).toContain(GREEDY)
  expect(seen.pieces).toBeGreaterThan(5)
  expect(seen.result).toMatchObject({ text: seen.text, finishReason: 'length', promptTokens: 5 })
  expect(seen.result.tokens).toHaveLength(24)
  expect(seen.phases).toEqual(expect.arrayContaining(['header', 'weights', 'ready']))
  expect(seen.stats.backend).toBe('wasm')
  expect(seen.stats.model.architecture).toBe('bitnet')
  expect(seen.code).toBe('CLOSED')
  expect(trouble).toEqual([])
})

test('a string source is resolved against the page, and text() collects the stream', async ({
  page,
}) => {
  await openEmbed(page)
  const text = await page.evaluate(async () => {
    const relative = '../../demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
    const engine = await ryzanstein.load(relative)
    const text = await engine.generate('Once upon a time', { temperature: 0, maxTokens: 8 }).text()
    await engine.close()
    return text
  })
  expect(text).toBe(' there lived a king who had three sons')
})

test('the same seed gives the same text', async ({ page }) => {
  await openEmbed(page)
  const texts = await page.evaluate(async model => {
    const engine = await ryzanstein.load(model)
    const options = { seed: 7, maxTokens: 32 }
    const texts = [
      await engine.generate('The little rabbit', options).text(),
      await engine.generate('The little rabbit', options).text(),
      await engine.generate('The little rabbit', { ...options, seed: 8 }).text(),
    ]
    await engine.close()
    return texts
  }, MODEL)
  expect(texts[1]).toBe(texts[0])
  expect(texts[2]).not.toBe(texts[0])
})

test('break, a signal and close each end a request', async ({ page }) => {
  await openEmbed(page)
  const seen = await page.evaluate(async model => {
    const engine = await ryzanstein.load(model)
    for await (const _ of engine.generate('Once', { ignoreEos: true, maxTokens: 400 })) break
    const aborter = new AbortController()
    const aborted = engine.generate('Once', { ignoreEos: true, signal: aborter.signal })
    aborter.abort()
    const abortCode = await aborted.text().catch(error => error.code)
    const open = engine.generate('Once', { ignoreEos: true, maxTokens: 400 })
    const closeCode = open.text().catch(error => error.code)
    await engine.close()
    return { abortCode, closeCode: await closeCode }
  }, MODEL)
  expect(seen.abortCode).toBe('ABORTED')
  expect(seen.closeCode).toBe('CLOSED')
})

test('chat on a model without a template is a TEMPLATE_ERROR', async ({ page }) => {
  await openEmbed(page)
  const seen = await page.evaluate(async model => {
    const engine = await ryzanstein.load(model)
    try {
      await engine.chat([{ role: 'user', content: 'Hello' }]).text()
      return null
    } catch (error) {
      const known = error instanceof ryzanstein.RyzError
      return { known, code: known ? error.code : '', message: String(error) }
    } finally {
      await engine.close()
    }
  }, MODEL)
  expect(seen).toMatchObject({ known: true, code: 'TEMPLATE_ERROR' })
})

test('score, tokenize, detokenize and countTokens agree', async ({ page }) => {
  await openEmbed(page)
  const seen = await page.evaluate(async model => {
    const engine = await ryzanstein.load(model)
    const ids = await engine.tokenize('Once upon a time')
    const text = await engine.detokenize(ids)
    const count = await engine.countTokens('Once upon a time')
    const score = await engine.score('Once upon a time', { logits: true })
    await engine.close()
    return {
      ids,
      text,
      count,
      scored: score.tokens,
      logprobs: [...score.logprobs],
      best: score.logits
        ? score.logits.indexOf(Math.max(...score.logits.slice(-4096)), 4 * 4096) % 4096
        : -1,
      vocab: score.vocabSize,
    }
  }, MODEL)
  expect(seen.scored).toEqual([1, 2496, 631, 269, 546])
  expect(seen.ids.slice(-4)).toEqual([2496, 631, 269, 546])
  expect(seen.text).toContain('Once upon a time')
  expect(seen.count).toBe(seen.ids.length)
  expect(seen.logprobs).toHaveLength(5)
  expect(seen.logprobs[0]).toBe(0)
  for (const logprob of seen.logprobs.slice(1)) expect(logprob).toBeLessThan(0)
  expect(seen.vocab).toBe(4096)
  // The first greedy token of the golden: " there".
  expect(seen.best).toBe(450)
})

test('two engines stand side by side', async ({ page }) => {
  await openEmbed(page)
  const texts = await page.evaluate(async model => {
    const options = { temperature: 0, maxTokens: 8 }
    const engines = await Promise.all([
      ryzanstein.load(model, { threads: 1 }),
      ryzanstein.load(model, { backend: 'reference' }),
    ])
    const texts = await Promise.all(
      engines.map(e => e.generate('Once upon a time', options).text()),
    )
    await Promise.all(engines.map(e => e.close()))
    return texts
  }, MODEL)
  expect(texts[0]).toBe(' there lived a king who had three sons')
  expect(texts[1]).toBe(texts[0])
})

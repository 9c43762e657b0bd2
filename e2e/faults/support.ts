// What the fault specs share: the fault server with the embedded model in small chunks, and one function
// that loads it in a page, writes the golden text and tells what the cache did.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, type Page } from '@playwright/test'
import type * as Sdk from '../../src/index.ts'
import type { LoadOptions } from '../../src/types/index.ts'
import { MODEL_FILE } from '../demo-page.ts'

declare global {
  var ryzanstein: typeof Sdk
}

export const MODEL = readFileSync(MODEL_FILE)
export const MODEL_SHA256 = createHash('sha256').update(MODEL).digest('hex')
/** 17 chunks of the embedded model. */
export const CHUNK = 128 * 1024
export const CHUNKS = Math.ceil(MODEL.length / CHUNK)
export const GOLDEN = ' there lived a king who had three sons. One day the king said to his wife, "'

export interface Outcome {
  readonly text?: string
  readonly cache?: Sdk.CacheStats
  readonly fallbacks?: Sdk.Fallback[]
  readonly code?: string
  readonly message?: string
}

/** Goes to an empty page that has the built package as `ryzanstein`. */
export async function openPage(page: Page, origin: string): Promise<void> {
  await page.goto(`${origin}e2e/fixtures/embed.html`)
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
}

/** Loads, writes 24 tokens greedily, closes. */
export function loadAndWrite(
  page: Page,
  url: string,
  options: Omit<LoadOptions, 'fetch' | 'draft'> = {},
): Promise<Outcome> {
  return page.evaluate(
    async ([source, given]) => {
      try {
        const engine = await ryzanstein.load(source, given)
        const text = await engine
          .generate('Once upon a time', { temperature: 0, maxTokens: 24 })
          .text()
        const { cache, fallbacks } = await engine.stats()
        await engine.close()
        return { text, cache, fallbacks }
      } catch (error) {
        if (!(error instanceof ryzanstein.RyzError)) throw error
        return { code: error.code, message: error.message }
      }
    },
    [url, { cacheChunkBytes: CHUNK, ...options }] as const,
  )
}

/** The text is the golden one and the cache did what is said. */
export function expectText(outcome: Outcome, cache: Partial<Sdk.CacheStats>): void {
  expect(outcome).toMatchObject({ cache })
  expect(outcome.text).toContain(GOLDEN)
}

/** Flips one byte of what IndexedDB holds: of a chunk, of a file's record or of a model's manifest. */
export function flipStored(
  page: Page,
  what: 'chunk' | 'file' | 'model',
  position: number,
): Promise<void> {
  return page.evaluate(
    async ([kind, at]) => {
      const asked = <T>(request: IDBRequest<T>) =>
        new Promise<T>((done, fail) => {
          request.onsuccess = () => done(request.result)
          request.onerror = () => fail(request.error)
        })
      const database = await asked(indexedDB.open('ryzanstein'))
      const table = () => database.transaction('models', 'readwrite').objectStore('models')
      const keys = (await asked(table().getAllKeys())) as unknown as [string, ...unknown[]][]
      const own = keys.filter(key => key[0] === kind)
      const key = own[at % own.length] as unknown as IDBValidKey
      const value = await asked(table().get(key))
      if (value instanceof Blob) {
        const bytes = new Uint8Array(await value.arrayBuffer())
        bytes[at % bytes.length] ^= 1 << (at % 8)
        await asked(table().put(new Blob([bytes]), key))
      } else {
        const field = at % 5 === 0 ? 'sha256' : 'json'
        const bytes = new TextEncoder().encode(value[field])
        bytes[at % bytes.length] ^= 1 << (at % 7)
        await asked(table().put({ ...value, [field]: new TextDecoder().decode(bytes) }, key))
      }
      database.close()
    },
    [what, position] as const,
  )
}

// The head of a report: what the page can know about where it runs. The driver adds commit and CPU.
import { type BenchHead, RESULTS_VERSION } from './results.ts'

/** 'Chromium 156' or the like; the whole user agent when it is of another kind. */
export function browserName(userAgent: string): string {
  const found = /(Firefox|Edg|Chrome)\/([\d.]+)/.exec(userAgent)
  if (found) return `${found[1]} ${found[2]}${userAgent.includes('Headless') ? ' (headless)' : ''}`
  const safari = /Version\/([\d.]+).*Safari/.exec(userAgent)
  return safari ? `Safari ${safari[1]}` : userAgent
}

export function headOfPage(): BenchHead {
  const cores = navigator.hardwareConcurrency
  const { deviceMemory } = navigator as Navigator & { deviceMemory?: number }
  const memory = deviceMemory === undefined ? '' : `, at least ${deviceMemory} GB`
  return {
    version: RESULTS_VERSION,
    machine: `${cores} logical ${cores === 1 ? 'core' : 'cores'}${memory}`,
    browser: browserName(navigator.userAgent),
    commit: 'unknown',
    date: new Date().toISOString(),
    cross_origin_isolated: crossOriginIsolated,
    quick: false,
  }
}

/** Deletes every database and cache of this site, so that the next load is a cold one. */
export async function forgetEverything(): Promise<void> {
  for (const { name } of (await indexedDB.databases?.()) ?? []) {
    if (name === undefined) continue
    await new Promise<void>(done => {
      const request = indexedDB.deleteDatabase(name)
      request.onsuccess = request.onerror = request.onblocked = () => done()
    })
  }
  if (!('caches' in globalThis)) return
  for (const name of await caches.keys()) await caches.delete(name)
}

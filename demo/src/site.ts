// What every page of the site does first: isolate itself where the host does not, and later keep the site's files in
// the browser, so that it opens offline. The models are kept by the engine.
import { type Isolation, isolate } from 'ryzanstein'

/** The files are fetched when the page has shown what it is for. */
const KEEP_AFTER_MS = 4000

/** @param root  where the site begins, seen from the page: './' or '../' */
export async function openSite(root: './' | '../'): Promise<Isolation> {
  const worker = `${root}site-worker.js`
  const isolation = await isolate(worker)
  if (isSecureContext && navigator.serviceWorker) setTimeout(() => keepSite(worker), KEEP_AFTER_MS)
  return isolation
}

async function keepSite(worker: string): Promise<void> {
  try {
    await navigator.serviceWorker.register(worker)
    const { active } = await navigator.serviceWorker.ready
    active?.postMessage('keep')
  } catch (caught) {
    console.info(`The site is not kept for offline use: ${caught}`)
  }
}

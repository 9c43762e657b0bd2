// load() with `share`: joins the tabs of the origin that use the same model with the same options, or
// says why it cannot. The life of the group is in elect.ts.

import { asRyzError, RyzError } from '../../errors.ts'
import { PACKAGE_VERSION } from '../../features.ts'
import { PLACE, sameOrigin } from '../../start-script.ts'
import type { LoadOptions, LoadProgress, ModelInfo, ModelSource } from '../../types/index.ts'
import { packageUrls } from '../package-urls.ts'
import { Election } from './elect.ts'
import { openConnection } from './open-connection.ts'
import { RevivingLink } from './reviving-link.ts'
import { aborted, onAbort, sourceForWorker, startWorker, tell } from './start-worker.ts'

/** Why tabs cannot share here; undefined when it can be tried. */
function whyNotShared(baseUrl?: string | URL): string | undefined {
  if (typeof SharedWorker === 'undefined') return 'this browser has no SharedWorker'
  // Absent on plain http.
  if (!globalThis.navigator?.locks) return 'there are no Web Locks here'
  const hub = packageUrls(baseUrl)['shared-hub.js']
  if (!sameOrigin(hub)) {
    return `the package comes from ${new URL(hub).origin}, and a SharedWorker must come from the origin of the page; serve the package there (baseUrl)`
  }
  return undefined
}

/** The tab's link to the engine of its group. */
export interface Shared {
  readonly link: RevivingLink
  readonly model: ModelInfo
}

/**
 * An engine that this tab has together with others.
 * @returns or why there can be none here
 * @throws RyzError BAD_OPTION for a source that other tabs cannot name, and all that load() throws
 */
export async function loadShared(
  source: ModelSource,
  options: LoadOptions,
): Promise<Shared | string> {
  const reason = whyNotShared(options.baseUrl)
  if (reason !== undefined) return reason
  const { signal, onProgress, share: _, ...wire } = options
  const url = sourceForWorker(source)
  if (typeof url !== 'string') {
    throw new RyzError(
      'BAD_OPTION',
      'share needs a model at a URL; a file is known to its tab only',
    )
  }
  let progress: LoadProgress = { phase: 'header', loadedBytes: 0, totalBytes: 0, bytesPerSecond: 0 }
  const { headers, chatTemplate, ...told } = wire
  const named = JSON.stringify(Object.entries(told).sort())
  const access = headers || chatTemplate ? `:${await digestOf(headers, chatTemplate)}` : ''
  const group = `ryzanstein:${PACKAGE_VERSION}:${url}:${named}${access}`
  const hubUrl = packageUrls(wire.baseUrl)['shared-hub.js']
  let hub: SharedWorker
  try {
    hub = new SharedWorker(hubUrl, {
      type: 'module',
      name: `ryzanstein-hub ${PACKAGE_VERSION}`,
    })
  } catch (caught) {
    // A sandboxed frame, for one.
    return asRyzError(caught, 'WORKER_DIED', 'the browser allows no SharedWorker here').message
  }
  const election = new Election({
    group,
    locks: navigator.locks,
    hub: hub.port,
    open: (report, avoid) =>
      openConnection(
        startWorker(wire.baseUrl),
        url,
        { ...wire, onProgress: report },
        undefined,
        avoid,
      ),
    onProgress: report => {
      progress = report
      tell(onProgress, report)
    },
  })
  let unlisten: () => void = () => undefined
  let unshared = ''
  try {
    const cancelled = new Promise<never>((_, reject) => {
      unlisten = onAbort(signal, () => reject(aborted('loading')))
      hub.onerror = () => {
        // At once: this tab may be about to lead a group that nobody can join.
        unshared = `${hubUrl} could not start; ${PLACE}`
        reject(new RyzError('WORKER_DIED', unshared, { url: hubUrl }))
      }
    })
    const model = await Promise.race([election.ready(), cancelled])
    tell(onProgress, { ...progress, phase: 'ready' })
    return { link: new RevivingLink(election), model }
  } catch (caught) {
    await election.close()
    if (unshared !== '') return unshared
    if (caught instanceof RyzError) throw caught
    return asRyzError(caught, 'WORKER_DIED', 'the browser grants no Web Lock here').message
  } finally {
    unlisten()
  }
}

/** Tabs with other access are another group, and a group's name is no place for a secret. */
async function digestOf(headers: LoadOptions['headers'], template?: string): Promise<string> {
  const text = JSON.stringify([[...new Headers(headers)], template])
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('')
}

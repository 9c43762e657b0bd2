// What counts as the URL of a model and as which one: the same for loading, for the store's names and for the
// files beside it. Depends on errors.ts alone.
import { RyzError } from '../errors.ts'
import { hubFileUrl, hubName } from './hub.ts'
import { watched } from './watch.ts'

/** Reading what lies on this device takes no longer. */
const LOCAL_MS = 30_000

/**
 * The absolute URL of a model, without a hash, which no server gets to see.
 * A name on a hub is a file, or folder, of the hub that is meant without saying.
 * @param base where a relative one begins; the page or worker when absent
 * @throws RyzError BAD_OPTION for what is no URL, and for one with a password, which fetch refuses
 */
export function modelUrl(source: string | URL, base = globalThis.location?.href): URL {
  const hub = hubName(String(source))
  const text = hub ? hubFileUrl(hub, hub.path) : String(source)
  let url: URL
  try {
    if (text.trim() === '') throw new TypeError('it is empty')
    url = new URL(text, base)
  } catch (cause) {
    const shown = JSON.stringify(text.slice(0, 200))
    throw new RyzError('BAD_OPTION', `${shown} is no URL of a model`, {}, { cause })
  }
  if (url.username !== '' || url.password !== '') {
    throw new RyzError(
      'BAD_OPTION',
      `browsers refuse URLs with a name and password in them; give the option headers: { Authorization: 'Basic ...' }`,
    )
  }
  // javascript:, mailto:, about: and the like name no place that has files beside each other.
  if (!isLocalUrl(url) && !url.pathname.startsWith('/')) {
    const shown = JSON.stringify(text.slice(0, 200))
    throw new RyzError(
      'BAD_OPTION',
      `${shown} is no URL of a model: nothing is read by ${url.protocol}`,
    )
  }
  url.hash = ''
  return url
}

/** True for URLs that name bytes of this page rather than a file on a server. */
export function isLocalUrl(url: URL): boolean {
  return url.protocol === 'blob:' || url.protocol === 'data:'
}

/**
 * The bytes behind a blob: or data: URL.
 * @throws RyzError NETWORK
 */
export async function readLocalUrl(url: URL): Promise<Blob> {
  const shown = `${url.href.slice(0, 60)}${url.href.length > 60 ? '...' : ''}`
  try {
    const reading = fetch(url).then(response => response.blob())
    return await watched(reading, { what: `the bytes of ${shown}`, ms: LOCAL_MS })
  } catch (cause) {
    if (cause instanceof RyzError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new RyzError(
      'NETWORK',
      `${shown} could not be read (${why}): it may have been revoked, or connect-src of the Content-Security-Policy leaves out ${url.protocol}; give load() the Blob itself`,
      {},
      { cause },
    )
  }
}

/** The last part of a URL's path, or of a file's name, as people read it. @param name an absolute URL, or a name */
export function fileNameOf(name: string): string {
  const isUrl = /^[a-z][\w+.-]*:/i.test(name)
  const last = (isUrl ? name.replace(/[?#].*$/, '') : name).replace(/^.*[/\\]/, '')
  if (!isUrl) return last
  try {
    return decodeURIComponent(last)
  } catch {
    return last // a percent sign that stands for itself
  }
}

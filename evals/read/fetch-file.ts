// A data file by URL: fetched once and kept. Where it is kept is the caller's (IndexedDB in a page, a folder
// in Node).
import { HarnessError } from '../harness-error.ts'
import type { DataFile } from './rows.ts'

export interface FileStore {
  get(url: string): Promise<Blob | undefined>
  set(url: string, blob: Blob): Promise<void>
}

/** The file of a URL, from the store where it is there. @throws HarnessError when it cannot be fetched */
export async function fetchFile(
  url: string,
  store: FileStore,
  signal?: AbortSignal,
): Promise<DataFile & { cached: boolean }> {
  const name = nameOf(url)
  const kept = await store.get(url)
  if (kept) return { name, blob: kept, cached: true }
  let response: Response
  let blob: Blob
  try {
    response = await fetch(url, { signal })
    blob = await response.blob()
  } catch (cause) {
    signal?.throwIfAborted()
    throw new HarnessError(
      `${url} cannot be fetched: the server is not reached, broke off, or does not allow this page to read it (CORS); download the file and choose it here`,
      { cause },
    )
  }
  if (!response.ok) throw new HarnessError(`${url} answered ${response.status}`)
  if (response.headers.get('content-type')?.startsWith('text/html')) {
    throw new HarnessError(
      `${url} is a web page about the file, not the file; take the address of its download (raw, resolve)`,
    )
  }
  await store.set(url, blob)
  return { name, blob, cached: false }
}

/** Path without the first slash; as it stands where its escapes are none. */
function nameOf(url: string): string {
  const path = new URL(url).pathname.slice(1)
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

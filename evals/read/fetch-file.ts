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
  const name = decodeURIComponent(new URL(url).pathname).replace(/^\//, '')
  const kept = await store.get(url)
  if (kept) return { name, blob: kept, cached: true }
  let response: Response
  try {
    response = await fetch(url, { signal })
  } catch (cause) {
    signal?.throwIfAborted()
    throw new HarnessError(
      `${url} cannot be fetched: the server is not reached, or does not allow this page to read it (CORS); download the file and choose it here`,
      { cause },
    )
  }
  if (!response.ok) throw new HarnessError(`${url} answered ${response.status}`)
  const blob = await response.blob()
  await store.set(url, blob)
  return { name, blob, cached: false }
}

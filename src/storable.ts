// Blobs into IndexedDB, wherever it takes them: WebKit's refuses Blobs in private windows, and then their bytes are
// kept instead. Used by the store of models and by saved sessions; depends on nothing.

/** Once refused, a Blob is not tried again. */
let refused = false

/**
 * Stores a Blob, or its bytes where the browser refuses Blobs.
 * @param put  stores a value; everything it stores, or nothing
 * @throws whatever `put` throws of the bytes, or of a full disk
 */
export async function putBlob(
  blob: Blob,
  put: (value: Blob | ArrayBuffer) => Promise<void>,
): Promise<void> {
  if (refused) return put(await blob.arrayBuffer())
  try {
    await put(blob)
  } catch (caught) {
    if (isQuotaError(caught)) throw caught
    await put(await blob.arrayBuffer())
    refused = true
  }
}

/** What putBlob() stored; undefined for anything else. */
export function storedBlob(value: unknown): Blob | undefined {
  if (value instanceof Blob) return value
  return value instanceof ArrayBuffer ? new Blob([value]) : undefined
}

/** True for what a browser throws when the origin has no room left. */
export function isQuotaError(caught: unknown): boolean {
  return (
    caught instanceof Error &&
    (caught.name === 'QuotaExceededError' || /quota|disk|no space/i.test(caught.message))
  )
}

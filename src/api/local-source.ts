// Local sources that are neither Blob nor File become one, on the page's side: a handle gives its file, a
// stream is collected by the browser (outside the page's own memory). Called by ryzanstein.ts.
import { asRyzError } from '../errors.ts'
import type { ModelSource } from '../types/index.ts'

/** @throws RyzError NETWORK when the handle or the stream cannot be read */
export async function localSource(source: ModelSource): Promise<ModelSource> {
  try {
    if (source instanceof ReadableStream) return await new Response(source).blob()
    if ('FileSystemFileHandle' in globalThis && source instanceof FileSystemFileHandle) {
      return await source.getFile()
    }
    return source
  } catch (caught) {
    throw asRyzError(caught, 'NETWORK', 'the model could not be read from this device')
  }
}

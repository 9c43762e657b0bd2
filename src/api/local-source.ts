// Where a model comes from, as seen from the page: what load() does not take is refused by name, and local
// sources that are neither Blob nor File become one: a handle gives its file, a stream is collected by the
// browser (outside the page's own memory). Called by ryzanstein.ts and will-it-run.ts.
import { asRyzError } from '../errors.ts'
import { badOption, blob, kind, kindOf, reading } from '../options/rules.ts'
import type { ModelSource } from '../types/index.ts'

const isSource = kind('URL', 'Blob', 'File', 'FileSystemFileHandle', 'ReadableStream')

/** @throws RyzError BAD_OPTION naming what no model can be read from */
export function checkSource(source: ModelSource): void {
  reading('source', () => check(source))
}

function check(given: unknown): void {
  if (typeof given === 'string') {
    if (given.trim() === '') throw badOption('source', given, 'the URL of a model')
    return
  }
  if (Array.isArray(given)) {
    if (given.length === 0) throw badOption('source', given, 'a list of at least one File')
    const i = given.findIndex(file => blob(file) !== undefined)
    if (i >= 0) throw badOption(`source[${i}]`, given[i], 'a File')
    return
  }
  if (isSource(given) !== undefined) {
    throw badOption(
      'source',
      given,
      'a URL, File, Blob, list of Files, file handle or ReadableStream',
    )
  }
  if (kindOf(given) === 'ReadableStream' && (given as ReadableStream).locked) {
    throw badOption('source', given, 'a ReadableStream that nobody reads yet')
  }
}

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

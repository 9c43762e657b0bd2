// Where a model comes from, as seen from the page: what load() does not take is refused by name, and local
// sources that are neither Blob nor File become one: a handle gives its file, a stream is collected by the
// browser (outside the page's own memory). Called by ryzanstein.ts and will-it-run.ts.
import { asRyzError, RyzError, throwIfAborted } from '../errors.ts'
import { hubName } from '../net/hub.ts'
import { isLocalUrl, modelUrl, readLocalUrl } from '../net/model-url.ts'
import { watched } from '../net/watch.ts'
import { badOption, blob, kind, kindOf, reading } from '../options/rules.ts'
import type { LoadOptions, ModelSource } from '../types/index.ts'

const isSource = kind('URL', 'Blob', 'File', 'FileSystemFileHandle', 'ReadableStream')

/**
 * @param name  what it is called: the source, or an option that is one
 * @throws RyzError BAD_OPTION naming what no model can be read from
 */
export function checkSource(source: ModelSource, name = 'source'): void {
  reading(name, () => check(source, name))
}

function check(given: unknown, name: string): void {
  if (typeof given === 'string') {
    if (given.trim() === '') throw badOption(name, given, 'the URL of a model')
    return
  }
  if (Array.isArray(given)) {
    if (given.length === 0) throw badOption(name, given, 'a list of at least one File')
    const i = given.findIndex(file => blob(file) !== undefined)
    if (i >= 0) throw badOption(`${name}[${i}]`, given[i], 'a File')
    return
  }
  if (isBuffer(given)) {
    if (given.byteLength > 0) return
    throw badOption(name, given, 'a buffer that is not empty (one that was sent away is)')
  }
  if (isSource(given) !== undefined) {
    throw badOption(
      name,
      given,
      'a URL, File, Blob, ArrayBuffer, Uint8Array, list of Files, file handle or ReadableStream',
    )
  }
  if (kindOf(given) === 'ReadableStream' && (given as ReadableStream).locked) {
    throw badOption(name, given, 'a ReadableStream that nobody reads yet')
  }
}

function isBuffer(given: unknown): given is ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(given) || /^(Shared)?ArrayBuffer$/.test(kindOf(given))
}

/** A picker's permission may wait for its user; a disk or a network drive does not take longer. */
const SILENT_MS = 60_000

/**
 * What the worker can read: blob: and data: URLs are this page's own, buffers would be copied twice.
 * @throws RyzError NETWORK when the handle or the stream cannot be read | BAD_OPTION | ABORTED
 */
export async function localSource(
  source: ModelSource,
  signal?: AbortSignal,
): Promise<Exclude<ModelSource, ArrayBuffer | ArrayBufferView | ReadableStream>> {
  const given: unknown = source
  try {
    if (typeof source === 'string' || kindOf(source) === 'URL') {
      if (typeof source === 'string' && hubName(source)) return source
      const from = base()
      if (from === undefined && !URL.canParse(String(source))) return String(source)
      const url = modelUrl(source as string | URL, from)
      return isLocalUrl(url) ? await readLocalUrl(url) : url.href
    }
    if (isBuffer(given)) return bufferBlob(given)
    if (kindOf(source) === 'ReadableStream') {
      return await collected(source as ReadableStream<Uint8Array>, signal)
    }
    if (kindOf(source) === 'FileSystemFileHandle') {
      const asked = (source as FileSystemFileHandle).getFile()
      return await watched(asked, { what: 'the file of the handle', ms: SILENT_MS })
    }
    return source as Blob | readonly File[]
  } catch (caught) {
    throw asRyzError(caught, 'NETWORK', 'the model could not be read from this device')
  }
}

/**
 * Makes the option `draft`, a source too, one that the worker can read, as often as it is loaded.
 * @throws RyzError as checkSource() and localSource(); BAD_OPTION for a file where tabs share the engine
 */
export async function localDraft(options: LoadOptions): Promise<void> {
  const { draft, share, signal } = options
  if (draft === undefined) return
  checkSource(draft, 'draft')
  options.draft = await localSource(draft, signal)
  if (share && typeof options.draft !== 'string') {
    throw badOption('draft', draft, 'a URL with share; a file is known to its tab only')
  }
}

/** Relative URLs are meant from the page, not from the worker's file; outside of pages they stay as they are. */
function base(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href
}

function bufferBlob(given: ArrayBuffer | ArrayBufferView): Blob {
  const view = ArrayBuffer.isView(given)
    ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength)
    : new Uint8Array(given)
  // A Blob takes no memory that threads share.
  const own = view.buffer instanceof ArrayBuffer ? view : view.slice()
  return new Blob([own as Uint8Array<ArrayBuffer>])
}

/** Collected by the browser as it comes; a stream that falls silent, or gives no bytes, is named. */
async function collected(source: ReadableStream<Uint8Array>, signal?: AbortSignal): Promise<Blob> {
  const reader = source.getReader()
  let read = 0
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    throwIfAborted(signal, 'loading')
    const what = `the next bytes of the stream (after ${read})`
    const { value, done } = await watched(reader.read(), { what, ms: SILENT_MS }, reader)
    if (done) return controller.close()
    if (!ArrayBuffer.isView(value)) {
      throw new RyzError('BAD_OPTION', `the stream gives ${kindOf(value)}, not Uint8Array`)
    }
    read += value.byteLength
    controller.enqueue(value)
  }
  let failure: unknown
  const counted = new ReadableStream<Uint8Array>(
    {
      pull: controller =>
        pull(controller).catch(caught => {
          failure = caught
          controller.error(caught)
        }),
    },
    { highWaterMark: 0 },
  )
  try {
    return await new Response(counted).blob()
  } catch (caught) {
    reader.cancel().catch(() => undefined)
    throw failure ?? caught
  }
}

// From a ModelSource to a ModelFile: decides between GGUF and a Hugging Face directory, and finds sibling
// files by URL or among the given Files. Called by the engine, once per load.
import { RyzError } from '../errors.ts'
import type { ModelSource } from '../types/index.ts'
import { openGguf } from './gguf/gguf.ts'
import type { ByteSource, ModelFile } from './model-file.ts'
import { openHf } from './safetensors/safetensors.ts'
import { blobSource, type FetchLike, httpSource, type Opener } from './source.ts'

export interface OpenOptions {
  readonly signal?: AbortSignal
  /** Replaces the global fetch. */
  readonly fetch?: FetchLike
  /**
   * Opens a URL instead of plain HTTP (the cache does): 'absent' when there is no such file, undefined
   * to read it over HTTP after all.
   */
  readonly openUrl?: (url: string) => Promise<ByteSource | 'absent' | undefined>
}

/**
 * Reads the headers of a model; no weight is read.
 * @throws RyzError BAD_OPTION | NOT_A_MODEL | NETWORK | TRUNCATED | CORRUPT_HEADER | BAD_TENSOR_INFO |
 *   BAD_CONFIG | UNSUPPORTED_VERSION | UNSUPPORTED_TYPE | ABORTED
 */
export async function openModel(
  source: ModelSource,
  options: OpenOptions = {},
): Promise<ModelFile> {
  if (typeof source === 'string' || source instanceof URL) return openUrl(source, options)
  if (source instanceof Blob) return openFiles([source], options)
  if (Array.isArray(source) && source.every(file => file instanceof Blob)) {
    return openFiles(source, options)
  }
  throw new RyzError('BAD_OPTION', 'The model source is no URL, File, Blob or list of Files')
}

async function openUrl(source: string | URL, options: OpenOptions): Promise<ModelFile> {
  const url = absolute(source)
  const opener = httpOpener(new URL('.', url), url.search, options)
  if (url.pathname.endsWith('/') || /\.safetensors(\.index\.json)?$/.test(url.pathname)) {
    return openHf(opener, options.signal)
  }
  const opened = await options.openUrl?.(url.href)
  if (opened === 'absent') {
    throw new RyzError(
      'NETWORK',
      `${url.href} was not found on its server (it answered 403, 404 or 410); check the URL`,
    )
  }
  return openGguf(opened ?? httpSource(url.href, options), opener, options.signal)
}

function absolute(source: string | URL): URL {
  try {
    return new URL(source, globalThis.location?.href)
  } catch (cause) {
    throw new RyzError('BAD_OPTION', `${String(source)} is no URL`, {}, { cause })
  }
}

/**
 * Siblings stand beside the model, and get its query too (signed URLs). Names come from the model's URL
 * or from its index, so they may be percent-encoded already.
 */
function httpOpener(base: URL, search: string, options: OpenOptions): Opener {
  return async name => {
    const encoded = /%[0-9a-f]{2}/i.test(name) ? name : encodeURIComponent(name)
    const url = new URL(encoded, base)
    url.search = search
    const opened = await options.openUrl?.(url.href)
    if (opened) return opened === 'absent' ? undefined : opened
    const source = httpSource(url.href, options)
    return (await source.connect(options.signal)) ? source : undefined
  }
}

async function openFiles(files: readonly Blob[], options: OpenOptions): Promise<ModelFile> {
  const named = files.map((file, i) => ({ file, name: nameOf(file, i) }))
  const opener: Opener = async name => {
    const found = named.find(entry => entry.name === name)
    return found && blobSource(found.file, name)
  }
  if (named.some(({ name }) => name === 'config.json')) return openHf(opener, options.signal)
  const models = files.length === 1 ? named : named.filter(({ name }) => /\.gguf$/i.test(name))
  const first = models.find(({ name }) => /-00001-of-\d{5}\.gguf$/i.test(name)) ?? models[0]
  if (!first) {
    const names = named.map(({ name }) => name).slice(0, 8)
    throw new RyzError(
      'NOT_A_MODEL',
      `Among the files (${names.join(', ') || 'none'}) is neither a .gguf nor a config.json; choose all files of the model`,
    )
  }
  const model = await openGguf(blobSource(first.file, first.name), opener, options.signal)
  if (models.length > model.files.length) {
    throw new RyzError('BAD_OPTION', `${models.length} .gguf files were given; choose one model`)
  }
  return model
}

function nameOf(file: Blob, index: number): string {
  return file instanceof File && file.name !== '' ? file.name : `blob ${index + 1}`
}

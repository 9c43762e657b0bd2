// From a ModelSource to a ModelFile: decides between GGUF and a Hugging Face directory, and finds sibling
// files by URL or among the given Files. Called by the engine, once per load.
import { RyzError } from '../errors.ts'
import { type HttpSourceOptions, httpSource } from '../net/http-source.ts'
import { fileNameOf, isLocalUrl, modelUrl, readLocalUrl } from '../net/model-url.ts'
import type { ModelSource } from '../types/index.ts'
import { openGguf } from './gguf/gguf.ts'
import type { ByteSource, ModelFile } from './model-file.ts'
import { openHf } from './safetensors/safetensors.ts'
import { blobSource, type Opener } from './source.ts'

export interface OpenOptions {
  readonly signal?: AbortSignal
  /** How files are read over HTTP where openUrl does not. */
  readonly http?: HttpSourceOptions
  /**
   * Opens a URL instead of plain HTTP (the cache does): 'absent' when there is no such file, undefined
   * to read it over HTTP after all.
   */
  readonly openUrl?: (url: string) => Promise<ByteSource | 'absent' | undefined>
}

/**
 * Reads the headers of a model; no weight is read.
 * @throws RyzError BAD_OPTION | NOT_A_MODEL | NETWORK | TRUNCATED | CORRUPT_HEADER | BAD_TENSOR_INFO |
 *   BAD_CONFIG | TOKENIZER_INVALID | UNSUPPORTED_VERSION | UNSUPPORTED_TYPE | ABORTED
 */
export async function openModel(
  source: ModelSource,
  options: OpenOptions = {},
): Promise<ModelFile> {
  if (typeof source === 'string' || source instanceof URL) {
    const url = modelUrl(source)
    return isLocalUrl(url) ? openFiles([await readLocalUrl(url)], options) : openUrl(url, options)
  }
  if (source instanceof Blob) return openFiles([source], options)
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return openFiles([new Blob([source as BlobPart])], options)
  }
  if (Array.isArray(source) && source.every(file => file instanceof Blob)) {
    return openFiles(source, options)
  }
  throw new RyzError(
    'BAD_OPTION',
    'The model source is no URL, File, Blob, buffer or list of Files',
  )
}

async function openUrl(url: URL, options: OpenOptions): Promise<ModelFile> {
  const opener = httpOpener(new URL('.', url), url.search, options)
  const name = fileNameOf(url.href)
  if (name === '' || name === 'config.json') return openHf(opener, options)
  if (/\.safetensors(\.index\.json)?$/i.test(name)) {
    return openHf(opener, { ...options, named: url.pathname.replace(/^.*\//, '') })
  }
  const opened = await options.openUrl?.(url.href)
  if (opened === 'absent') throw notThere(url.href, options)
  return openGguf(opened ?? httpSource(url.href, options.http), opener, options.signal)
}

function notThere(url: string, { http }: OpenOptions): RyzError {
  const access = http?.headers ? '' : ', or give the option headers where access is restricted'
  return new RyzError(
    'NETWORK',
    `${url} was not found on its server (it answered 403, 404 or 410); check the URL${access}`,
  )
}

/**
 * Siblings stand beside the model, and get its query too (signed URLs). Names are parts of URLs as they stand:
 * cut from the model's own, or the plain ones that directories have.
 */
function httpOpener(base: URL, search: string, options: OpenOptions): Opener {
  return async name => {
    const url = new URL(`./${name}`, base)
    url.search = search
    const opened = await options.openUrl?.(url.href)
    if (opened) return opened === 'absent' ? undefined : opened
    const source = httpSource(url.href, options.http)
    return (await source.connect(options.signal)) ? source : undefined
  }
}

async function openFiles(files: readonly Blob[], options: OpenOptions): Promise<ModelFile> {
  const named = files
    .map((file, i) => ({ file, name: nameOf(file, i), path: pathOf(file) }))
    // Of a whole folder, what lies at its top.
    .sort((a, b) => depthOf(a.path) - depthOf(b.path))
  const opener: Opener = async name => {
    // Of a chosen folder, what lies in a folder of it has its name in its path.
    const found = named.find(entry =>
      name.includes('/') ? entry.path.endsWith(`/${name}`) : entry.name === name,
    )
    return found && blobSource(found.file, name)
  }
  const ggufs = files.length === 1 ? named : named.filter(({ name }) => /\.gguf$/i.test(name))
  const weights = named.filter(({ name }) => /\.safetensors$/i.test(name))
  const config = named.some(({ name }) => name === 'config.json')
  // A directory of GGUF files may have a config.json beside them.
  if (config && (weights.length > 0 || ggufs.length === 0)) {
    if (ggufs.length > 0 && files.length > 1) {
      throw new RyzError(
        'BAD_OPTION',
        `Among the files are ${ggufs[0]!.name} and ${weights[0]!.name}; choose one model`,
      )
    }
    const only = weights.length === 1 ? weights[0]!.name : undefined
    return openHf(opener, { ...options, named: only })
  }
  const first = ggufs.find(({ name }) => /-00001-of-\d{5}\.gguf$/i.test(name)) ?? ggufs[0]
  if (!first) {
    const names = named.map(({ name }) => name).slice(0, 8)
    throw new RyzError(
      'NOT_A_MODEL',
      `Among the files (${names.join(', ') || 'none'}) is neither a .gguf nor a config.json; choose all files of the model`,
    )
  }
  const model = await openGguf(blobSource(first.file, first.name), opener, options.signal)
  if (ggufs.length > model.files.length) {
    throw new RyzError('BAD_OPTION', `${ggufs.length} .gguf files were given; choose one model`)
  }
  return model
}

function nameOf(file: Blob, index: number): string {
  return file instanceof File && file.name !== '' ? file.name : `blob ${index + 1}`
}

/** Of a file of a chosen folder: folders and name. */
function pathOf(file: Blob): string {
  return 'webkitRelativePath' in file ? String(file.webkitRelativePath) : ''
}

function depthOf(path: string): number {
  return path.split('/').length
}

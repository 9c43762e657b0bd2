// Names of models on a hub: `hf:owner/repo/file`, `hf:owner/repo@revision`, and which file of a repository is the
// model. Depends on errors.ts alone; engine/load/hub-source.ts asks the hub.
import { RyzError } from '../errors.ts'

export const HUB_URL = 'https://huggingface.co'

/** A model on a hub. */
export interface HubName {
  /** owner/repo */
  readonly repo: string
  /** A branch, tag or commit. */
  readonly revision: string
  /** A file, a folder ending in `/`, or '' where the hub must be asked. */
  readonly path: string
}

/**
 * Undefined for what is no hub name.
 * @throws RyzError BAD_OPTION for one that cannot be read
 */
export function hubName(source: string): HubName | undefined {
  if (!/^hf:/i.test(source)) return undefined
  const match = /^hf:(?:\/\/)?(\w[\w.-]*\/\w[\w.-]*?)(?:@([\w.%-]+))?(?:\/([^?#]*))?$/i.exec(
    source.trim(),
  )
  if (!match) {
    throw new RyzError(
      'BAD_OPTION',
      `${JSON.stringify(source.slice(0, 100))} is no name on a hub; write hf:owner/repo, hf:owner/repo/file.gguf or hf:owner/repo@revision/file.gguf`,
    )
  }
  const [, repo = '', revision = 'main', path] = match
  return { repo, revision, path: path ?? '' }
}

/** Where a file of a hub is, or its folder. @param path  as a person writes it */
export function hubFileUrl({ repo, revision }: HubName, path: string, host = HUB_URL): string {
  const encoded = path
    .split('/')
    .map(part => encodeURIComponent(decoded(part)))
    .join('/')
  return `${host.replace(/\/+$/, '')}/${repo}/resolve/${revision}/${encoded}`
}

/** Where a hub lists the files of a repository. */
export function hubListUrl({ repo, revision }: HubName, host = HUB_URL): string {
  return `${host.replace(/\/+$/, '')}/api/models/${repo}/revision/${revision}`
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/**
 * The one model among the files of a repository: '' for the directory itself, or a .gguf (the first part of a
 * split one).
 * @throws RyzError NOT_A_MODEL when there is none | BAD_OPTION listing them when there are several
 */
export function modelAmong(repo: string, files: readonly string[]): string {
  const directory =
    files.includes('config.json') &&
    files.some(name => /^model\.safetensors(\.index\.json)?$/.test(name))
  const ggufs = files.filter(
    name =>
      /\.gguf$/i.test(name) &&
      !/(^|\/)mmproj/i.test(name) &&
      !/-(?!00001)\d{5}-of-\d{5}\.gguf$/i.test(name),
  )
  const found = [...(directory ? [''] : []), ...ggufs]
  if (found.length === 1) return found[0]!
  if (found.length === 0) {
    throw new RyzError(
      'NOT_A_MODEL',
      `hf:${repo} holds neither a .gguf nor config.json with model.safetensors (${files.slice(0, 8).join(', ') || 'it is empty'})`,
    )
  }
  const names = found.map(name => `hf:${repo}/${name}`)
  const shown = names.slice(0, 12).join(', ') + (names.length > 12 ? ', ...' : '')
  throw new RyzError('BAD_OPTION', `hf:${repo} holds ${found.length} models; name one: ${shown}`, {
    models: names.slice(0, 50),
  })
}

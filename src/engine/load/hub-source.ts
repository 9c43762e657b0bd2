// From `hf:owner/repo` to the URL of its model: asks the hub for the list of files once, and remembers the answer
// for when there is no network. Called by open-parts.ts and forecast.ts.
import type { Remembered } from '../../cache/remembered.ts'
import { RyzError } from '../../errors.ts'
import { hubFileUrl, hubListUrl, hubName, modelAmong } from '../../net/hub.ts'
import { ask, statusError } from '../../net/range-reader.ts'
import { type NetworkOptions, persist } from '../../net/retry.ts'
import type { LoadOptions, ModelSource } from '../../types/index.ts'

/** A list of 10,000 files has 1 MB. */
const MAX_LIST_BYTES = 8 * 1024 * 1024

/**
 * The source itself where it is no name on a hub.
 * @throws RyzError BAD_OPTION | NOT_A_MODEL | NETWORK | ABORTED
 */
export async function hubSource(
  source: ModelSource,
  options: LoadOptions,
  signal: AbortSignal,
  remembered: Remembered,
  network: NetworkOptions = {},
): Promise<ModelSource> {
  const name = typeof source === 'string' ? hubName(source) : undefined
  if (name === undefined) return source
  const { hubUrl } = options
  if (name.path !== '') return hubFileUrl(name, name.path, hubUrl)
  const list = hubListUrl(name, hubUrl)
  const key = `hub|${list}`
  const known = async (): Promise<string | undefined> => {
    const path = await remembered.get(key)
    return typeof path === 'string' ? path : undefined
  }
  let path: string | undefined
  if (options.cache === 'only') {
    path = await known()
    if (path === undefined) {
      throw new RyzError(
        'NETWORK',
        `what hf:${name.repo} holds is not known here, and cache is 'only'`,
        { offline: true },
      )
    }
  } else {
    try {
      const own = options.fetch ? { fetch: options.fetch } : {}
      const asked = { ...network, headers: options.headers, ...own }
      const files = await listOf(list, asked, signal)
      path = modelAmong(name.repo, files)
      await remembered.set(key, path)
    } catch (caught) {
      // Offline, what was found last time is what is stored.
      const silent =
        caught instanceof RyzError && caught.code === 'NETWORK' && !caught.detail.status
      path = silent ? await known() : undefined
      if (path === undefined) throw caught
    }
  }
  return hubFileUrl(name, path, hubUrl)
}

async function listOf(url: string, network: NetworkOptions, signal: AbortSignal) {
  const text = await persist(
    () => textOf(url, network, signal),
    () => 0,
    { ...network, signal },
  )
  let siblings: unknown
  try {
    siblings = JSON.parse(text)?.siblings
  } catch {
    siblings = undefined
  }
  const names = Array.isArray(siblings) ? siblings.map(file => file?.rfilename) : []
  if (!Array.isArray(siblings) || names.some(name => typeof name !== 'string')) {
    throw new RyzError('NETWORK', `${url} gives no list of files; is hubUrl a hub?`, {
      final: true,
    })
  }
  return names as string[]
}

async function textOf(url: string, network: NetworkOptions, signal: AbortSignal): Promise<string> {
  const answer = await ask(url, 0, undefined, { ...network, plain: true, signal })
  try {
    if (answer.kind === 'absent') throw statusError(url, answer.status, null, network.headers)
    const decoder = new TextDecoder()
    let text = ''
    for (let piece = await answer.read(); piece; piece = await answer.read()) {
      text += decoder.decode(piece, { stream: true })
      if (text.length > MAX_LIST_BYTES) {
        throw new RyzError('NETWORK', `${url} gives more than ${MAX_LIST_BYTES} bytes`, {
          final: true,
        })
      }
    }
    return text + decoder.decode()
  } finally {
    answer.stop()
  }
}

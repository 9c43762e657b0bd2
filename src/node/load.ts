// The engine in Node: the package's own worker and kernels in threads, behind the interface of the browser.
// Published as `ryzanstein/node`; the command-line programs (src/cli) use it. What is downloaded is not kept:
// there is no IndexedDB.
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { filesTold } from '../api/link/start-worker.ts'
import { packageUrls } from '../api/package-urls.ts'
import { connect, type Ryzanstein } from '../api/ryzanstein.ts'
import { RyzError } from '../errors.ts'
import { checkLoad } from '../options/load.ts'
import type { LoadOptions } from '../types/index.ts'
import { relaxedSimdInNode20 } from './relaxed-simd.ts'
import { THREAD_FILE, ThreadWorker } from './thread-worker.ts'

export type { Ryzanstein } from '../api/ryzanstein.ts'

/** Those of load() that mean something without a page. */
export type NodeLoadOptions = Omit<LoadOptions, 'share' | 'cache' | 'powerPreference' | 'baseUrl'>

/**
 * Loads a model into a thread of its own.
 * @param source  path of a .gguf or of a Hugging Face folder, its URL (file:, http:, https:), or `hf:owner/repo`
 * @throws RyzError as load() of the browser
 * @example
 * const engine = await load('model.gguf', { threads: 4 })
 * console.log(await engine.generate('Once upon a time').text())
 * await engine.close()
 */
export async function load(
  source: string | URL,
  options: NodeLoadOptions = {},
): Promise<Ryzanstein> {
  const checked = { ...checkLoad(options), cache: 'off' as const }
  const url = urlOf(source)
  const files = packageUrls()
  const thread = new URL(THREAD_FILE, files['worker.js']).href
  relaxedSimdInNode20()
  const spawn = () => filesTold(new ThreadWorker({ script: files['worker.js'], thread }), files)
  return connect(spawn(), url, checked, undefined, spawn)
}

/** @throws RyzError BAD_OPTION naming the path where nothing is */
function urlOf(source: string | URL): string {
  if (source instanceof URL) return source.href
  if (/^(https?|file|hf):/.test(source)) return source
  const path = resolve(source)
  if (!existsSync(path)) {
    throw new RyzError('BAD_OPTION', `there is no file ${path}; give the path of a .gguf`, { path })
  }
  const { href } = pathToFileURL(path)
  return statSync(path).isDirectory() && !href.endsWith('/') ? `${href}/` : href
}

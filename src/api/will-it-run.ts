// The question before a download: what would load() fetch, take and reach? Asks a worker of its own,
// which lives for the one answer, so that measuring leaves nothing behind.
import { RyzError } from '../errors.ts'
import { checkLoad } from '../options/load.ts'
import type { LoadOptions, ModelSource, RunForecast } from '../types/index.ts'
import { Connection, type WorkerLike } from './link/connection.ts'
import { aborted, onAbort, sourceForWorker, startWorker } from './link/start-worker.ts'
import { wireOptions } from './link/wire-options.ts'
import { checkSource, localDraft, localSource } from './local-source.ts'

/**
 * Tells from the header alone whether a model will run here, and how: no weight is fetched. A model that
 * load() would refuse is an answer, with `refusal`; only a question that cannot be put is an error.
 * @param source   as for load(), but no ReadableStream: a stream can be read once, and load() wants it whole
 * @param options  as they would be given to load(); onProgress is not called
 * @throws RyzError ABORTED | BAD_OPTION | NETWORK | WORKER_DIED
 * @example
 * const { fits, downloadBytes, expectedDecodeTokensPerSecond } = await willItRun('/models/large.gguf')
 */
export async function willItRun(
  source: ModelSource,
  options: LoadOptions = {},
): Promise<RunForecast> {
  const checked = checkLoad(options, 'willItRun()')
  checkSource(source)
  if (checked.signal?.aborted) throw aborted('the forecast')
  if (source instanceof ReadableStream) {
    throw new RyzError(
      'BAD_OPTION',
      'a ReadableStream can be read only once, and the question would use it up; ask about the URL, File or Blob it comes from, or load() it',
    )
  }
  const local = await localSource(source)
  await localDraft(checked)
  return ask(startWorker(checked.baseUrl), local, checked)
}

/** @internal willItRun() with a worker that was made elsewhere; it is terminated in the end. */
export async function ask(
  worker: WorkerLike,
  source: ModelSource,
  options: LoadOptions,
): Promise<RunForecast> {
  const { signal } = options
  const { wire, close } = wireOptions(options, worker)
  const connection = new Connection(worker)
  let unlisten: () => void = () => undefined
  try {
    const cancelled = new Promise<never>((_, reject) => {
      unlisten = onAbort(signal, () => reject(aborted('the forecast')))
    })
    const wireSource = sourceForWorker(source)
    const answer = connection.call(remote => remote.willItRun(wireSource, wire))
    return await Promise.race([answer, cancelled])
  } finally {
    unlisten()
    connection.abandon()
    close()
  }
}

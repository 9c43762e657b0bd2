// Loads a model in a worker, or fails and ends it. Called by ryzanstein.ts for an engine of this tab and by
// shared.ts for one that others use too.
import { transfer } from 'comlink'
import type { LoadOptions, LoadProgress, ModelInfo, ModelSource } from '../../types/index.ts'
import type { Pong, ProgressMessage, WireLoadOptions } from '../../worker/protocol.ts'
import { Connection, type Heartbeat, type WorkerLike } from './connection.ts'
import { watchPage } from './page-sight.ts'
import { aborted, onAbort, sourceForWorker, tell } from './start-worker.ts'
import { wireOptions } from './wire-options.ts'

/** A loaded engine. */
export interface Opened {
  readonly connection: Connection
  readonly model: ModelInfo
  /** The path that runs. */
  readonly path: Pong['path']
}

/** A path that failed, and how. */
export type Avoided = NonNullable<WireLoadOptions['avoid']>[number]

/**
 * Loads a model in this worker; it is terminated when that fails.
 * @throws RyzError what is wrong with the source, the model or the options; ABORTED | WORKER_DIED
 */
export async function openConnection(
  worker: WorkerLike,
  source: ModelSource,
  options: LoadOptions,
  beat?: Heartbeat,
  avoid?: readonly Avoided[],
): Promise<Opened> {
  const { signal, onProgress } = options
  const { wire, close } = wireOptions(options, worker, avoid)
  const connection = new Connection(worker, beat)
  void connection.ended.then(close)
  const unwatch = watchPage(hidden => {
    connection.call(remote => remote.page(hidden)).catch(() => undefined) // it ended
  })
  void connection.ended.then(unwatch)
  const { port1, port2 } = new MessageChannel()
  let progress: LoadProgress = { phase: 'header', loadedBytes: 0, totalBytes: 0, bytesPerSecond: 0 }
  port1.onmessage = (event: MessageEvent<ProgressMessage>) => {
    progress = event.data.progress
    tell(onProgress, progress)
  }
  let unlisten: () => void = () => undefined
  try {
    const cancelled = new Promise<never>((_, reject) => {
      unlisten = onAbort(signal, () => reject(aborted('loading')))
    })
    const wireSource = sourceForWorker(source)
    const opening = connection.call(remote =>
      remote.load(wireSource, wire, transfer(port2, [port2])),
    )
    const model = await Promise.race([opening, cancelled])
    connection.loaded = true
    const { path } = await connection.call(remote => remote.ping())
    tell(onProgress, { ...progress, phase: 'ready' })
    return { connection, model, path }
  } catch (caught) {
    connection.abandon()
    throw caught
  } finally {
    unlisten()
    port1.close()
  }
}

// Load options as they can be sent to the worker: signals, callbacks and what is the page's own stay, a fetch
// function becomes a port. Used by respawn.ts and will-it-run.ts.
import { transfer } from 'comlink'
import { serveFetch } from '../../net/port-fetch.ts'
import type { LoadOptions } from '../../types/index.ts'
import type { WireLoadOptions } from '../../worker/protocol.ts'
import type { WorkerLike } from './connection.ts'
import { filesFor } from './start-worker.ts'

export interface Wired {
  /** Its port goes along when it is sent. */
  readonly wire: WireLoadOptions
  /** Ends the service of the fetch function; the worker is gone. */
  close(): void
}

export function wireOptions(
  options: LoadOptions,
  worker: WorkerLike,
  avoid?: WireLoadOptions['avoid'],
): Wired {
  const { signal: _, onProgress: __, share: ___, baseUrl: ____, fetch: own, ...rest } = options
  const wire: WireLoadOptions = { ...rest, avoid, files: filesFor(worker) }
  if (own === undefined) return { wire, close: () => undefined }
  const { port1, port2 } = new MessageChannel()
  serveFetch(port1, own)
  wire.fetchPort = port2
  return { wire: transfer(wire, [port2]), close: () => port1.close() }
}

// A connection that outlives its worker: after a trap or a death the next call loads the model again in a
// new worker, past the kernels that trapped. Never in a loop: whoever was started again must have served
// one request before it is done once more. Used by ryzanstein.ts.
import { type Remote, transfer } from 'comlink'
import { type ErrorCode, RyzError } from '../../errors.ts'
import type { LoadOptions, LoadProgress, ModelInfo, ModelSource } from '../../types/index.ts'
import type {
  EngineApi,
  PortMessage,
  ProgressMessage,
  WireLoadOptions,
} from '../../worker/protocol.ts'
import {
  Connection,
  type EngineLink,
  type Heartbeat,
  type PortCall,
  type WorkerLike,
} from './connection.ts'
import { aborted, onAbort, sourceForWorker, tell } from './start-worker.ts'
import { wireOptions } from './wire-options.ts'

/** A loaded engine. */
export interface Opened {
  readonly connection: Connection
  readonly model: ModelInfo
  /** The rung that runs, as fallbacks name it. */
  readonly rung: string
}

/** A rung that failed, and how. */
export type Avoided = NonNullable<WireLoadOptions['avoid']>[number]

/** Loads the model again; `avoid` names the rung that failed. */
export type Reopen = (avoid: readonly Avoided[]) => Promise<Opened>

/** After these an engine is gone; it may be started again. */
const GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'WORKER_DIED',
  'KERNEL_TRAP',
  'DEVICE_LOST',
  'GPU_OOM',
])
/** After these the same kernels would fail again. */
const AVOID: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['KERNEL_TRAP', 'DEVICE_LOST', 'GPU_OOM'])

/** What really ended an engine: CLOSED may only follow from it. */
function causeOf({ code, detail }: RyzError): ErrorCode {
  return code === 'CLOSED' ? (detail.after as ErrorCode) : code
}

/** What the next engine must not use, when its predecessor on `rung` ended so; undefined for other ends. */
export function avoidAfter(fault: RyzError, rung: string): Avoided | undefined {
  const code = causeOf(fault)
  if (!AVOID.has(code)) return undefined
  return { rung, reason: `it ended with ${code}: ${fault.message}` }
}

type Receive = (message: Exclude<PortMessage, { type: 'error' }>) => void

export class Lifeline implements EngineLink {
  readonly replays = false
  /** Why the engine was started again, in order. */
  readonly restarts: { code: ErrorCode; message: string }[] = []
  readonly #reopen: Reopen | undefined
  readonly #avoid: Avoided[] = []
  #opened: Opened
  /** What ended the engine that stands in #opened. */
  #fault: RyzError | undefined
  #reopening: Promise<Connection> | undefined
  /** The engine in #opened has done what it was asked for once. */
  #served = true
  #closed = false

  /** @param reopen  absent: what is gone stays gone */
  constructor(opened: Opened, reopen?: Reopen) {
    this.#opened = opened
    this.#reopen = reopen
  }

  /** One call through Comlink; after a fault on an engine that was started again. */
  async call<T>(send: (remote: Remote<EngineApi>) => Promise<T>): Promise<T> {
    const connection = this.#alive() ?? (await this.#revive())
    try {
      const value = await connection.call(send)
      this.#served = true
      return value
    } catch (caught) {
      const cameTooLate = this.#notice(connection, caught)
      if (!cameTooLate || this.#reopen === undefined) throw caught
      return await (await this.#revive()).call(send)
    }
  }

  /** A request with a port; see Connection.request. */
  request(
    send: (remote: Remote<EngineApi>, port: MessagePort) => Promise<unknown>,
    receive: Receive,
    failed: (error: RyzError) => void,
  ): PortCall {
    let call: PortCall | undefined
    let cancelled = false
    const start = (connection: Connection, again: boolean): void => {
      if (cancelled) return
      call = connection.request(
        send,
        message => {
          if (message.type === 'done' || message.type === 'scored') this.#served = true
          receive(message)
        },
        error => {
          const cameTooLate = this.#notice(connection, error)
          if (cameTooLate && again && this.#reopen !== undefined) revive()
          else failed(error)
        },
      )
    }
    const revive = (): void => {
      this.#revive().then(
        connection => start(connection, false),
        error => {
          if (!cancelled) failed(error as RyzError)
        },
      )
    }
    const alive = this.#alive()
    if (alive === undefined) revive()
    else start(alive, true)
    return {
      cancel() {
        cancelled = true
        call?.cancel()
      },
    }
  }

  /** Ends it for good; may be called twice. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#opened.connection.close()
  }

  /** The connection, unless its engine is gone and can be started again. */
  #alive(): Connection | undefined {
    const { connection } = this.#opened
    if (this.#closed || this.#reopen === undefined) return connection
    if (connection.endedBy !== undefined) this.#notice(connection, connection.endedBy)
    return this.#fault === undefined ? connection : undefined
  }

  /**
   * Looks at an error for signs that the engine is gone.
   * @returns true when the call met an engine that was gone before: nothing of it was done
   */
  #notice(connection: Connection, caught: unknown): boolean {
    if (!(caught instanceof RyzError) || connection !== this.#opened.connection) return false
    const after = caught.code === 'CLOSED' && GONE.has(caught.detail.after as ErrorCode)
    if (!after && !GONE.has(caught.code)) return false
    if (this.#fault === undefined && !this.#closed) {
      this.#fault = caught
      if (this.#reopen !== undefined) connection.abandon(caught)
    }
    return after
  }

  /** Starts the engine again, once for all who ask. @throws RyzError what ended it, when that is in vain */
  #revive(): Promise<Connection> {
    this.#reopening ??= this.#start().finally(() => {
      this.#reopening = undefined
    })
    return this.#reopening
  }

  async #start(): Promise<Connection> {
    const fault = this.#fault
    if (fault === undefined || this.#reopen === undefined || this.#closed) {
      return this.#opened.connection
    }
    if (!this.#served) {
      const { code, message } = fault
      throw new RyzError(code, `${message} (it was started again once, in vain)`, fault.detail)
    }
    const code = causeOf(fault)
    const { rung } = this.#opened
    const avoid = avoidAfter(fault, rung)
    if (avoid) this.#avoid.push(avoid)
    console.warn(
      `ryzanstein: the engine is gone (${code}: ${fault.message}); it is loaded again${avoid ? ` without ${rung}` : ''}`,
    )
    this.#served = false
    const opened = await this.#reopen(this.#avoid).catch((caught: unknown) => {
      // Not the engine's fault (offline, for one): the next call may try again.
      if (!(caught instanceof RyzError && GONE.has(caught.code))) this.#served = true
      throw caught
    })
    this.restarts.push({ code, message: fault.message })
    if (this.#closed) await opened.connection.close()
    this.#opened = opened
    this.#fault = undefined
    return opened.connection
  }
}

/**
 * Loads a model in this worker; it is terminated when that fails.
 * @throws RyzError what is wrong with the source, the model or the options; ABORTED | WORKER_DIED
 */
export async function openConnection(
  worker: WorkerLike,
  source: ModelSource,
  options: LoadOptions,
  beat?: Heartbeat,
  avoid?: WireLoadOptions['avoid'],
): Promise<Opened> {
  const { signal, onProgress } = options
  const { wire, close } = wireOptions(options, worker, avoid)
  const connection = new Connection(worker, beat)
  void connection.ended.then(close)
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
    const { rung } = await connection.call(remote => remote.ping())
    tell(onProgress, { ...progress, phase: 'ready' })
    return { connection, model, rung }
  } catch (caught) {
    connection.abandon()
    throw caught
  } finally {
    unlisten()
    port1.close()
  }
}

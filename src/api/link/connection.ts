// The page's end of the engine worker: calls, ports, and the worker's death. Every open call is known
// here, so that each one fails with WORKER_DIED or CLOSED instead of waiting for ever. Called by
// ryzanstein.ts.
import { type Remote, transfer, wrap } from 'comlink'
import { asRyzError, type ErrorCode, RyzError } from '../../errors.ts'
import { reading } from '../../options/rules.ts'
import { hadStarted, whyNotStarted } from '../../start-script.ts'
import {
  type CancelMessage,
  type EngineApi,
  fromWireError,
  installErrorWire,
  type PortMessage,
} from '../../worker/protocol.ts'
import { filesFor } from './start-worker.ts'

/** What is used of a Worker; a test hands in its own. */
export interface WorkerLike {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(type: string, listener: (event: Event) => void): void
  removeEventListener(type: string, listener: (event: Event) => void): void
  terminate(): void
}

export interface Heartbeat {
  /** Between two pings while anything is open. */
  intervalMs: number
  /** Silence after which a loaded engine counts as dead, beyond its longest step. */
  silenceMs: number
  /** The same while loading: one tensor may take long on a slow machine. */
  loadSilenceMs: number
}

export const HEARTBEAT: Heartbeat = { intervalMs: 2000, silenceMs: 10_000, loadSilenceMs: 60_000 }

/** Intervals between two ticks after which the worker gets another whole period. */
const JUMP = 3

/** How long close() waits for the engine to give its memory back before it ends the worker. */
const CLOSE_MS = 1000

/** A request on its own port. */
export interface PortCall {
  /** Tells the engine; nothing is delivered any more. */
  cancel(): void
}

/** How a Ryzanstein reaches its engine: a Connection, or a RevivingLink that finds one. */
export interface EngineLink {
  /** Requests may be sent twice: they must carry their seed. */
  readonly replays: boolean
  /** What this tab is to the others, where the engine is shared. */
  readonly role?: 'leader' | 'follower'
  /** Why the engine was started again, in order. */
  readonly restarts?: readonly { readonly code: ErrorCode; readonly message: string }[]
  call<T>(send: (remote: Remote<EngineApi>) => Promise<T>): Promise<T>
  /** `given`: the request is sent again, and its caller has these tokens of an engine before. */
  request(
    send: (
      remote: Remote<EngineApi>,
      port: MessagePort,
      given?: readonly number[],
    ) => Promise<unknown>,
    receive: (message: Exclude<PortMessage, { type: 'error' }>) => void,
    failed: (error: RyzError) => void,
  ): PortCall
  close(): Promise<void>
}

/** A worker, its calls and its pulse. */
export class Connection implements EngineLink {
  readonly replays = false
  /** Resolves when the worker is gone, for whatever reason. */
  readonly ended: Promise<void>
  #resolveEnded: () => void = () => undefined
  readonly #worker: WorkerLike
  readonly #remote: Remote<EngineApi>
  readonly #beat: Heartbeat
  /** How to fail each open call. */
  readonly #open = new Set<(error: RyzError) => void>()
  #timer: ReturnType<typeof setInterval> | undefined
  #silentMs = 0
  #tickedAt = 0
  #pinging = false
  #longestStepMs = 0
  #ended: RyzError | undefined
  #closing: Promise<void> | undefined
  /** Set once the model is loaded. */
  loaded = false

  constructor(worker: WorkerLike, beat: Heartbeat = HEARTBEAT) {
    installErrorWire()
    this.ended = new Promise(resolve => {
      this.#resolveEnded = resolve
    })
    this.#worker = worker
    this.#beat = beat
    this.#remote = wrap<EngineApi>(sendable(worker))
    worker.addEventListener('error', this.#onError)
    worker.addEventListener('messageerror', this.#onMessageError)
  }

  /**
   * One call through Comlink.
   * @throws RyzError the engine's own, or WORKER_DIED | CLOSED
   */
  call<T>(send: (remote: Remote<EngineApi>) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      const fail = (error: unknown): void => {
        this.#settle(fail)
        reject(asRyzError(error, 'INTERNAL', 'the call failed in the engine worker'))
      }
      this.#track(fail)
      send(this.#remote).then(value => {
        this.#settle(fail)
        resolve(value)
      }, fail)
    })
  }

  /**
   * A request with a port: `send` starts it, `receive` gets its messages in order. It ends with one
   * done, scored or embedded, or one call of `failed`.
   */
  request(
    send: (remote: Remote<EngineApi>, port: MessagePort) => Promise<unknown>,
    receive: (message: Exclude<PortMessage, { type: 'error' }>) => void,
    failed: (error: RyzError) => void,
  ): PortCall {
    const { port1, port2 } = new MessageChannel()
    let over = false
    const fail = (error: unknown): void => {
      if (over) return
      over = true
      this.#settle(fail)
      port1.close()
      failed(asRyzError(error, 'INTERNAL', 'the request failed in the engine worker'))
    }
    port1.onmessage = (event: MessageEvent<PortMessage>) => {
      const message = event.data
      this.#silentMs = 0
      const last = message.type !== 'token' && message.type !== 'queue'
      if (last) port1.close()
      if (over) return
      if (message.type === 'error') return fail(fromWireError(message.error))
      if (last) {
        over = true
        this.#settle(fail)
      }
      receive(message)
    }
    port1.onmessageerror = () =>
      fail(new RyzError('WORKER_DIED', 'a message of the engine worker could not be read'))
    if (this.#ended === undefined) {
      this.#track(fail)
      send(this.#remote, transfer(port2, [port2])).catch(fail)
    } else {
      const error = this.#ended
      queueMicrotask(() => fail(error))
    }
    return {
      cancel: () => {
        if (over) return
        over = true
        this.#settle(fail)
        port1.postMessage({ type: 'cancel' } satisfies CancelMessage) // its last message closes the port
      },
    }
  }

  /** Fails every open call with CLOSED, lets the engine close, ends the worker. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** What ended it; undefined while it lives. */
  get endedBy(): RyzError | undefined {
    return this.#ended
  }

  /** Ends the worker at once, without asking it; open calls fail with `error`. */
  abandon(error = new RyzError('CLOSED', 'the engine was closed; load the model again')): void {
    if (this.#ended !== undefined) return
    this.#end(error)
    this.#worker.terminate()
  }

  async #close(): Promise<void> {
    if (this.#ended !== undefined) return
    this.#end(new RyzError('CLOSED', 'the engine was closed; load the model again'))
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>(resolve => {
      timer = setTimeout(resolve, CLOSE_MS)
    })
    await Promise.race([this.#remote.close().catch(() => undefined), late])
    clearTimeout(timer)
    this.#worker.terminate()
  }

  /** The worker is gone, or has to go. */
  #die(what: string, detail: { silentMs?: number } = {}): void {
    if (this.#ended !== undefined) return
    this.#end(new RyzError('WORKER_DIED', `${what}; load the model again`, { ...detail }))
    this.#worker.terminate()
  }

  #end(error: RyzError): void {
    this.#ended = error
    this.#resolveEnded()
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#worker.removeEventListener('error', this.#onError)
    this.#worker.removeEventListener('messageerror', this.#onMessageError)
    for (const fail of [...this.#open]) fail(error)
    this.#open.clear()
  }

  readonly #onError = (event: Event): void => {
    const message = 'message' in event ? String(event.message ?? '') : ''
    const url = filesFor(this.#worker)?.['worker.js'] ?? 'worker.js'
    if (hadStarted(url, message)) this.#die(`the engine worker ended unexpectedly: ${message}`)
    else void this.#didNotStart(url, message)
  }

  async #didNotStart(url: string, message: string): Promise<void> {
    const why = await whyNotStarted(url, message)
    this.#die(`the engine worker could not start from ${url}: ${why}`)
  }

  readonly #onMessageError = (): void => {
    this.#die('a message of the engine worker could not be read')
  }

  #track(fail: (error: RyzError) => void): void {
    this.#open.add(fail)
    if (this.#timer !== undefined) return
    this.#silentMs = 0
    this.#tickedAt = Date.now()
    this.#timer = setInterval(() => this.#tick(), this.#beat.intervalMs)
  }

  #settle(fail: (error: RyzError) => void): void {
    this.#open.delete(fail)
    if (this.#open.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /**
   * Counts ticks instead of reading a clock: a page that slept or was throttled ticked less too, and
   * so does not mistake its own pause for the worker's.
   */
  #tick(): void {
    const { intervalMs, silenceMs, loadSilenceMs } = this.#beat
    const now = Date.now()
    // A gap between ticks: the device slept or the page was frozen, and the worker with it.
    if (now - this.#tickedAt > JUMP * intervalMs) this.#silentMs = 0
    this.#tickedAt = now
    this.#silentMs += intervalMs
    const limit = (this.loaded ? silenceMs : loadSilenceMs) + this.#longestStepMs
    if (this.#silentMs > limit) {
      this.#die(`the engine worker has been silent for ${this.#silentMs} ms`, {
        silentMs: this.#silentMs,
      })
      return
    }
    if (this.#pinging) return
    this.#pinging = true
    this.#remote.ping().then(
      pong => {
        this.#pinging = false
        this.#silentMs = 0
        this.#longestStepMs = pong.longestStepMs
      },
      () => {
        this.#pinging = false
      },
    )
  }
}

/** The worker, with an error of its own for what postMessage refuses: a function among the options, for one. */
function sendable(worker: WorkerLike): Worker {
  const postMessage: WorkerLike['postMessage'] = (message, transferred) =>
    reading('an argument of the call', () => worker.postMessage(message, transferred))
  return {
    postMessage,
    addEventListener: worker.addEventListener.bind(worker),
    removeEventListener: worker.removeEventListener.bind(worker),
  } as Partial<Worker> as Worker
}

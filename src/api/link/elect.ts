// One engine for all tabs of the origin. The tab that holds the group's Web Lock leads: it owns the
// engine worker. The others follow: each has a port of its own to that worker. When the leader closes or
// crashes the browser passes the lock on, the next tab loads (from the cache), and what was in flight is
// asked again. Used by shared.ts; knows the calls, not what they mean.
//
// Going on with a stream: the request is sent again as it was, and the chunks that were delivered already
// are compared and left out. That is exact for every request, because results depend on prompt, options
// and seed only, and replayed requests always carry a seed; it costs the computing of them again.
import { transfer } from 'comlink'
import { type ErrorCode, RyzError } from '../../errors.ts'
import type { LoadProgress, ModelInfo } from '../../types/index.ts'
import { Connection, type EngineLink, type Heartbeat, type PortCall } from './connection.ts'
import { portWorker } from './follower-port.ts'
import { Gate } from './gate.ts'
import type { FromHub, ToHub } from './hub-protocol.ts'
import { DiffersError, Replay } from './replay.ts'
import { type Avoided, avoidAfter, type Opened } from './respawn.ts'

/** What a link needs of the browser; a test hands in its own. */
export interface SharedParts {
  /** Names the group: the same model with the same options in the same version. */
  readonly group: string
  readonly locks: Pick<LockManager, 'request'>
  readonly hub: MessagePort
  /** Loads the engine in this tab, without the rungs that failed before. */
  open(onProgress: (progress: LoadProgress) => void, avoid: readonly Avoided[]): Promise<Opened>
  readonly onProgress: (progress: LoadProgress) => void
  readonly beat?: Heartbeat
}

/** Each request is sent at most this often: an engine that dies of a request must not take every tab along. */
const MAX_TRIES = 3
const LOST: ReadonlySet<string> = new Set([
  'WORKER_DIED',
  'KERNEL_TRAP',
  'DEVICE_LOST',
  'GPU_OOM',
  'CLOSED',
])

export class SharedLink implements EngineLink {
  readonly replays = true
  readonly restarts: { code: ErrorCode; message: string }[] = []
  readonly #parts: SharedParts
  readonly #closing = new AbortController()
  /** The engine that is reached now, or the wait for the next one. */
  #current = new Gate<Opened>()
  /** The connection behind #current, or the one that is being tried. */
  #connection: Connection | undefined
  #role: 'leader' | 'follower' = 'follower'
  /** Ends this tab's lead. */
  #stepDown: () => void = () => undefined
  /** Gives the lock back by which the leader sees that this follower lives. */
  #leaveLeader: () => void = () => undefined
  /** Rungs that trapped in this group; see avoidAfter(). */
  readonly #avoid: Avoided[] = []
  /** Counts attempts to follow: only the latest one counts. */
  #attempt = 0

  constructor(parts: SharedParts) {
    this.#parts = parts
    parts.hub.onmessage = ({ data, ports }: MessageEvent<FromHub>) => this.#hear(data, ports)
    this.#say({ type: 'join', group: parts.group })
    void this.#elect()
    void this.#follow()
  }

  get role(): 'leader' | 'follower' {
    return this.#role
  }

  /** Resolves when an engine is reached for the first time. @throws RyzError what kept this tab from loading */
  async ready(): Promise<ModelInfo> {
    return (await this.#current.promise).model
  }

  async call<T>(send: Parameters<EngineLink['call']>[0]): Promise<T> {
    for (let tries = 1; ; tries++) {
      const opened = await this.#current.promise
      try {
        return (await opened.connection.call(send)) as T
      } catch (caught) {
        if (tries >= MAX_TRIES || !this.#isLost(caught)) throw caught
        this.#lost(opened, caught)
      }
    }
  }

  request(...[send, receive, failed]: Parameters<EngineLink['request']>): PortCall {
    const replay = new Replay()
    let running: PortCall | undefined
    let cancelled = false
    let tries = 0
    const attempt = async (): Promise<void> => {
      tries++
      const opened = await this.#current.promise
      if (cancelled) return
      replay.restart()
      const call = opened.connection.request(
        send,
        message => {
          if (message.type !== 'token') return receive(message)
          try {
            const chunk = replay.take(message.chunk)
            if (chunk !== undefined) receive({ type: 'token', chunk })
          } catch (caught) {
            if (!(caught instanceof DiffersError)) throw caught
            call.cancel()
            failed(notTheSame(caught.token))
          }
        },
        error => {
          if (tries >= MAX_TRIES || !this.#isLost(error)) return failed(error)
          this.#lost(opened, error)
          attempt().catch(failed)
        },
      )
      running = call
    }
    attempt().catch(failed)
    return {
      cancel: () => {
        cancelled = true
        running?.cancel()
      },
    }
  }

  /** Leaves the group: a leader ends its engine, and the next tab takes over. May be called twice. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    const connection = this.#connection
    const leads = this.#role === 'leader'
    this.#closing.abort()
    this.#attempt++
    if (this.#current.settled) this.#current = new Gate()
    this.#current.reject(closed())
    this.#leaveLeader()
    if (leads) await connection?.close()
    else connection?.abandon()
    this.#stepDown()
    this.#say({ type: 'leave' })
    this.#parts.hub.close()
  }

  /** Waits for the group's lock for as long as the tab lives; who has it leads. */
  async #elect(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await this.#parts.locks.request(this.#parts.group, { signal }, () => this.#lead())
      } catch (caught) {
        if (!signal.aborted) this.#current.reject(caught) // the browser refuses locks here
        return
      }
    }
  }

  async #lead(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#attempt++
    this.#next()
    this.#role = 'leader'
    this.#leaveLeader()
    const over = new Promise<void>(resolve => {
      this.#stepDown = resolve
    })
    try {
      const opened = await this.#parts.open(progress => {
        this.#parts.onProgress(progress)
        this.#say({ type: 'progress', progress })
      }, this.#avoid)
      if (this.#closing.signal.aborted) return await opened.connection.close()
      this.#connection = opened.connection
      this.#current.resolve(opened)
      this.#say({ type: 'lead' })
      await Promise.race([over, opened.connection.ended])
      this.#blame(opened.connection.endedBy, opened.rung)
      await opened.connection.close()
    } catch (caught) {
      // It cannot be loaded here: whoever waits hears why, and the next tab tries for itself.
      this.#current.reject(caught)
      this.#closing.abort()
    } finally {
      this.#role = 'follower'
      if (!this.#closing.signal.aborted) this.#next()
    }
  }

  /** Asks the leader, if there is one, for a port to its engine. */
  async #follow(): Promise<void> {
    const attempt = ++this.#attempt
    const client = `${this.#parts.group}#${crypto.randomUUID()}`
    this.#leaveLeader()
    const held = new Gate<void>()
    this.#leaveLeader = () => held.resolve(undefined)
    const holding = new Gate<void>()
    this.#parts.locks
      .request(client, () => {
        holding.resolve(undefined)
        return held.promise
      })
      .catch(caught => holding.reject(caught))
    await holding.promise
    if (attempt !== this.#attempt) return
    const { port1, port2 } = new MessageChannel()
    const connection = new Connection(portWorker(port1), this.#parts.beat)
    this.#connection = connection
    this.#say({ type: 'want', client }, [port2])
    try {
      // Without a leader this waits; `led` or the lock ends the attempt.
      const model = await connection.call(remote => remote.model())
      const { rung } = await connection.call(remote => remote.ping())
      if (attempt !== this.#attempt) return connection.abandon()
      connection.loaded = true
      this.#current.resolve({ connection, model, rung })
    } catch {
      connection.abandon()
    }
  }

  #hear(message: FromHub, ports: readonly MessagePort[]): void {
    switch (message.type) {
      case 'led':
        if (this.#role === 'leader') return
        this.#next()
        void this.#follow()
        return
      case 'want':
        this.#admit(message.client, ports[0])
        return
      case 'check':
        void this.#check()
        return
      case 'avoid':
        this.#learn(message.avoid)
        return
      case 'progress':
        if (this.#role === 'follower') this.#parts.onProgress(message.progress)
        return
      default:
        message satisfies never
    }
  }

  /** Gives a follower its port; when its lock comes free it is gone, and its requests with it. */
  #admit(client: string, port: MessagePort | undefined): void {
    const connection = this.#connection
    if (this.#role !== 'leader' || connection === undefined || port === undefined) return
    connection
      .call(remote => remote.attach(client, transfer(port, [port])))
      .then(() =>
        this.#parts.locks.request(client, { signal: this.#closing.signal }, () =>
          connection.call(remote => remote.detach(client)),
        ),
      )
      .catch(() => undefined) // the engine or this tab ended first, which detaches everyone
  }

  /** A follower finds the engine dead: steps down if it is, else says again who leads. */
  async #check(): Promise<void> {
    const connection = this.#connection
    if (this.#role !== 'leader' || connection === undefined) return
    try {
      await connection.call(remote => remote.stats())
      this.#say({ type: 'lead' })
    } catch (caught) {
      const { rung } = await this.#current.promise.catch(() => ({ rung: '' }))
      if (connection === this.#connection) this.#blame(caught, rung)
      this.#stepDown()
    }
  }

  #isLost(caught: unknown): caught is RyzError {
    return !this.#closing.signal.aborted && caught instanceof RyzError && LOST.has(caught.code)
  }

  /** An engine was reached and is not any more; who comes first says so. */
  #lost({ connection, rung }: Opened, error: RyzError): void {
    if (this.#connection !== connection) return
    this.restarts.push({ code: error.code, message: error.message })
    this.#blame(error, rung)
    this.#next()
    if (this.#role === 'leader') this.#stepDown()
    else this.#say({ type: 'check' })
  }

  /** The kernels that trapped are not used again in this group, whoever leads it. */
  #blame(caught: unknown, rung: string): void {
    const avoid = caught instanceof RyzError ? avoidAfter(caught, rung) : undefined
    if (avoid !== undefined && this.#learn(avoid)) this.#say({ type: 'avoid', avoid })
  }

  /** False for what is known. */
  #learn(avoid: Avoided): boolean {
    if (this.#avoid.some(known => known.rung === avoid.rung)) return false
    this.#avoid.push(avoid)
    return true
  }

  /** From now on calls wait for the next engine; those on a follower's last one fail and are sent again. */
  #next(): void {
    const last = this.#connection
    this.#connection = undefined
    if (this.#current.settled) this.#current = new Gate()
    if (this.#role === 'follower') last?.abandon()
  }

  #say(message: ToHub, ports: MessagePort[] = []): void {
    this.#parts.hub.postMessage(message, ports)
  }
}

function notTheSame(token: number): RyzError {
  return new RyzError(
    'WORKER_DIED',
    `the engine ended and the next one writes another text from token ${token} on; ask again`,
    { token },
  )
}

function closed(): RyzError {
  return new RyzError('CLOSED', 'the engine was closed; load the model again')
}

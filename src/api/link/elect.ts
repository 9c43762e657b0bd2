// One engine for all tabs of the origin. The tab that holds the group's Web Lock leads: it owns the
// engine worker. The others follow: each has a port of its own to that worker. When the leader closes or
// crashes the browser passes the lock on, the next tab loads (from the cache), and what was in flight is
// asked again. Used by shared.ts; knows the calls, not what they mean.
//
// Going on with a stream: the request is sent again with the tokens that were delivered. The next engine begins its
// answer with them, whatever it would draw itself (it may compute on another GPU, or on none), and draws on with
// the seed, which replayed requests always carry; the chunks of those tokens are left out (replay.ts).
import { transfer } from 'comlink'
import { type ErrorCode, RyzError } from '../../errors.ts'
import type { LoadProgress, ModelInfo } from '../../types/index.ts'
import { Connection, type Heartbeat } from './connection.ts'
import { portWorker } from './follower-port.ts'
import { Gate } from './gate.ts'
import type { FromHub, ToHub } from './hub-protocol.ts'
import type { Avoided, Opened } from './open-connection.ts'
import { Replay } from './replay.ts'
import { avoidAfter, type Provider } from './reviving-link.ts'

/** What a link needs of the browser; a test hands in its own. */
export interface SharedParts {
  /** Names the group: the same model with the same options in the same version. */
  readonly group: string
  readonly locks: Pick<LockManager, 'request'>
  readonly hub: MessagePort
  /** Loads the engine in this tab, without the paths that failed before. */
  open(onProgress: (progress: LoadProgress) => void, avoid: readonly Avoided[]): Promise<Opened>
  readonly onProgress: (progress: LoadProgress) => void
  readonly beat?: Heartbeat
}

/** The provider of shared.ts. */
export class Election implements Provider {
  readonly tries = 3
  readonly replay = (): Replay => new Replay()
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
  /** Paths that trapped in this group; see avoidAfter(). */
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

  engine(): Promise<Opened> {
    return this.#current.promise
  }

  served(): void {}

  /** Who comes first says so. */
  lost({ connection, path }: Opened, error: RyzError): boolean {
    if (this.#closing.signal.aborted) return false
    if (this.#connection !== connection) return true
    this.restarts.push({ code: error.code, message: error.message })
    this.#blame(error, path)
    this.#next()
    if (this.#role === 'leader') this.#stepDown()
    else this.#say({ type: 'check' })
    return true
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
      this.#blame(opened.connection.endedBy, opened.path)
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
    try {
      await holding.promise
    } catch {
      return // the browser refuses locks: #elect() says so
    }
    if (attempt !== this.#attempt) return
    const { port1, port2 } = new MessageChannel()
    const connection = new Connection(portWorker(port1), this.#parts.beat)
    this.#connection = connection
    this.#say({ type: 'want', client }, [port2])
    try {
      // Without a leader this waits; `led` or the lock ends the attempt.
      const model = await connection.call(remote => remote.model())
      const { path } = await connection.call(remote => remote.ping())
      if (attempt !== this.#attempt) return connection.abandon()
      connection.loaded = true
      this.#current.resolve({ connection, model, path })
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
      const opened = await this.#current.promise.catch(() => undefined)
      if (opened && connection === this.#connection) this.#blame(caught, opened.path)
      this.#stepDown()
    }
  }

  /** The kernels that trapped are not used again in this group, whoever leads it. */
  #blame(caught: unknown, path: Opened['path']): void {
    const avoid = caught instanceof RyzError ? avoidAfter(caught, path) : undefined
    if (avoid !== undefined && this.#learn(avoid)) this.#say({ type: 'avoid', avoid })
  }

  /** False for what is known. */
  #learn(avoid: Avoided): boolean {
    if (this.#avoid.some(known => known.id === avoid.id)) return false
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

function closed(): RyzError {
  return new RyzError('CLOSED', 'the engine was closed; load the model again')
}

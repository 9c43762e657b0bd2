// A link that outlives its engine: it asks a provider for the engine that runs, tells it when a call shows that
// this one is gone, and asks again what may be asked again. Where the next engine comes from is the
// provider's: loaded again in this tab (respawn.ts), or whichever tab leads (elect.ts).
import type { Remote } from 'comlink'
import { avoidsPath, type ErrorCode, endsEngine, RyzError } from '../../errors.ts'
import type { EngineApi } from '../../worker/protocol.ts'
import type { EngineLink, PortCall } from './connection.ts'
import type { Avoided, Opened } from './open-connection.ts'
import type { Replay } from './replay.ts'

/** Where a link finds its engine. */
export interface Provider {
  /** How often a call is sent at most without getting on: an engine that dies of it must not take every next one along. */
  readonly tries: number
  /**
   * Present where a request goes on in the next engine as if nothing had happened. Without it, only what
   * met an engine that was gone already is sent again: of that, nothing was done.
   */
  readonly replay?: () => Replay
  readonly role?: 'leader' | 'follower'
  /** Why engines were started again, in order. */
  readonly restarts: readonly { readonly code: ErrorCode; readonly message: string }[]
  /** The engine that runs, or the next one. @throws RyzError why there is none */
  engine(): Opened | Promise<Opened>
  /** This engine has done what it was asked for. */
  served(opened: Opened): void
  /** A call met the end of this engine. @returns whether there will be another */
  lost(opened: Opened, error: RyzError): boolean
  close(): Promise<void>
}

/** What really ended an engine: CLOSED may only follow from it. */
export function causeOf({ code, detail }: RyzError): ErrorCode {
  return code === 'CLOSED' ? ((detail.after as ErrorCode | undefined) ?? code) : code
}

/** What the next engine must not use, when its predecessor ended so; undefined for other ends. */
export function avoidAfter(fault: RyzError, { id, name }: Opened['path']): Avoided | undefined {
  const code = causeOf(fault)
  if (!avoidsPath(code)) return undefined
  return { id, name, reason: `it ended with ${code}: ${fault.message}` }
}

export class RevivingLink implements EngineLink {
  readonly replays: boolean
  readonly #provider: Provider

  constructor(provider: Provider) {
    this.#provider = provider
    this.replays = provider.replay !== undefined
  }

  get role(): EngineLink['role'] {
    return this.#provider.role
  }

  get restarts(): Provider['restarts'] {
    return this.#provider.restarts
  }

  /** One call through Comlink. */
  async call<T>(send: (remote: Remote<EngineApi>) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const opened = await this.#provider.engine()
      try {
        const value = await opened.connection.call(send)
        this.#provider.served(opened)
        return value
      } catch (caught) {
        if (!this.#again(opened, caught, tries)) throw caught
      }
    }
  }

  /** A request with a port; see Connection.request. */
  request(...[send, receive, failed]: Parameters<EngineLink['request']>): PortCall {
    const replay = this.#provider.replay?.()
    let running: PortCall | undefined
    let over = false
    let tries = 0
    let again = false
    const fail = (error: RyzError): void => {
      if (!over) failed(error)
      over = true
    }
    const start = (opened: Opened): void => {
      if (over) return
      tries++
      replay?.restart()
      // None yet, where it waited: it had a place all the same.
      const given = again ? replay?.tokens : undefined
      again = true
      const call = opened.connection.request(
        (remote, port) => send(remote, port, given),
        message => {
          if (message.type !== 'token') {
            if (message.type !== 'queue') this.#provider.served(opened)
            return receive(message)
          }
          try {
            const chunk = replay === undefined ? message.chunk : replay.take(message.chunk)
            if (chunk === undefined) return
            // It got further than any engine before: what ended those was not this request.
            tries = 1
            receive({ type: 'token', chunk })
          } catch (caught) {
            call.cancel()
            fail(caught as RyzError)
          }
        },
        error => (this.#again(opened, error, tries) ? attempt() : fail(error)),
      )
      running = call
    }
    const attempt = (): void => {
      const engine = this.#provider.engine()
      if (engine instanceof Promise) engine.then(start).catch(fail)
      else start(engine)
    }
    attempt()
    return {
      cancel() {
        over = true
        running?.cancel()
      },
    }
  }

  /** Ends it for good; may be called twice. */
  close(): Promise<void> {
    return this.#provider.close()
  }

  /** Tells the provider of an engine that is gone. @returns whether the call may be sent again */
  #again(opened: Opened, caught: unknown, tries: number): boolean {
    if (!(caught instanceof RyzError) || !endsEngine(caught.code)) return false
    const untouched = caught.code === 'CLOSED' && caught.detail.after !== undefined
    const next = this.#provider.lost(opened, caught)
    return next && tries < this.#provider.tries && (this.replays || untouched)
  }
}

// A Worker of the real engine API over a MessageChannel, in this thread: what it runs is a network
// without weights. It can fall silent, and die, on command.
import { expose } from 'comlink'
import type { WorkerLike } from '../../src/api/link/connection.ts'
import type { GrammarPart } from '../../src/engine/grammar/part.ts'
import { createEngineApi, type OpenParts } from '../../src/worker/engine-api.ts'
import { FakeNetwork, type FakeOptions, fakeParts } from '../engine/fakes.ts'

export class FakeWorker implements WorkerLike {
  network: FakeNetwork | undefined
  terminated = 0
  readonly #page: MessagePort
  readonly #inside: MessagePort
  readonly #events = new EventTarget()

  constructor(
    options: FakeOptions = {},
    openParts?: OpenParts,
    grammar?: () => Promise<GrammarPart>,
  ) {
    const { port1, port2 } = new MessageChannel()
    this.#page = port1
    this.#inside = port2
    const open: OpenParts = async () => {
      this.network = new FakeNetwork(options)
      return fakeParts(this.network)
    }
    expose(createEngineApi(openParts ?? open, undefined, grammar), port2)
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    this.#page.postMessage(message, transfer)
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    if (type === 'message') {
      this.#page.addEventListener('message', listener)
      this.#page.start()
    } else this.#events.addEventListener(type, listener)
  }

  removeEventListener(type: string, listener: (event: Event) => void): void {
    if (type === 'message') this.#page.removeEventListener('message', listener)
    else this.#events.removeEventListener(type, listener)
  }

  terminate(): void {
    this.terminated++
    this.#page.close()
    this.#inside.close()
  }

  /** What a browser does when the worker throws at top level or its script is missing. */
  die(message = 'boom'): void {
    this.#events.dispatchEvent(Object.assign(new Event('error'), { message }))
  }

  /** A message arrives that cannot be read. */
  garble(): void {
    this.#events.dispatchEvent(new Event('messageerror'))
  }

  /** Answers nothing any more, as a worker in an endless loop. */
  hang(): void {
    this.#inside.close()
  }
}

// Tokens on their way to the page: those of one turn of the event loop travel in one message, because a
// message costs both sides as much as a small model's step. The scheduler decides when turns are
// (at least every 4 ms); whatever a model takes longer for is posted token by token.
import { createTurn, type Turn } from '../engine/schedule/turn.ts'
import type { TokenChunk } from '../types/index.ts'
import { joinChunk, type PortMessage } from './protocol.ts'

export class TokenMail {
  /** For the scheduler: posts what waits, then gives the event loop its turn. */
  readonly turn: Turn
  readonly #waiting = new Map<MessagePort, TokenChunk>()

  constructor() {
    const turn = createTurn()
    this.turn = {
      next: resume => {
        this.#postAll()
        turn.next(resume)
      },
      close: () => {
        this.#postAll()
        turn.close()
      },
    }
  }

  /** Posts a chunk with the next turn; it may be changed. */
  add(port: MessagePort, chunk: TokenChunk): void {
    const before = this.#waiting.get(port)
    if (before === undefined) this.#waiting.set(port, chunk)
    else joinChunk(before, chunk)
  }

  /** Posts what waits for one port, before anything else is sent on it. */
  post(port: MessagePort): void {
    const chunk = this.#waiting.get(port)
    if (chunk === undefined) return
    this.#waiting.delete(port)
    port.postMessage({ type: 'token', chunk } satisfies PortMessage)
  }

  #postAll(): void {
    for (const port of this.#waiting.keys()) this.post(port)
  }
}

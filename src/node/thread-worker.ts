// A browser's Worker over a thread of Node, as far as the engine uses one: the thread runs thread.ts, which
// gives the script the globals of a worker. Used by load.ts for the engine, and inside it for its pool.
import { Worker as Thread } from 'node:worker_threads'

/** Where thread.ts was built to. */
export const THREAD_FILE = 'node-thread.js'

export interface ThreadStart {
  /** URL of the worker's script. */
  readonly script: string
  /** URL of thread.ts, which starts threads of its own. */
  readonly thread: string
}

type Handler = ((event: Event) => void) | null

/** @param start  what the thread is told before it runs */
export class ThreadWorker extends EventTarget {
  onmessage: Handler = null
  onmessageerror: Handler = null
  onerror: Handler = null
  readonly #thread: Thread
  #over = false

  constructor(start: ThreadStart) {
    super()
    this.#thread = new Thread(new URL(start.thread), { workerData: start })
    this.#thread.on('message', data => this.#tell(new MessageEvent('message', { data })))
    this.#thread.on('messageerror', () => this.#tell(new Event('messageerror')))
    this.#thread.on('error', error =>
      this.#fail(error instanceof Error ? error.message : `${error}`),
    )
    this.#thread.on('exit', code => this.#fail(`its thread ended with code ${code}`))
  }

  postMessage(message: unknown, transferred: readonly Transferable[] = []): void {
    this.#thread.postMessage(message, transferred as Parameters<Thread['postMessage']>[1])
  }

  terminate(): void {
    this.#over = true
    void this.#thread.terminate()
  }

  #fail(message: string): void {
    if (this.#over) return
    this.#over = true
    this.#tell(Object.assign(new Event('error'), { message }))
  }

  #tell(event: Event): void {
    this.dispatchEvent(event)
    if (event.type === 'message') this.onmessage?.(event)
    else if (event.type === 'error') this.onerror?.(event)
    else this.onmessageerror?.(event)
  }
}

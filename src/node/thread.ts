// Runs a worker's script in a thread of Node: gives it the globals that browsers give workers, then imports it.
// Built as node-thread.js; started by thread-worker.ts.
import { availableParallelism } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { fetchWithFiles } from './file-fetch.ts'
import { type ThreadStart, ThreadWorker } from './thread-worker.ts'

const { script, thread } = workerData as ThreadStart
const port = parentPort!
const target = new EventTarget()

/** What the engine asks of its surroundings. */
const globals: Record<string, unknown> = {
  self: globalThis,
  addEventListener: target.addEventListener.bind(target),
  removeEventListener: target.removeEventListener.bind(target),
  dispatchEvent: target.dispatchEvent.bind(target),
  postMessage: (message: unknown, transferred: readonly Transferable[] = []) =>
    port.postMessage(message, transferred as Parameters<typeof port.postMessage>[1]),
  close: () => process.exit(0),
  fetch: fetchWithFiles(globalThis.fetch),
  navigator: {
    hardwareConcurrency: availableParallelism(),
    userAgent: `Node ${process.versions.node} (V8 ${process.versions.v8}; ${process.platform} ${process.arch})`,
    onLine: true,
  },
  Worker: class extends ThreadWorker {
    constructor(url: string | URL) {
      super({ script: String(url), thread })
    }
  },
}
for (const [name, value] of Object.entries(globals)) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
}

await import(script)

// Messages that came before wait in the port.
port.on('message', data => {
  const event = new MessageEvent('message', { data })
  target.dispatchEvent(event)
  globalThis.onmessage?.call(globalThis as Window & typeof globalThis, event)
})

// A port to an engine worker of another tab, in the shape of a worker. Used by elect.ts.
import type { WorkerLike } from './connection.ts'

/** Ending it closes the port only; the engine learns that from the leader. */
export function portWorker(port: MessagePort): WorkerLike {
  return {
    postMessage: (message, transfer) => port.postMessage(message, transfer),
    addEventListener(type, listener) {
      port.addEventListener(type, listener)
      if (type === 'message') port.start()
    },
    removeEventListener: (type, listener) => port.removeEventListener(type, listener),
    terminate: () => port.close(),
  }
}

// A service worker that is ready to register: answers /v1/... from tabs, and governs open pages at once. Published as
// `api-service-worker.js`, one classic script, which importScripts() and a module's import take as well.
import { answerFromTabs } from './answer.ts'

interface WorkerScope {
  skipWaiting(): Promise<void>
  readonly clients: { claim(): Promise<void> }
}

answerFromTabs()
const scope = globalThis as unknown as WorkerScope
globalThis.addEventListener('install', () => void scope.skipWaiting())
globalThis.addEventListener('activate', () => void scope.clients.claim())

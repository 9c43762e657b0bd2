// A user's own service worker, bundled with the package.
import { answerFromTabs } from 'ryzanstein/service-worker'

answerFromTabs()
self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))

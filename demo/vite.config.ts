// Builds and previews the demo site. It imports the built package from ../dist, as an application
// would from node_modules, so the worker and wasm URLs take the same way through a bundler.
// Preview sends the isolation headers; hosts that cannot are served by public/coi-service-worker.js.
import { resolve } from 'node:path'
import { defineConfig } from 'vite'

const here = import.meta.dirname

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

const PAGES = [
  'index.html',
  'chat/index.html',
  'play/index.html',
  'bench/index.html',
  'evals/index.html',
]

export default defineConfig({
  root: here,
  base: './',
  resolve: { alias: { ryzanstein: resolve(here, '../dist/index.js') } },
  worker: { format: 'es' },
  build: {
    outDir: resolve(here, 'dist'),
    emptyOutDir: true,
    target: 'es2022',
    // The page's policy allows no data: URLs.
    assetsInlineLimit: 0,
    license: { fileName: 'THIRD_PARTY_NOTICES.md' },
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: PAGES.map(page => resolve(here, page)),
    },
  },
  preview: { headers: isolation, port: 4173 },
})

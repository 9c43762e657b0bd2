// Builds and previews the demo site. It imports the built package from ../dist, as an application
// would from node_modules, so the worker and wasm URLs take the same way through a bundler.
// Preview sends the isolation headers; hosts that cannot are served by public/site-worker.js.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineConfig, type Plugin } from 'vite'
import { partials } from './partials.ts'

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

/** Names the files of the build for site-worker.js, which keeps them for offline use. */
function siteFiles(): Plugin {
  return {
    name: 'site-files',
    apply: 'build',
    closeBundle() {
      const out = resolve(here, 'dist')
      const files = readdirSync(out, { recursive: true, encoding: 'utf8' })
        .map(file => file.replaceAll('\\', '/'))
        .filter(file => /\.(?:html|js|css|wasm|svg|json)$/.test(file))
        .filter(file => !/^(?:models\/|site-|coi-)/.test(file))
        .toSorted()
      const hash = createHash('sha256').update(JSON.stringify(files))
      for (const file of files) hash.update(readFileSync(resolve(out, file)))
      writeFileSync(resolve(out, 'site-files.json'), JSON.stringify(files))
      const worker = resolve(out, 'site-worker.js')
      const text = readFileSync(worker, 'utf8')
      writeFileSync(
        worker,
        text.replace('site-REVISION', `site-${hash.digest('hex').slice(0, 12)}`),
      )
    },
  }
}

export default defineConfig({
  root: here,
  base: './',
  resolve: {
    alias: [
      { find: /^ryzanstein$/, replacement: resolve(here, '../dist/index.js') },
      { find: /^ryzanstein\/(.*)$/, replacement: resolve(here, '../dist/$1.js') },
    ],
  },
  plugins: [partials(), siteFiles()],
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

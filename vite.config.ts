// Builds the library into dist/: one ES module per entry, the wasm files beside them. A URL of a
// sibling file is written as a placeholder in the sources and becomes `new URL('./x', import.meta.url)`
// here, the one form that every bundler and plain browsers resolve.
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

const here = import.meta.dirname

/** `__RYZ_URL_worker_js__` -> `new URL('./worker.js', import.meta.url)`. */
function siblingUrls(): Plugin {
  const placeholder = /__RYZ_URL_(\w+?)_(js|wasm)__/g
  return {
    name: 'ryz-sibling-urls',
    // map null keeps the existing source map: only columns behind a placeholder are off.
    renderChunk: code => ({
      code: code.replace(placeholder, (_, name: string, ext: string) => {
        return `new URL('./${name.replaceAll('_', '-')}.${ext}', import.meta.url)`
      }),
      map: null,
    }),
  }
}

/** Copies the kernels and the isolating service worker beside the modules. */
function siblingFiles(): Plugin {
  return {
    name: 'ryz-sibling-files',
    writeBundle() {
      mkdirSync(resolve(here, 'dist'), { recursive: true })
      for (const file of readdirSync(resolve(here, 'build/wasm'))) {
        if (file.endsWith('.wasm'))
          copyFileSync(resolve(here, 'build/wasm', file), resolve(here, 'dist', file))
      }
      copyFileSync(
        resolve(here, 'demo/public/coi-service-worker.js'),
        resolve(here, 'dist/coi-service-worker.js'),
      )
    },
  }
}

export default defineConfig({
  publicDir: false,
  build: {
    target: 'es2022',
    minify: false,
    sourcemap: true,
    lib: {
      entry: {
        index: resolve(here, 'src/index.ts'),
        worker: resolve(here, 'src/worker/main.ts'),
        'pool-worker': resolve(here, 'src/backend/wasm/pool-worker.ts'),
        'shared-hub': resolve(here, 'src/api/link/hub.ts'),
        'template-worker': resolve(here, 'src/tokenizer/template-worker.ts'),
      },
      formats: ['es'],
    },
  },
  plugins: [siblingUrls(), siblingFiles()],
})

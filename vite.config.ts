// The modules of the package: index.js and its chunks, as ES modules in dist/. The workers beside them and the
// rest of the package are made by scripts/package/build.ts, which runs this first. A URL of a sibling file is
// written as a placeholder in the sources and becomes `new URL('./x', import.meta.url)` here, the one form
// that every bundler and plain browsers resolve.
import { resolve } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

const here = import.meta.dirname

/** `__RYZ_URL_worker_js__` -> `new URL('./worker.js', import.meta.url)`. */
export function siblingUrls(): Plugin {
  return {
    name: 'ryz-sibling-urls',
    renderChunk: code => ({
      code: code.replace(/__RYZ_URL_(\w+?)_(js|wasm)__/g, (_, name: string, ext: string) => {
        return `new URL('./${name.replaceAll('_', '-')}.${ext}', import.meta.url)`
      }),
      // The existing map stays: only columns behind a placeholder are off.
      map: null,
    }),
    // The minifier writes `./x`, which not every bundler reads as a string.
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk') continue
        chunk.code = chunk.code.replace(
          /new URL\(`([^`$]+)`,\s*import\.meta\.url\)/g,
          "new URL('$1',import.meta.url)",
        )
      }
    },
  }
}

export default defineConfig({
  publicDir: false,
  logLevel: 'warn',
  plugins: [siblingUrls()],
  build: {
    target: 'es2022',
    emptyOutDir: false,
    sourcemap: true,
    minify: true,
    lib: {
      entry: {
        index: resolve(here, 'src/index.ts'),
        vite: resolve(here, 'src/adapters/vite/vite.ts'),
      },
      formats: ['es'],
    },
    // vite.js runs in Node.
    rolldownOptions: { external: [/^node:/], output: { minify: true } },
  },
})

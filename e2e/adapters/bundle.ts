// Bundles a fixture of e2e/fixtures/adapters with the real packages it is for, and puts it on a page that has the
// built package beside it. Used by adapters.spec.ts.
import { resolve } from 'node:path'
import type { Page } from '@playwright/test'
import { build } from 'vite'
import { HOSTS } from '../hosts.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const FOLDER = 'build/e2e-adapters'

/** Builds `name`.ts, or .tsx; ryzanstein and its subpaths stay what dist/ serves. */
export async function bundle(name: string, ending = 'ts'): Promise<void> {
  const file = (specifier: string) => specifier.split('/')[1] ?? 'index'
  await build({
    configFile: false,
    root: ROOT,
    publicDir: false,
    logLevel: 'warn',
    define: { 'process.env.NODE_ENV': '"development"' },
    plugins: [
      {
        name: 'ryzanstein-as-built',
        enforce: 'pre',
        resolveId: id => {
          // It imports React, which no page resolves: it is bundled, as in an app.
          if (id === 'ryzanstein/react') return resolve(ROOT, 'dist/react.js')
          return /^ryzanstein(\/|$)/.test(id)
            ? { id: `/dist/${file(id)}.js`, external: true }
            : undefined
        },
      },
    ],
    build: {
      target: 'es2022',
      outDir: FOLDER,
      emptyOutDir: false,
      minify: false,
      lib: {
        entry: resolve(ROOT, `e2e/fixtures/adapters/${name}.${ending}`),
        formats: ['es'],
        fileName: () => `${name}.js`,
      },
    },
  })
}

/** Opens the empty page and runs what bundle() built. */
export async function openWith(page: Page, name: string, search = ''): Promise<void> {
  await page.goto(`${HOSTS.library.url}e2e/fixtures/adapters/index.html${search}`)
  await page.addScriptTag({ url: `/${FOLDER}/${name}.js`, type: 'module' })
}

/** What a bundler makes of an app of this code with the built package, minified and without its workers. */
export async function appOf(code: string): Promise<string> {
  const built = await build({
    configFile: false,
    root: ROOT,
    publicDir: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'an-app',
        enforce: 'pre',
        resolveId: id =>
          id === 'app' ? id : id === 'ryzanstein' ? resolve(ROOT, 'dist/index.js') : undefined,
        load: id => (id === 'app' ? code : undefined),
      },
    ],
    build: { write: false, target: 'es2022', rolldownOptions: { input: 'app' } },
  })
  const { output } = [built].flat()[0] as { output: { type: string; code?: string }[] }
  return output.map(file => file.code ?? '').join('\n')
}

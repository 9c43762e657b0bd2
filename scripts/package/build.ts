// Builds the package into dist/: index.js and its chunks as ES modules (vite.config.ts), each worker as one self-contained
// classic script (which module workers and importing blobs run as well), the kernels beside them. Run by
// `npm run build`. Everything is minified: it is also served as it is, from a CDN or a folder.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'vite'
import { thirdPartyNotices } from './notices.ts'

const root = resolve(import.meta.dirname, '../..')
const dist = join(root, 'dist')

const WORKERS = {
  worker: 'src/worker/main.ts',
  'pool-worker': 'src/backend/wasm/pool-worker.ts',
  'shared-hub': 'src/api/link/hub.ts',
  'template-worker': 'src/tokenizer/template-worker.ts',
}

/** Bundlers turn files below 4 KiB into data: URLs, from which no worker starts on an isolated page. */
const LEAST_BYTES = 4200

async function buildWorker(name: string, file: string): Promise<void> {
  await build({
    configFile: false,
    root,
    publicDir: false,
    logLevel: 'warn',
    build: {
      target: 'es2022',
      outDir: dist,
      emptyOutDir: false,
      sourcemap: true,
      minify: true,
      lib: {
        entry: join(root, file),
        formats: ['iife'],
        name: 'ryzanstein',
        fileName: () => `${name}.js`,
      },
      rolldownOptions: { output: { minify: true, codeSplitting: false } },
    },
  })
  const path = join(dist, `${name}.js`)
  const code = readFileSync(path, 'utf8')
  if (/import\.meta|(^|[;}])(import|export)[\s{*]/.test(code))
    throw new Error(`${name}.js is no classic script`)
  if (code.length >= LEAST_BYTES) return
  const why =
    'Larger than 4 KiB on purpose: smaller files become data: URLs in bundlers, and no worker.'
  const padding = ' '.repeat(LEAST_BYTES - code.length - why.length)
  const map = code.lastIndexOf('//# sourceMappingURL')
  const at = map < 0 ? code.length : map
  writeFileSync(path, `${code.slice(0, at).trimEnd()}\n/* ${why}${padding} */\n${code.slice(at)}`)
}

/** The sources are in the package once, under src/: maps name them and hold no copy. */
function slimMaps(): void {
  for (const file of readdirSync(dist)) {
    if (!file.endsWith('.js.map')) continue
    const map = JSON.parse(readFileSync(join(dist, file), 'utf8')) as Record<string, unknown>
    delete map.sourcesContent
    writeFileSync(join(dist, file), JSON.stringify(map))
  }
}

rmSync(dist, { recursive: true, force: true })
mkdirSync(dist, { recursive: true })
await build({ configFile: join(root, 'vite.config.ts'), root })
for (const [name, file] of Object.entries(WORKERS)) await buildWorker(name, file)
slimMaps()
for (const file of readdirSync(join(root, 'build/wasm'))) {
  if (file.endsWith('.wasm')) copyFileSync(join(root, 'build/wasm', file), join(dist, file))
}
copyFileSync(join(root, 'demo/public/coi-service-worker.js'), join(dist, 'coi-service-worker.js'))
writeFileSync(join(dist, 'THIRD_PARTY_NOTICES.txt'), thirdPartyNotices(root))

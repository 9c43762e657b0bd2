// Builds the package into dist/: index.js and its chunks as ES modules (vite.config.ts); each worker as one
// self-contained classic script, which module workers and importing blobs run as well; parts that a worker
// imports by URL when it needs them, one module each; the kernels beside them. Run by `npm run build`.
// Everything is minified: it is also served as it is, from a CDN or a folder.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type LibraryFormats, type Plugin } from 'vite'
import { siblingUrls } from '../../vite.config.ts'
import { thirdPartyNotices } from './notices.ts'
import { emitTypes } from './types.ts'

const root = resolve(import.meta.dirname, '../..')
const dist = join(root, 'dist')

const WORKERS = {
  worker: 'src/worker/main.ts',
  'pool-worker': 'src/backend/wasm/pool-worker.ts',
  'shared-hub': 'src/api/link/hub.ts',
  'api-service-worker': 'src/adapters/service-worker/ready.ts',
}

/** What workers load by importPart(). */
const PARTS = {
  webgpu: 'src/backend/webgpu/webgpu-factory.ts',
  grammar: 'src/engine/grammar/part.ts',
}

/** Entries of their own, which no page pays that does not import them: `ryzanstein/openai`, `ryzanstein/remote`. */
const SUBPATHS = {
  'ai-sdk': 'src/adapters/ai-sdk/ai-sdk.ts',
  openai: 'src/adapters/openai/engine-fetch.ts',
  'prompt-api': 'src/adapters/prompt-api/prompt-api.ts',
  react: 'src/adapters/react/react.ts',
  remote: 'src/adapters/remote/index.ts',
  'service-worker': 'src/adapters/service-worker/service-worker.ts',
  models: 'src/adapters/models/models.ts',
}

/** What runs in Node: apart from what pages load, so that their files stay as few as they are. */
const NODE = {
  node: 'src/node/load.ts',
  'node-thread': 'src/node/thread.ts',
  cli: 'src/cli/main.ts',
}

/** Entries whose types users see. */
const TYPED = [
  'index',
  'adapters/ai-sdk/ai-sdk',
  'adapters/openai/engine-fetch',
  'adapters/models/models',
  'adapters/prompt-api/prompt-api',
  'adapters/react/react',
  'adapters/remote/index',
  'adapters/service-worker/service-worker',
  'adapters/vite/vite',
  'node/load',
]

/** Whose types a subpath may need: who uses it has them. */
const PEERS = ['ai', 'react']

/**
 * Bundlers turn small files into data: URLs, which strict policies refuse and of which no SharedWorker is made:
 * Vite up to 4096 bytes, webpack's `asset` rule up to 8096.
 */
const LEAST_BYTES = 8192

async function buildScript(name: string, file: string, format: LibraryFormats): Promise<void> {
  await build({
    configFile: false,
    root,
    publicDir: false,
    logLevel: 'warn',
    plugins: [partsByUrl(), shortShaders(), siblingUrls()],
    build: {
      target: 'es2022',
      outDir: dist,
      emptyOutDir: false,
      sourcemap: true,
      minify: true,
      lib: {
        entry: join(root, file),
        formats: [format],
        name: 'ryzanstein',
        fileName: () => `${name}.js`,
      },
      rolldownOptions: {
        external: [/^node:/, ...PEERS],
        output: { minify: true, codeSplitting: false },
      },
    },
  })
}

/** `importPart('x.js', () => import('...'))` is built without its second half, which is for the sources. */
function partsByUrl(): Plugin {
  const call = /\bimportPart\(\s*'([\w-]+)\.js',\s*\(\)\s*=>\s*import\('[^']+'\),?\s*\)/g
  return {
    name: 'ryz-parts-by-url',
    enforce: 'pre',
    transform(code) {
      if (!code.includes('importPart(')) return undefined
      const short = code.replace(call, (_, part: string) => {
        if (!(part in PARTS)) throw new Error(`${part}.js is no part that scripts/package builds`)
        return `importPart('${part}.js')`
      })
      return { code: short, map: null }
    },
  }
}

/** Shaders without comments and indentation: a third of their bytes. */
function shortShaders(): Plugin {
  return {
    name: 'ryz-short-shaders',
    enforce: 'pre',
    load(id) {
      if (!id.endsWith('.wgsl?raw')) return undefined
      const lines = readFileSync(id.slice(0, -'?raw'.length), 'utf8').split('\n')
      const kept = lines.map(line => line.replace(/\/\/.*/, '').trim()).filter(line => line !== '')
      return `export default ${JSON.stringify(kept.join('\n'))}`
    },
  }
}

/** A worker's script has no other module, and no URL of its own. */
function checkWorker(name: string): void {
  const path = join(dist, `${name}.js`)
  const code = readFileSync(path, 'utf8')
  if (/import\.meta|(^|[;}])(import|export)[\s{*]/.test(code)) {
    throw new Error(`${name}.js is no classic script`)
  }
  if (code.length >= LEAST_BYTES) return
  const why = 'Large on purpose: bundlers turn small files into data: URLs.'
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
for (const [name, file] of Object.entries(WORKERS)) {
  await buildScript(name, file, 'iife')
  checkWorker(name)
}
for (const [name, file] of Object.entries({ ...PARTS, ...SUBPATHS, ...NODE })) {
  await buildScript(name, file, 'es')
}
slimMaps()
for (const file of readdirSync(join(root, 'build/wasm'))) {
  if (file.endsWith('.wasm')) copyFileSync(join(root, 'build/wasm', file), join(dist, file))
}
copyFileSync(join(root, 'demo/public/coi-service-worker.js'), join(dist, 'coi-service-worker.js'))
writeFileSync(join(dist, 'THIRD_PARTY_NOTICES.txt'), thirdPartyNotices(root))
emitTypes(root, TYPED, PEERS)

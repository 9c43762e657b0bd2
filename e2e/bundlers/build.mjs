// Packs the package as npm would publish it, installs it and the bundlers into build/bundlers/, and builds the
// same small page with each of them, as a user without any configuration would. Run before
// e2e/bundlers.spec.ts by `make test-e2e`:   node e2e/bundlers/build.mjs [name ...]
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const here = import.meta.dirname
const root = resolve(here, '../..')
const work = join(root, 'build/bundlers')
const out = join(work, 'out')
const app = join(work, 'app')
const require = createRequire(join(work, 'package.json'))
const load = name => import(pathToFileURL(require.resolve(name)).href)
const run = (command, args, cwd, env = {}) =>
  execFileSync(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })

function install() {
  mkdirSync(work, { recursive: true })
  const lock = readFileSync(join(here, 'package-lock.json'), 'utf8')
  const installed = join(work, 'package-lock.json')
  if (
    !existsSync(join(work, 'node_modules')) ||
    !existsSync(installed) ||
    readFileSync(installed, 'utf8') !== lock
  ) {
    cpSync(join(here, 'package.json'), join(work, 'package.json'))
    writeFileSync(installed, lock)
    run('npm', ['ci', '--no-audit', '--no-fund'], work)
  }
  cpSync(join(here, 'package.json'), join(work, 'package.json'))
  const packed = JSON.parse(
    run('npm', ['pack', '--json', '--pack-destination', work, '--ignore-scripts'], root),
  )
  const target = join(work, 'node_modules/ryzanstein')
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target)
  run('tar', ['-xzf', join(work, packed[0].filename), '-C', target, '--strip-components=1'], work)
  rmSync(app, { recursive: true, force: true })
  cpSync(join(here, 'app'), app, { recursive: true })
  // Or the repository's own, with its paths to the sources, would count.
  writeFileSync(join(app, 'tsconfig.json'), '{}')
}

/** What a page needs besides what the bundler made. */
function page(folder, script, type = ' type="module"') {
  const html = readFileSync(join(app, 'index.html'), 'utf8')
  writeFileSync(
    join(folder, 'index.html'),
    html.replace(' type="module"', type).replace('./main.js', script),
  )
}

const vite = async name => {
  const { build } = await load(name)
  await build({
    root: app,
    logLevel: 'error',
    configFile: false,
    build: { outDir: join(out, name), emptyOutDir: true },
  })
}

/** The files beside index.js, for tools that know no `new URL(x, import.meta.url)`. */
function copyPackage(folder) {
  const dist = join(work, 'node_modules/ryzanstein/dist')
  mkdirSync(folder, { recursive: true })
  for (const file of readdirSync(dist)) {
    if (/\.(js|wasm)$/.test(file)) cpSync(join(dist, file), join(folder, file))
  }
}

const BUILDS = {
  vite7: () => vite('vite7'),
  async vite8() {
    const { build } = await import('vite')
    await build({
      root: app,
      logLevel: 'error',
      configFile: false,
      build: { outDir: join(out, 'vite8'), emptyOutDir: true },
    })
  },
  async webpack() {
    const { default: webpack } = await load('webpack')
    const folder = join(out, 'webpack')
    const stats = await new Promise((done, failed) => {
      const config = {
        mode: 'production',
        context: app,
        entry: './main.js',
        output: { path: folder, clean: true },
      }
      webpack(config, (error, result) => (error ? failed(error) : done(result)))
    })
    if (stats.hasErrors()) throw new Error(stats.toString())
    page(folder, './main.js')
  },
  async esbuild() {
    const { build } = await load('esbuild')
    const folder = join(out, 'esbuild')
    await build({
      entryPoints: [join(app, 'main.js')],
      bundle: true,
      format: 'esm',
      minify: true,
      outfile: join(folder, 'main.js'),
    })
    await build({
      entryPoints: [join(app, 'sw.js')],
      bundle: true,
      format: 'iife',
      minify: true,
      outfile: join(folder, 'sw.js'),
    })
    copyPackage(folder)
    page(folder, './main.js')
  },
  async rollup() {
    const { rollup } = await load('rollup')
    const { default: resolver } = await load('@rollup/plugin-node-resolve')
    const folder = join(out, 'rollup')
    const bundle = await rollup({
      input: join(app, 'main.js'),
      plugins: [resolver({ browser: true })],
    })
    await bundle.write({ dir: folder, format: 'es' })
    copyPackage(join(folder, 'ryzanstein'))
    page(folder, './main.js')
  },
  async rolldown() {
    const { rolldown } = await load('rolldown')
    const folder = join(out, 'rolldown')
    const bundle = await rolldown({ input: join(app, 'main.js'), logLevel: 'silent' })
    await bundle.write({ dir: folder, format: 'es' })
    copyPackage(folder)
    page(folder, './main.js')
  },
  async iife() {
    const { build } = await load('esbuild')
    const folder = join(out, 'iife')
    const entryPoints = [join(app, 'main.js')]
    const outfile = join(folder, 'main.js')
    await build({ entryPoints, bundle: true, format: 'iife', outfile, logLevel: 'error' })
    copyPackage(join(folder, 'ryzanstein'))
    page(folder, './main.js', '')
  },
  parcel() {
    const folder = join(out, 'parcel')
    run(
      'npx',
      ['parcel', 'build', 'app/index.html', '--dist-dir', folder, '--no-cache', '--no-source-maps'],
      work,
    )
  },
  next() {
    const project = join(work, 'next')
    rmSync(project, { recursive: true, force: true })
    mkdirSync(join(project, 'app'), { recursive: true })
    writeFileSync(join(project, 'package.json'), '{"private":true}')
    writeFileSync(
      join(project, 'next.config.mjs'),
      `export default { output: 'export', distDir: 'out', turbopack: { root: ${JSON.stringify(work)} } }\n`,
    )
    writeFileSync(
      join(project, 'app/layout.js'),
      'export default ({ children }) => <html><body>{children}</body></html>\n',
    )
    writeFileSync(
      join(project, 'app/page.js'),
      "'use client'\nimport { useEffect } from 'react'\nexport default function Page() {\n  useEffect(() => { import('../main.js') }, [])\n  return null\n}\n",
    )
    cpSync(join(app, 'main.js'), join(project, 'main.js'))
    run('npx', ['next', 'build'], project, { NEXT_TELEMETRY_DISABLED: '1' })
    cpSync(join(project, 'out'), join(out, 'next'), { recursive: true })
  },
}

const wanted = process.argv.slice(2)
install()
rmSync(out, { recursive: true, force: true })
for (const [name, build] of Object.entries(BUILDS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const began = performance.now()
  mkdirSync(join(out, name), { recursive: true })
  await build()
  cpSync(
    join(root, 'demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'),
    join(out, name, 'model.gguf'),
  )
  const ready = 'api-service-worker.js'
  cpSync(join(work, 'node_modules/ryzanstein/dist', ready), join(out, name, ready))
  console.log(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
}
// The page without a bundler, whose package comes from another origin.
mkdirSync(join(out, 'plain'), { recursive: true })
cpSync(join(app, 'main.js'), join(out, 'plain/main.js'))
cpSync(join(root, 'demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'), join(out, 'plain/model.gguf'))
copyPackage(join(out, 'cdn'))

// The packed package as each bundler takes it, without configuration or with one line, and without a bundler
// from another origin: every page gives the golden text. Built by e2e/bundlers/build.mjs.
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, type Page, test } from '@playwright/test'
import { build as buildWithVite } from 'vite'

const ROOT = resolve(import.meta.dirname, '..')
const WORK = join(ROOT, 'build/bundlers')
const OUT = join(WORK, 'out')
const MODEL = join(ROOT, 'demo/public/models/ryz-tales-tq2_0-embq8_0.gguf')
const GOLDEN = ' there lived a king who had three sons.'
const FIRST_PORT = Number(process.env.E2E_PORT ?? 5181) + 40

/** Bundlers that need nothing said, and what others need. */
const BUILDS = [
  { name: 'vite7', options: {} },
  { name: 'vite8', options: {} },
  { name: 'webpack', options: {} },
  { name: 'parcel', options: {} },
  { name: 'next', options: {} },
  // They leave `new URL(x, import.meta.url)` alone: the files are copied beside the bundle, or elsewhere.
  { name: 'esbuild', options: {} },
  { name: 'rolldown', options: {} },
  { name: 'rollup', options: { baseUrl: './ryzanstein/' } },
  { name: 'iife', options: { baseUrl: './ryzanstein' } },
] as const

const servers: ChildProcess[] = []
let nextPort = FIRST_PORT

/** A server over a folder of build/bundlers/out. */
async function serve(folder: string, ...flags: string[]): Promise<string> {
  const port = nextPort++
  const args = ['e2e/server.mjs', '--root', join(OUT, folder), '--port', `${port}`, ...flags]
  servers.push(spawn('node', args, { cwd: ROOT, stdio: 'inherit' }))
  const url = `http://localhost:${port}/`
  const answers = () =>
    fetch(url).then(
      r => r.status > 0,
      () => false,
    )
  await expect.poll(answers).toBe(true)
  return url
}

interface Answer {
  text: string
  backend: string
  threads: number
  tab?: string
  fallbacks: { from: string; to: string; reason: string }[]
  models: string[]
}

/** Opens the page with these load options and waits for its title to say how it went. */
async function outcome(
  page: Page,
  url: string,
  options: object,
  wanted: string,
  more: Record<string, string> = {},
): Promise<string> {
  const query = new URLSearchParams({ options: JSON.stringify(options), ...more })
  await page.goto(`${url}?${query}`)
  await expect(page).toHaveTitle(/done|failed/, { timeout: 30_000 })
  const text = (await page.textContent('body')) ?? ''
  expect(await page.title(), text).toBe(wanted)
  return text
}

async function answer(
  page: Page,
  url: string,
  options: object = {},
  more: Record<string, string> = {},
): Promise<Answer> {
  return JSON.parse(await outcome(page, url, options, 'done', more)) as Answer
}

function failure(page: Page, url: string, options: object = {}): Promise<string> {
  return outcome(page, url, options, 'failed')
}

test.beforeAll(() => {
  if (!existsSync(OUT)) throw new Error('run `node e2e/bundlers/build.mjs` first')
})

test.afterEach(() => {
  for (const server of servers.splice(0)) server.kill()
})

for (const { name, options } of BUILDS) {
  test(`${name} bundles the package as installed: threads, shared tabs, fetch('/v1/...')`, async ({
    page,
  }) => {
    const url = await serve(name, '--isolate')
    // One bundles a worker of its own; the ready one is a file that is copied.
    const api = name === 'esbuild' ? './sw.js' : './api-service-worker.js'
    const shared = { ...options, share: true }
    const { text, backend, threads, tab, models } = await answer(page, url, shared, { api })
    expect(text).toContain(GOLDEN)
    expect(backend).toBe('wasm')
    expect(threads).toBeGreaterThan(1)
    expect(tab).toBe('leader')
    expect(models).toEqual([expect.stringMatching(/\w/)])
  })
}

test('a bundle without import.meta.url says that it needs baseUrl', async ({ page }) => {
  const url = await serve('iife')
  expect(await failure(page, url)).toMatch(/^BAD_OPTION: baseUrl is needed/)
})

/** A page without a bundler; the package is imported from `cdn`. */
function writePlainPage(cdn: string): void {
  const files = { ryzanstein: 'index', 'ryzanstein/openai': 'openai' }
  const all = { ...files, 'ryzanstein/service-worker': 'service-worker' }
  const map = JSON.stringify({
    imports: Object.fromEntries(
      Object.entries(all).map(([name, file]) => [name, `${cdn}${file}.js`]),
    ),
  })
  writeFileSync(
    join(OUT, 'plain/index.html'),
    `<!doctype html><title>waiting</title><body></body>
<script type="importmap">${map}</script>
<script type="module" src="./main.js"></script>`,
  )
}

for (const headers of [['--cors', '--corp'], ['--cors']]) {
  test(`a page imports the package from another origin (${headers.join(' ').replaceAll('--', '').toUpperCase()}): every worker and thread starts`, async ({
    page,
  }) => {
    const [url, cdn] = [await serve('plain', '--isolate'), await serve('cdn', ...headers)]
    writePlainPage(cdn)
    const options = { share: true, backend: 'webgpu' }
    const { text, threads, fallbacks, tab } = await answer(page, url, options)
    expect(text).toContain(GOLDEN)
    expect(threads).toBeGreaterThan(1)
    expect(tab).toBeUndefined()
    expect(fallbacks[0]).toMatchObject({
      to: 'an engine of this tab',
      reason: expect.stringContaining(cdn.slice(0, -1)),
    })
    // The GPU's part came; what it found here is another matter.
    expect(fallbacks[1]?.reason).toMatch(/adapter/)
    expect(fallbacks[1]?.reason).not.toContain('webgpu.js')
  })
}

test('a bundle whose files are on a CDN starts its workers there', async ({ page }) => {
  mkdirSync(join(OUT, 'cdn-bundle'), { recursive: true })
  const cdn = await serve('cdn-bundle', '--cors')
  await buildWithVite({
    root: join(WORK, 'app'),
    base: cdn,
    logLevel: 'error',
    configFile: false,
    build: { outDir: join(OUT, 'cdn-bundle'), emptyOutDir: true },
  })
  mkdirSync(join(OUT, 'cdn-page'), { recursive: true })
  copyFileSync(join(OUT, 'cdn-bundle/index.html'), join(OUT, 'cdn-page/index.html'))
  copyFileSync(MODEL, join(OUT, 'cdn-page/model.gguf'))
  const url = await serve('cdn-page', '--isolate')
  const seen: string[] = []
  page.on('request', request => seen.push(request.url()))
  const { text, threads } = await answer(page, url)
  expect(text).toContain(GOLDEN)
  expect(threads).toBeGreaterThan(1)
  expect(seen.filter(one => /worker.*\.js$/.test(one))[0]).toContain(cdn)
})

test('ryzanstein/vite brings the service worker, and one line isolates a host without headers', async ({
  page,
}) => {
  const { ryzanstein } = await import(
    pathToFileURL(join(WORK, 'node_modules/ryzanstein/dist/vite.js')).href
  )
  const outDir = join(OUT, 'service-worker')
  await buildWithVite({
    root: join(WORK, 'app'),
    logLevel: 'error',
    configFile: false,
    plugins: [ryzanstein({ serviceWorker: true, apiServiceWorker: true })],
    build: { outDir, emptyOutDir: true },
  })
  copyFileSync(MODEL, join(outDir, 'model.gguf'))
  expect(existsSync(join(outDir, 'api-service-worker.js'))).toBe(true)
  const url = await serve('service-worker')
  let loads = 0
  page.on('load', () => {
    loads += 1
  })
  await page.goto(`${url}?isolate=./coi-service-worker.js`)
  await expect(page).toHaveTitle('done', { timeout: 30_000 })
  const { text, threads } = JSON.parse((await page.textContent('body')) ?? '') as Answer
  expect(text).toContain(GOLDEN)
  expect(threads).toBeGreaterThan(1)
  expect(loads).toBe(2)
})

test('a sandboxed frame, whose origin is nobody’s, has an engine', async ({ page }) => {
  const cdn = await serve('vite8', '--cors')
  mkdirSync(join(OUT, 'frame'), { recursive: true })
  writeFileSync(
    join(OUT, 'frame/index.html'),
    `<!doctype html><title>frame</title><iframe sandbox="allow-scripts" src="${cdn}"></iframe>`,
  )
  await page.goto(await serve('frame'))
  const body = page.frameLocator('iframe').locator('body')
  await expect(body).toContainText(GOLDEN, { timeout: 30_000 })
})

test('baseUrl takes workers and kernels from another origin than index.js', async ({ page }) => {
  const [url, cdn] = [await serve('esbuild', '--isolate'), await serve('cdn', '--cors')]
  const seen: string[] = []
  page.on('request', request => seen.push(request.url()))
  const { text } = await answer(page, url, { baseUrl: cdn })
  expect(text).toContain(GOLDEN)
  const kernels = seen.filter(one => one.endsWith('.wasm'))
  expect(kernels.length).toBeGreaterThan(0)
  expect(kernels.filter(one => !one.startsWith(cdn))).toEqual([])
})

test('another origin without CORS is told by its URL and header', async ({ page }) => {
  const [url, cdn] = [await serve('esbuild', '--isolate'), await serve('cdn')]
  const text = await failure(page, url, { baseUrl: cdn })
  expect(text).toContain(`${cdn}worker.js`)
  expect(text).toContain('Access-Control-Allow-Origin')
})

test('a baseUrl where nothing is, and one that is no URL, are told', async ({ page }) => {
  const url = await serve('esbuild', '--isolate')
  const text = await failure(page, url, { baseUrl: `${url}nowhere` })
  expect(text).toContain(`${url}nowhere/worker.js: its server answered 404`)
  expect(await failure(page, url, { baseUrl: 'http://' })).toMatch(/^BAD_OPTION/)
})

test('a policy without blob: is told by its directive, and does not matter on one origin', async ({
  page,
}) => {
  const [url, cdn] = [await serve('esbuild', '--isolate', '--csp'), await serve('cdn', '--cors')]
  expect((await answer(page, url)).text).toContain(GOLDEN)
  expect(await failure(page, url, { baseUrl: cdn })).toContain('worker-src blob:')
})

for (const version of ['vite7', 'vite'] as const) {
  for (const plugin of [true, false]) {
    test(`${version} in development ${plugin ? 'with ryzanstein/vite' : 'as installed'}`, async ({
      page,
    }) => {
      const from = version === 'vite' ? import.meta.url : join(WORK, 'package.json')
      const { createServer } = await import(
        pathToFileURL(createRequire(from).resolve(version)).href
      )
      const { ryzanstein } = await import(
        pathToFileURL(join(WORK, 'node_modules/ryzanstein/dist/vite.js')).href
      )
      mkdirSync(join(WORK, 'app/public'), { recursive: true })
      copyFileSync(MODEL, join(WORK, 'app/public/model.gguf'))
      const server = await createServer({
        root: join(WORK, 'app'),
        configFile: false,
        logLevel: 'error',
        plugins: plugin ? [ryzanstein()] : [],
        server: { port: nextPort++, strictPort: true },
        optimizeDeps: { force: true },
      })
      try {
        await server.listen()
        const url = `http://localhost:${server.config.server.port}/`
        const { text, threads } = await answer(page, url, { backend: 'webgpu' })
        expect(text).toContain(GOLDEN)
        // The plugin isolates the page.
        if (plugin) expect(threads).toBeGreaterThan(1)
        else expect(threads).toBe(1)
      } finally {
        await server.close()
      }
    })
  }
}

// The packed package as each bundler takes it, without configuration or with one line, and without a bundler
// from another origin: every page gives the golden text. Built by e2e/bundlers/build.mjs.
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, type Page, test } from '@playwright/test'

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
  { name: 'rollup', options: { baseUrl: './ryzanstein/' } },
] as const

const servers: ChildProcess[] = []
let nextPort = FIRST_PORT

/** A server over a folder of build/bundlers/out. */
async function serve(folder: string, ...flags: string[]): Promise<string> {
  const port = nextPort++
  const args = ['e2e/server.mjs', '--root', join(OUT, folder), '--port', `${port}`, ...flags]
  servers.push(spawn('node', args, { cwd: ROOT, stdio: 'inherit' }))
  const url = `http://localhost:${port}/`
  await expect
    .poll(() =>
      fetch(url).then(
        r => r.status > 0,
        () => false,
      ),
    )
    .toBe(true)
  return url
}

async function answer(page: Page, url: string, options: object = {}): Promise<Answer> {
  const query = new URLSearchParams({ options: JSON.stringify(options) })
  await page.goto(`${url}?${query}`)
  await expect(page).toHaveTitle(/done|failed/, { timeout: 30_000 })
  const text = (await page.textContent('body')) ?? ''
  expect(await page.title(), text).toBe('done')
  return JSON.parse(text) as Answer
}

interface Answer {
  text: string
  backend: string
  threads: number
  fallbacks: { from: string; to: string; reason: string }[]
}

async function failure(page: Page, url: string, options: object = {}): Promise<string> {
  const query = new URLSearchParams({ options: JSON.stringify(options) })
  await page.goto(`${url}?${query}`)
  await expect(page).toHaveTitle(/done|failed/, { timeout: 30_000 })
  expect(await page.title()).toBe('failed')
  return (await page.textContent('body')) ?? ''
}

test.beforeAll(() => {
  if (!existsSync(OUT)) throw new Error('run `node e2e/bundlers/build.mjs` first')
})

test.afterAll(() => {
  for (const server of servers) server.kill()
})

for (const { name, options } of BUILDS) {
  test(`${name} bundles the package as installed, threads included`, async ({ page }) => {
    const url = await serve(name, '--isolate')
    const { text, backend, threads } = await answer(page, url, options)
    expect(text).toContain(GOLDEN)
    expect(backend).toBe('wasm')
    expect(threads).toBeGreaterThan(1)
  })
}

/** A page without a bundler; the package is imported from `cdn`. */
async function plainPage(page: Page, url: string, cdn: string): Promise<void> {
  await page.route(
    asked => asked.href.startsWith(`${url}?`),
    route =>
      route.fulfill({
        contentType: 'text/html',
        headers: {
          'Cross-Origin-Opener-Policy': 'same-origin',
          'Cross-Origin-Embedder-Policy': 'require-corp',
        },
        body: `<!doctype html><title>waiting</title><body></body>
<script type="importmap">{ "imports": { "ryzanstein": "${cdn}index.js" } }</script>
<script type="module" src="/main.js"></script>`,
      }),
  )
}

test('a page imports the package from another origin: every worker and thread starts', async ({
  page,
}) => {
  const [url, cdn] = [await serve('plain', '--isolate'), await serve('cdn', '--cors')]
  await plainPage(page, url, cdn)
  const { text, threads, fallbacks } = await answer(page, url, { share: true })
  expect(text).toContain(GOLDEN)
  expect(threads).toBeGreaterThan(1)
  expect(fallbacks).toEqual([
    expect.objectContaining({
      to: 'an engine of this tab',
      reason: expect.stringContaining(cdn.slice(0, -1)),
    }),
  ])
})

test('baseUrl takes workers and kernels from another origin than index.js', async ({ page }) => {
  const [url, cdn] = [await serve('esbuild', '--isolate'), await serve('cdn', '--cors')]
  const seen: string[] = []
  page.on('request', request => seen.push(request.url()))
  const { text } = await answer(page, url, { baseUrl: cdn })
  expect(text).toContain(GOLDEN)
  expect(seen.filter(one => one.endsWith('.wasm')).every(one => one.startsWith(cdn))).toBe(true)
})

test('another origin without CORS is told by its URL and header', async ({ page }) => {
  const [url, cdn] = [await serve('esbuild', '--isolate'), await serve('cdn')]
  const text = await failure(page, url, { baseUrl: cdn })
  expect(text).toContain(`${cdn}worker.js`)
  expect(text).toContain('Access-Control-Allow-Origin')
})

test('a baseUrl where nothing is, and one that is no URL, are told', async ({ page }) => {
  const url = await serve('esbuild', '--isolate')
  expect(await failure(page, url, { baseUrl: `${url}nowhere` })).toContain(
    `${url}nowhere/worker.js`,
  )
  expect(await failure(page, url, { baseUrl: 'http://' })).toContain('BAD_OPTION')
})

test('a policy without blob: is told by its directive, and does not matter on one origin', async ({
  page,
}) => {
  const [url, cdn] = [await serve('esbuild', '--isolate', '--csp'), await serve('cdn', '--cors')]
  expect((await answer(page, url)).text).toContain(GOLDEN)
  expect(await failure(page, url, { baseUrl: cdn })).toContain('worker-src blob:')
})

for (const version of ['vite7', 'vite'] as const) {
  test(`${version} in development, with ryzanstein/vite`, async ({ page }) => {
    const require = createRequire(version === 'vite' ? import.meta.url : join(WORK, 'package.json'))
    const { createServer } = await import(pathToFileURL(require.resolve(version)).href)
    const plugin = join(WORK, 'node_modules/ryzanstein/dist/vite.js')
    const { ryzanstein } = await import(pathToFileURL(plugin).href)
    mkdirSync(join(WORK, 'app/public'), { recursive: true })
    copyFileSync(MODEL, join(WORK, 'app/public/model.gguf'))
    const server = await createServer({
      root: join(WORK, 'app'),
      configFile: false,
      logLevel: 'error',
      cacheDir: join(WORK, `.${version}`),
      plugins: [ryzanstein()],
      server: { port: nextPort++, strictPort: true },
    })
    try {
      await server.listen()
      const { text, threads } = await answer(page, `http://localhost:${server.config.server.port}/`)
      expect(text).toContain(GOLDEN)
      expect(threads).toBeGreaterThan(1)
    } finally {
      await server.close()
    }
  })
}

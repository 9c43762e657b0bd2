// The built package when parts of it fail, in a real isolated Chromium: kernels that are missing, damaged
// or trap, workers that are killed, memory that is refused, pages that are frozen or closed. The hooks
// that break things are put in front of worker.js on its way to the page; the package has none.
import { readFileSync } from 'node:fs'
import { expect, type Page, test, type Worker } from '@playwright/test'
import type * as Sdk from '../src/index.ts'
import { HOSTS } from './hosts.ts'

declare global {
  var ryzanstein: typeof Sdk
  /** The page's workers. */
  var workers: globalThis.Worker[]
  /** The engine under test. */
  var engine: Sdk.Ryzanstein
  /** How the streams ended: with an error code, or because of `enough`. */
  var outcome: Promise<string>
  var enough: boolean
}

const MODEL = '/demo/public/models/ryz-tales-tq2_0-embq8_0.gguf'
const GOLDEN = ' there lived a king who had three sons. One day the king said to his wife, "'
const DIST = `${HOSTS.library.url}dist/`
/** Longer than the silence after which a worker counts as dead. */
const DEATH_MS = 20_000

async function openPage(page: Page): Promise<void> {
  await page.addInitScript(() => {
    globalThis.workers = []
    globalThis.Worker = class extends Worker {
      constructor(...given: ConstructorParameters<typeof Worker>) {
        super(...given)
        globalThis.workers.push(this)
      }
    }
  })
  await page.goto(`${HOSTS.library.url}e2e/fixtures/embed.html`)
  await page.waitForFunction(() => 'ryzanstein' in globalThis)
}

/** Runs this in the engine worker before anything else. */
async function hook(page: Page, script: string): Promise<void> {
  await page.route(`${DIST}worker.js`, async route => {
    const response = await route.fetch()
    await route.fulfill({ response, body: `${script};${await response.text()}` })
  })
}

/** Loads, writes 24 tokens greedily, leaves the engine in `engine`. */
function write(page: Page, options: Omit<Sdk.LoadOptions, 'fetch' | 'draft'> = {}) {
  return page.evaluate(
    async ([model, given]) => {
      try {
        globalThis.engine = await ryzanstein.load(model, given)
        const text = await engine
          .generate('Once upon a time', { temperature: 0, maxTokens: 24 })
          .text()
        return { text, stats: await engine.stats() }
      } catch (caught) {
        const { code, message } = caught as Sdk.RyzError
        return { code, message }
      }
    },
    [MODEL, options] as const,
  )
}

/** Starts one stream after another, for ever, and waits for a first token. */
async function keepWriting(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const long = { ignoreEos: true, maxTokens: 480, temperature: 0 }
    globalThis.enough = false
    const writing = async (): Promise<string> => {
      try {
        while (!globalThis.enough) await engine.generate('Once', long).text()
        return 'still writing'
      } catch (caught) {
        return (caught as Sdk.RyzError).code
      }
    }
    globalThis.outcome = writing()
    for await (const _ of engine.generate('Once', long)) break
  })
}

/** The golden text from the engine that is there now, and what it says of its past. */
function writeAgain(page: Page) {
  return page.evaluate(async () => {
    const text = await engine.generate('Once upon a time', { temperature: 0, maxTokens: 24 }).text()
    const { faults, fallbacks, variant, threads } = await engine.stats()
    return { text, restarts: faults.restarts, fallbacks, path: `${variant} ${threads}` }
  })
}

/** The worker that runs the engine. */
function engineWorker(page: Page): Worker {
  const worker = page.workers().find(w => w.url().endsWith('/dist/worker.js'))
  if (worker === undefined) throw new Error(`no engine among ${page.workers().map(w => w.url())}`)
  return worker
}

/** Keeps the engine's own pool workers at hand. */
const KEEP_POOL = `
  globalThis.pool = []
  const Plain = globalThis.Worker
  globalThis.Worker = class extends Plain {
    constructor(...given) { super(...given); globalThis.pool.push(this) }
  }`

/** The scripts of the pool workers are looked for where there are none. */
const NO_POOL = `
  const Plain = globalThis.Worker
  globalThis.Worker = class extends Plain {
    constructor(url, options) { super(new URL('no-such-script.js', url), options) }
  }`

/** Wraps the kernels of every instance: \`spoil\` is called after ryz_gate, \`trap\` makes ryz_norm trap. */
const KEEP_KERNELS = `
  const Real = WebAssembly.Instance
  WebAssembly.Instance = class {
    constructor(module, imports) {
      const { exports } = new Real(module, imports)
      globalThis.kernels ??= exports
      const mine = exports === globalThis.kernels
      this.exports = { ...exports,
        ryz_norm: (...given) => {
          if (mine && globalThis.trap) throw new WebAssembly.RuntimeError('unreachable')
          return exports.ryz_norm(...given)
        },
        ryz_gate: (out, ...given) => {
          const status = exports.ryz_gate(out, ...given)
          if (mine && globalThis.spoil) new Float32Array(imports.env.memory.buffer)[out / 4] = NaN
          return status
        },
      }
    }
  }`

/** A kernel build with every occurrence of some bytes replaced by others of the same length. */
function damaged(name: string, from: number[], to: number[]): Buffer {
  const bytes = Buffer.from(readFileSync(`dist/${name}`))
  let found = 0
  for (
    let at = bytes.indexOf(Buffer.from(from));
    at >= 0;
    at = bytes.indexOf(Buffer.from(from), at)
  ) {
    bytes.set(to, at)
    found++
  }
  expect(found, `${name} has no ${from}`).toBeGreaterThan(0)
  return bytes
}

test.beforeEach(({ page }) => {
  page.on('pageerror', error => {
    throw error
  })
})

test.describe('kernels', () => {
  const served: [string, object, RegExp][] = [
    ['missing', { status: 404, body: 'no' }, /ryz-relaxed-mt\.wasm answered 404/],
    [
      'a web page',
      { status: 200, contentType: 'text/html', body: '<!doctype html>' },
      /wasm|magic/,
    ],
    [
      'cut off',
      { status: 200, body: readFileSync('dist/ryz-relaxed-mt.wasm').subarray(0, 900) },
      /./,
    ],
  ]
  for (const [what, answer, reason] of served) {
    test(`that are ${what} leave the TypeScript path, named once`, async ({ page }) => {
      const warnings: string[] = []
      page.on('console', m => m.type() === 'warning' && warnings.push(m.text()))
      await page.route(`${DIST}*.wasm`, route => route.fulfill(answer))
      await openPage(page)
      const { text, stats } = await write(page, { calibrate: false })
      expect(text).toContain(GOLDEN)
      expect(stats?.backend).toBe('reference')
      expect(stats?.fallbacks[0]?.reason).toMatch(reason)
      expect(stats?.fallbacks).toHaveLength(4)
      expect(warnings).toHaveLength(4)
      const forced = await write(page, { backend: 'wasm', calibrate: false })
      expect(forced.code).toBe(what === 'missing' ? 'NETWORK' : 'KERNEL_TRAP')
    })
  }

  test('that give wrong numbers fail their self-test, and the next build serves', async ({
    page,
  }) => {
    // log2(e), which exp begins with, times four.
    const body = damaged('ryz-relaxed-mt.wasm', [0x3b, 0xaa, 0xb8, 0x3f], [0x3b, 0xaa, 0xb8, 0x40])
    await page.route(`${DIST}ryz-relaxed-mt.wasm`, route => route.fulfill({ body }))
    await openPage(page)
    const { text, stats } = await write(page, { threads: 2 })
    expect(text).toContain(GOLDEN)
    expect(stats).toMatchObject({ variant: 'simd128', threads: 2 })
    expect(stats?.fallbacks).toHaveLength(1)
    expect(stats?.fallbacks[0]?.reason).toMatch(/^self-test failed: (gate|attend) .* is right$/)
  })

  test('that trap at once fail their self-test, and the next build serves', async ({ page }) => {
    // The square root of the norm becomes an unreachable.
    const body = damaged('ryz-relaxed-mt.wasm', [0x92, 0x91, 0x95], [0x92, 0x00, 0x95])
    await page.route(`${DIST}ryz-relaxed-mt.wasm`, route => route.fulfill({ body }))
    await openPage(page)
    const { text, stats } = await write(page, { threads: 2 })
    expect(text).toContain(GOLDEN)
    expect(stats).toMatchObject({ variant: 'simd128', threads: 2 })
    expect(stats?.fallbacks[0]?.reason).toMatch(/norm trapped: unreachable/)
  })

  test('that give a NaN are repaired step by step, text unchanged', async ({ page }) => {
    await hook(page, KEEP_KERNELS)
    await openPage(page)
    expect((await write(page)).stats?.faults.recomputed).toBe(0)
    await engineWorker(page).evaluate(() => Object.assign(globalThis, { spoil: true }))
    const { text, faults } = await page.evaluate(async () => {
      const stream = engine.generate('Once upon a time', { temperature: 0, maxTokens: 24 })
      return { text: await stream.text(), faults: (await engine.stats()).faults }
    })
    expect(text).toContain(GOLDEN)
    expect(faults).toMatchObject({ recomputed: 24, ended: 0 })
    expect(faults.events).toEqual([{ op: 'a step', by: 'scalar', count: 24 }])
  })
})

test.describe('an engine that ends while it writes', () => {
  test('in a trap: KERNEL_TRAP, then it runs on other kernels', async ({ page }) => {
    await hook(page, KEEP_KERNELS)
    await openPage(page)
    expect((await write(page, { threads: 2 })).text).toContain(GOLDEN)
    await keepWriting(page)
    await engineWorker(page).evaluate(() => Object.assign(globalThis, { trap: true }))
    expect(await page.evaluate(() => outcome)).toBe('KERNEL_TRAP')
    const { text, restarts, path, fallbacks } = await writeAgain(page)
    expect(text).toContain(GOLDEN)
    expect(path).toBe('simd128 2')
    expect(restarts).toMatchObject([{ code: 'KERNEL_TRAP' }])
    expect(fallbacks[0]?.reason).toMatch(/^it ended with KERNEL_TRAP: norm trapped/)
  })

  test('in a trap of a pool worker: KERNEL_TRAP, then it runs on other kernels', async ({
    page,
  }) => {
    await hook(page, KEEP_KERNELS)
    await openPage(page)
    expect((await write(page, { threads: 2 })).text).toContain(GOLDEN)
    await keepWriting(page)
    await engineWorker(page).evaluate(() => {
      const { kernels } = globalThis as unknown as {
        kernels: { ryz_pool_fault(kind: number): number }
      }
      kernels.ryz_pool_fault(0)
    })
    expect(await page.evaluate(() => outcome)).toBe('KERNEL_TRAP')
    expect(await writeAgain(page)).toMatchObject({
      text: expect.stringContaining(GOLDEN),
      path: 'simd128 2',
    })
  })

  test('because a pool worker was killed: WORKER_DIED, then it runs again', async ({ page }) => {
    await hook(page, KEEP_POOL)
    await openPage(page)
    expect((await write(page, { threads: 2 })).text).toContain(GOLDEN)
    await keepWriting(page)
    await engineWorker(page).evaluate(() => {
      const { pool } = globalThis as unknown as { pool: globalThis.Worker[] }
      pool.at(-1)?.terminate()
    })
    expect(await page.evaluate(() => outcome)).toBe('WORKER_DIED')
    const { text, restarts, path } = await writeAgain(page)
    expect(text).toContain(GOLDEN)
    expect(path).toBe('relaxed 2')
    expect(restarts).toMatchObject([{ code: 'WORKER_DIED' }])
  })

  test('because its worker was killed: WORKER_DIED within the heartbeat, then it runs again', async ({
    page,
  }) => {
    await openPage(page)
    expect((await write(page)).text).toContain(GOLDEN)
    await keepWriting(page)
    const began = Date.now()
    await page.evaluate(() => workers[0]?.terminate())
    expect(await page.evaluate(() => outcome)).toBe('WORKER_DIED')
    expect(Date.now() - began).toBeLessThan(DEATH_MS)
    const { text, restarts } = await writeAgain(page)
    expect(text).toContain(GOLDEN)
    expect(restarts).toMatchObject([{ code: 'WORKER_DIED' }])
    expect(await page.evaluate(() => workers.length)).toBe(2)
  })

  test('stays ended with autoRestart: false', async ({ page }) => {
    await hook(page, KEEP_KERNELS)
    await openPage(page)
    expect((await write(page, { autoRestart: false })).text).toContain(GOLDEN)
    await keepWriting(page)
    await engineWorker(page).evaluate(() => Object.assign(globalThis, { trap: true }))
    expect(await page.evaluate(() => outcome)).toBe('KERNEL_TRAP')
    expect(await page.evaluate(() => engine.stats().catch(e => e.code))).toBe('CLOSED')
    expect(await page.evaluate(() => workers.length)).toBe(1)
  })
})

test.describe('memory', () => {
  const limited = (bytes: number) => `
    const Memory = WebAssembly.Memory
    WebAssembly.Memory = class extends Memory {
      constructor(descriptor) {
        if (descriptor.initial * 65536 > ${bytes}) throw new RangeError('could not allocate memory')
        super(descriptor)
      }
    }`

  test('that is refused costs KV cache first, and says so', async ({ page }) => {
    await openPage(page)
    const { stats } = await write(page)
    const { weights, scratch, kv } = stats!.memory
    await hook(page, limited(weights + scratch + kv * 0.6))
    const less = await write(page)
    expect(less.stats?.kv).toBe('int8')
    expect(less.stats?.fallbacks[0]?.reason).toMatch(/^the browser refused \d+ bytes of memory/)
    expect(less.text?.length).toBeGreaterThan(20)
  })

  test('that is refused altogether is MEMORY_BUDGET with the figures', async ({ page }) => {
    await hook(page, limited(1e6))
    await openPage(page)
    const { code, message } = await write(page)
    expect(code).toBe('MEMORY_BUDGET')
    expect(message).toMatch(/refused [\d.]+ MB and at last [\d.]+ MB of memory \(weights [\d.]+ MB/)
  })

  test('beyond the budget is refused with the figures; a context beyond the model is not asked for', async ({
    page,
  }) => {
    await openPage(page)
    const huge = await write(page, { contextLength: 2 ** 20 })
    expect(huge.stats?.contextLength).toBe(512)
    expect(huge.stats?.fallbacks).toMatchObject([{ from: 'context 1048576', to: 'context 512' }])
    const { code, message } = await write(page, {
      contextLength: 512,
      kv: 'f32',
      memoryBudget: 125e6,
    })
    expect(code).toBe('MEMORY_BUDGET')
    expect(message).toMatch(/weights [\d.]+ MB, KV [\d.]+ MB for 512 tokens, scratch [\d.]+ MB/)
  })
})

test.describe('the page', () => {
  test('closed while the engine writes leaves nothing in the way of the next', async ({
    page,
    context,
  }) => {
    await openPage(page)
    expect((await write(page)).text).toContain(GOLDEN)
    await keepWriting(page)
    await page.close()
    const next = await context.newPage()
    await openPage(next)
    const { text, stats } = await write(next)
    expect(text).toContain(GOLDEN)
    expect(stats).toMatchObject({ variant: 'relaxed', queue: { served: 1 } })
  })

  test('frozen for longer than the heartbeat waits goes on where it was', async ({
    page,
    context,
  }) => {
    await openPage(page)
    expect((await write(page)).text).toContain(GOLDEN)
    await keepWriting(page)
    const devtools = await context.newCDPSession(page)
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    await new Promise(resolve => setTimeout(resolve, 14_000))
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await page.evaluate(() => {
      globalThis.enough = true
    })
    expect(await page.evaluate(() => outcome)).toBe('still writing')
    expect((await writeAgain(page)).restarts).toEqual([])
  })

  test('without its scripts says which are missing', async ({ page }) => {
    await page.route(`${DIST}worker.js`, route => route.abort())
    await openPage(page)
    const { code, message } = await write(page)
    expect(code).toBe('WORKER_DIED')
    expect(message).toContain('serve the files of the package beside its index.js')
    await page.unroute(`${DIST}worker.js`)
    await hook(page, NO_POOL)
    const { text, stats } = await write(page, { threads: 2 })
    expect(text).toContain(GOLDEN)
    expect(stats).toMatchObject({ variant: 'relaxed', threads: 1 })
    expect(stats?.fallbacks[0]?.reason).toMatch(/it could not start from .*pool-worker\.js/)
  })
})

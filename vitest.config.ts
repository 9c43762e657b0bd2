// Two projects: `node` (units, kernels through worker_threads) and `browser` (the built package in a
// real, isolated Chromium). The browser is the system's: CHROMIUM or /usr/bin/chromium.
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { playwright } from '@vitest/browser-playwright'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { CHROMIUM, CHROMIUM_ARGS } from './tools/chromium.ts'

// Vitest's reporter groups failures with Map.groupBy, which Node 20 lacks; without this the first failed
// test hides its own message.
Map.groupBy ??= <K, V>(items: Iterable<V>, keyOf: (item: V, index: number) => K): Map<K, V[]> => {
  const groups = new Map<K, V[]>()
  let index = 0
  for (const item of items) {
    const key = keyOf(item, index++)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}

// Dawn in Node finds the Vulkan loader and SwiftShader where Chromium brought them; a machine with a GPU and
// drivers of its own sets these itself.
const chromiumLib = '/usr/lib/chromium'
if (existsSync(`${chromiumLib}/vk_swiftshader_icd.json`)) {
  process.env.VK_ICD_FILENAMES ??= `${chromiumLib}/vk_swiftshader_icd.json`
  process.env.LD_LIBRARY_PATH ??= chromiumLib
}

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

/**
 * The built package as a server of files gives it: Vitest rewrites every import() of the scripts it serves, to
 * something that is not there in a worker.
 */
function builtAsItIs(): Plugin {
  return {
    name: 'ryz-built-as-it-is',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const [path = ''] = (request.url ?? '').split('?')
        const file = join(import.meta.dirname, path)
        if (!/^\/dist\/[\w.-]+\.js$/.test(path) || !existsSync(file)) return next()
        const headers = { ...isolation, 'Content-Type': 'text/javascript' }
        response.writeHead(200, headers).end(readFileSync(file))
      })
    },
  }
}

export default defineConfig({
  test: {
    projects: [
      {
        // The one subpath that the demo's pure parts use; it fetches nothing.
        resolve: {
          alias: {
            'ryzanstein/models': resolve(import.meta.dirname, 'src/adapters/models/models.ts'),
          },
        },
        test: {
          name: 'node',
          // All cores: Vitest leaves one free, which on two is half of the time.
          maxWorkers: availableParallelism(),
          // A second try on a loaded machine.
          retry: process.env.CI === undefined ? 0 : 1,
          globalSetup: ['test/support/beside.ts'],
          include: ['test/**/*.test.ts'],
          exclude: ['test/browser/**'],
          pool: 'forks',
          // Node 20's baseline compiler gets i32x4.relaxed_dot_i8x16_i7x16_add_s wrong, which no browser does
          // (test/browser/kernels.test.ts): without it, the optimising one makes all code.
          execArgv: ['--experimental-wasm-relaxed-simd', '--no-liftoff'],
          // Beside busy processes (test/support/beside.ts) all takes longer.
          testTimeout: process.env.BESIDE === undefined ? 60_000 : 300_000,
          hookTimeout: process.env.BESIDE === undefined ? 60_000 : 300_000,
        },
      },
      {
        plugins: [builtAsItIs()],
        server: { headers: isolation },
        // The package as it was built; types come from the sources (tsconfig.json).
        resolve: { alias: { ryzanstein: resolve(import.meta.dirname, 'dist/index.js') } },
        test: {
          name: 'browser',
          // A second try on a loaded machine.
          retry: process.env.CI === undefined ? 0 : 1,
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                executablePath: CHROMIUM,
                // Memory is measured after a collection, at once instead of within 20 s.
                args: [
                  ...CHROMIUM_ARGS,
                  '--enable-blink-features=ForceEagerMeasureMemory',
                  // SwiftShader, for test/browser/webgpu.test.ts.
                  '--enable-unsafe-webgpu',
                  '--enable-features=Vulkan',
                ],
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
})

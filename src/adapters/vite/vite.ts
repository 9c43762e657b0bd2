// A plugin for Vite 5 and later: leaves the package as it is in development (bundled ahead, it would lose the
// files beside it), sends the headers that threads need, and puts the isolating service worker into the build
// for hosts that send none. Published as ryzanstein/vite; runs in Node.
import { readFileSync } from 'node:fs'

/** What the plugin sets; a part of Vite's own config. */
interface ViteConfig {
  optimizeDeps: { exclude: string[] }
  worker: { format: 'es' }
  server?: { headers: Record<string, string> }
  preview?: { headers: Record<string, string> }
}

/** What the Vite plugin may be told. */
export interface RyzansteinViteOptions {
  /** Send COOP and COEP in development and preview, so that the page is isolated (default true). */
  isolate?: boolean
  /**
   * Put coi-service-worker.js at the root of the build, for a host without these headers (default false); the
   * page calls `isolate('/coi-service-worker.js')`.
   */
  serviceWorker?: boolean
  /**
   * Put api-service-worker.js at the root of the build (default false), which answers `fetch('/v1/...')` from tabs; the
   * page calls `register('/api-service-worker.js')` of ryzanstein/service-worker.
   */
  apiServiceWorker?: boolean
}

/** The part of a bundler's plugin context that is used. */
interface Emitting {
  emitFile(file: { type: 'asset'; fileName: string; source: string }): string
}

const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}
const FILES = {
  serviceWorker: 'coi-service-worker.js',
  apiServiceWorker: 'api-service-worker.js',
} as const

/**
 * @example
 * // vite.config.js
 * import { ryzanstein } from 'ryzanstein/vite'
 * export default { plugins: [ryzanstein()] }
 */
export function ryzanstein(options: RyzansteinViteOptions = {}): {
  name: string
  /** Called by Vite. */
  config: () => ViteConfig
  /** Called by Vite. */
  generateBundle: (this: Emitting) => void
} {
  const headers = options.isolate === false ? undefined : { headers: HEADERS }
  return {
    name: 'ryzanstein',
    config: () => ({
      optimizeDeps: { exclude: ['ryzanstein'] },
      worker: { format: 'es' },
      ...(headers && { server: headers, preview: headers }),
    }),
    generateBundle() {
      // Beside this file in the package; in one piece it would be taken for a file to bundle.
      const here = import.meta.url
      for (const name of ['serviceWorker', 'apiServiceWorker'] as const) {
        if (options[name] !== true) continue
        const source = readFileSync(new URL(`./${FILES[name]}`, here), 'utf8')
        this.emitFile({ type: 'asset', fileName: FILES[name], source })
      }
    },
  }
}

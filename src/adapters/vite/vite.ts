// A plugin for Vite 5 and later: leaves the package as it is in development (bundled ahead, it would lose the
// files beside it), and sends the headers that threads need. Published as ryzanstein/vite.

/** What the plugin sets; a part of Vite's own config. */
interface ViteConfig {
  optimizeDeps: { exclude: string[] }
  worker: { format: 'es' }
  server?: { headers: Record<string, string> }
  preview?: { headers: Record<string, string> }
}

export interface RyzansteinViteOptions {
  /** Send COOP and COEP in development and preview, so that the page is isolated (default true). */
  isolate?: boolean
}

const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

/**
 * @example
 * // vite.config.js
 * import { ryzanstein } from 'ryzanstein/vite'
 * export default { plugins: [ryzanstein()] }
 */
export function ryzanstein(options: RyzansteinViteOptions = {}): {
  name: string
  config: () => ViteConfig
} {
  const headers = options.isolate === false ? undefined : { headers: HEADERS }
  return {
    name: 'ryzanstein',
    config: () => ({
      optimizeDeps: { exclude: ['ryzanstein'] },
      worker: { format: 'es' },
      ...(headers && { server: headers, preview: headers }),
    }),
  }
}

// The hosts the end-to-end tests visit, by what their server sends. Shared by playwright.config.ts,
// which starts them, and the specs.

const FIRST_PORT = Number(process.env.E2E_PORT ?? 5181)

function host(index: number, args: string, ready: string) {
  const port = FIRST_PORT + index
  return { port, args, ready, url: `http://localhost:${port}/` }
}

export const HOSTS = {
  /** The demo with isolation headers and, on every file, workers included, the strict policy. */
  isolated: host(0, '--root demo/dist --isolate --csp', 'index.html'),
  /** The demo on a host that sends no headers at all. */
  bare: host(1, '--root demo/dist', 'index.html'),
  /** The repository as it lies, isolated: dist/ imported by a page without a bundler. */
  library: host(2, '--root . --isolate --csp', 'dist/index.js'),
} as const

/** The bare host under a name that is not trustworthy: plain http, no secure context. */
export const PLAIN_URL = `http://plain.test:${HOSTS.bare.port}/`

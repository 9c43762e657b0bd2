// End-to-end tests in the system's Chromium (CHROMIUM or /usr/bin/chromium) against what was built:
// the demo site and the library in dist/. Run `make build` first. Each host below is e2e/server.mjs
// with other headers; E2E_PORT moves them all.
import { defineConfig } from '@playwright/test'
import { HOSTS } from './e2e/hosts.ts'
import { CHROMIUM, CHROMIUM_ARGS } from './tools/chromium.ts'

export default defineConfig({
  testDir: 'e2e',
  testMatch: '**/*.spec.ts',
  timeout: 60_000,
  // The machines that run this have two cores, and every page brings its own threads.
  workers: 1,
  forbidOnly: process.env.CI !== undefined,
  // A second try on a loaded machine; what needed it is listed as flaky, by name.
  retries: process.env.CI === undefined ? 0 : 1,
  reporter: [['list']],
  webServer: Object.values(HOSTS).map(host => ({
    command: `node e2e/server.mjs ${host.args} --port ${host.port}`,
    url: `${host.url}${host.ready}`,
    reuseExistingServer: false,
  })),
  use: { actionTimeout: 10_000 },
  projects: [
    {
      name: 'chromium',
      use: {
        launchOptions: {
          executablePath: CHROMIUM,
          args: [
            ...CHROMIUM_ARGS,
            // A name that is not localhost, so that plain http is no secure context.
            '--host-resolver-rules=MAP plain.test 127.0.0.1',
          ],
        },
      },
    },
  ],
})

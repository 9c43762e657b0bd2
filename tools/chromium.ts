// The system's Chromium, as every test and benchmark starts it: where it is, and what keeps it quiet on
// a machine without a network. Used by playwright.config.ts, vitest.config.ts and bench/.

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'

export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
] as const

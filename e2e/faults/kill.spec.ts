// The browser is killed in the middle of a download, at random points: the next start completes the load,
// fetches only what is missing, and writes the golden text. KILLS sets how often (`make faults`: 20),
// SEED repeats a run.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrowserContext, chromium, expect, test } from '@playwright/test'
import { CHROMIUM, CHROMIUM_ARGS } from '../../tools/chromium.ts'
import { type FaultServer, startFaultServer } from './server.mjs'
import { CHUNK, CHUNKS, expectText, loadAndWrite, MODEL, openPage } from './support.ts'

const KILLS = Number(process.env.KILLS ?? 5)
// Kept in the environment: the workers read this file again.
process.env.SEED ??= String(Date.now() % 1_000_000)
const SEED = Number(process.env.SEED)

/** A small generator (mulberry32), so that a failing run can be repeated. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function launch(profile: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: [...CHROMIUM_ARGS],
  })
}

/** The browser's own process: the one with this profile and no --type. */
function browserPid(profile: string): number {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    let words: string[]
    try {
      words = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0')
    } catch {
      continue // it ended meanwhile
    }
    const own = words.includes(`--user-data-dir=${profile}`)
    if (own && !words.some(word => word.startsWith('--type='))) return Number(entry)
  }
  throw new Error(`no browser runs with ${profile}`)
}

async function ended(pid: number): Promise<void> {
  for (;;) {
    try {
      // A zombie has ended: its parent has only not looked yet.
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return
    } catch {
      return
    }
    await sleep(20)
  }
}

let server: FaultServer
let url: string
test.beforeAll(async () => {
  server = await startFaultServer()
  url = server.serve('tales.gguf', MODEL)
})
test.afterAll(() => server.close())

test.describe(`a browser killed during the download (seed ${SEED})`, () => {
  const random = randomOf(SEED)
  const points = Array.from({ length: KILLS }, () => Math.floor(random() * MODEL.length))

  for (const [i, point] of points.entries()) {
    test(`kill ${i + 1} of ${KILLS}, after ${point} bytes`, async () => {
      const profile = mkdtempSync(join(tmpdir(), 'ryz-kill-'))
      try {
        server.setFaults({ bytesPerSecond: 500_000 })
        const first = await launch(profile)
        const page = await first.newPage()
        await openPage(page, server.url)
        const before = server.sentBytes
        const loading = loadAndWrite(page, url).catch(() => undefined)
        while (server.sentBytes - before < point) {
          await sleep(5)
          const open = await Promise.race([loading, sleep(0, 'loading')])
          if (open !== 'loading') break
        }
        const pid = browserPid(profile)
        process.kill(pid, 'SIGKILL')
        await ended(pid)
        await loading
        await first.close().catch(() => undefined)

        server.setFaults()
        const second = await launch(profile)
        const again = await second.newPage()
        await openPage(again, server.url)
        const sent = server.sentBytes
        const outcome = await loadAndWrite(again, url)
        expectText(outcome, { repaired: 0 })
        const { hits = 0, fetched = 0, hitBytes = 0 } = outcome.cache ?? {}
        expect(hits + fetched).toBe(CHUNKS)
        // One byte more asks whether the file is still the same, where something was stored.
        expect(server.sentBytes - sent).toBe(MODEL.length - hitBytes + (hits > 0 ? 1 : 0))
        // What had arrived long before the kill was kept: all but the chunks under way or being written.
        expect(hits).toBeGreaterThanOrEqual(Math.floor(point / CHUNK) - 6)
        await second.close()
      } finally {
        rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
      }
    })
  }
})

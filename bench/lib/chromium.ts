// Starts the system's Chromium on a page, headless, with a profile of its own and without a DevTools
// session: a debugger slows wasm down, so nothing drives the page but its own script.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHROMIUM, CHROMIUM_ARGS } from '../../e2e/chromium.ts'
import { browserProcesses } from './processes.ts'

export interface Browser {
  /** Marks its processes; see processes.ts. */
  readonly profile: string
  /** Resolves when it ends by itself. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

export function openBrowser(url: string): Browser {
  const profile = mkdtempSync(join(tmpdir(), 'ryz-bench-'))
  const child = spawn(
    CHROMIUM,
    ['--headless', ...CHROMIUM_ARGS, `--user-data-dir=${profile}`, url],
    { stdio: 'ignore' },
  )
  const ended = new Promise<void>(done => {
    child.once('exit', () => done())
    child.once('error', () => done())
  })
  let closing: Promise<void> | undefined
  async function close(): Promise<void> {
    child.kill('SIGTERM')
    await Promise.race([ended, sleep(5000)])
    for (const { pid } of browserProcesses(profile)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself.
      }
    }
    await sleep(300)
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 })
  }
  return {
    profile,
    ended,
    close() {
      closing ??= close()
      return closing
    },
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise(done => setTimeout(done, ms))
}

// Starts the system's Chromium on a page, headless, without a DevTools session: a debugger slows wasm
// down, so nothing drives the page but its own script.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHROMIUM, CHROMIUM_ARGS } from '../../tools/chromium.ts'
import { browserProcesses } from './processes.ts'

export interface Browser {
  /** Marks its processes; see processes.ts. */
  readonly profile: string
  /** Resolves when it ends by itself. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

/** Lets Chromium on Linux use a GPU that it would not by itself. */
export const GPU_ARGS = [
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--ignore-gpu-blocklist',
]

/** A profile folder; what a browser stores in it is there for the next one. */
export function makeProfile(): string {
  return mkdtempSync(join(tmpdir(), 'ryz-bench-'))
}

export function removeProfile(profile: string): void {
  rmSync(profile, { recursive: true, force: true, maxRetries: 3 })
}

/**
 * @param kept  profile of another browser, which has ended; without it one is made and removed
 * @param more  arguments for this browser alone
 */
export function openBrowser(url: string, kept?: string, more: readonly string[] = []): Browser {
  const profile = kept ?? makeProfile()
  const child = spawn(
    CHROMIUM,
    ['--headless', ...CHROMIUM_ARGS, ...more, `--user-data-dir=${profile}`, url],
    { stdio: 'ignore' },
  )
  // Nothing is left running when this process is stopped.
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
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
    if (kept === undefined) removeProfile(profile)
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

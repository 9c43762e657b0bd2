// A browser with the page of the soak in it, as an object: call() sends a command and gives what it found. The
// page asks for its next command and brings the last result along; no debugger is attached, which would slow wasm.
import { readFileSync } from 'node:fs'
import { openBrowser, sleep } from '../../bench/lib/chromium.ts'
import { browserProcesses, type Process } from '../../bench/lib/processes.ts'
import { serveSite } from '../../bench/lib/site.ts'
import type { Command, Done } from './page.ts'

/** A page that has asked is answered within this time, so that no request waits for ever. */
const ASK_AGAIN_MS = 30_000
const GPU = ['--enable-unsafe-webgpu', '--enable-features=Vulkan']

export interface Client {
  call<Value>(command: Command): Promise<Value>
  /** Resident now: the largest renderer, and with `gpu` the GPU process too; 0 elsewhere than on Linux. */
  rssMb(): number
  close(): Promise<void>
}

/** @param mounts  as serveSite() takes them, /dist/ and /soak/ among them */
export async function openClient(
  mounts: Readonly<Record<string, string>>,
  gpu: boolean,
): Promise<Client> {
  let give: ((command: Command) => void) | undefined
  let take: ((done: Done) => void) | undefined
  let waiting: Command | undefined
  async function next(body: unknown): Promise<Command> {
    const done = body as Done
    if ('value' in done || 'error' in done) {
      take?.(done)
      take = undefined
    }
    const command =
      waiting ??
      (await Promise.race([
        new Promise<Command>(resolve => {
          give = resolve
        }),
        sleep(ASK_AGAIN_MS).then((): Command => ({ do: 'wait' })),
      ]))
    waiting = undefined
    give = undefined
    return command
  }
  const title = '<!doctype html><title>soak</title>'
  const site = await serveSite({
    mounts,
    pages: { '/': `${title}<script type="module" src="/soak/page.js"></script>` },
    posts: { '/next': next },
  })
  const browser = openBrowser(`${site.origin}/`, undefined, gpu ? GPU : [])
  const gone = browser.ended.then((): Done => ({ error: 'the browser ended' }))
  return {
    async call<Value>(command: Command): Promise<Value> {
      const answered = new Promise<Done>(resolve => {
        take = resolve
      })
      if (give === undefined) waiting = command
      else give(command)
      const { value, error } = await Promise.race([answered, gone])
      if (error !== undefined) throw new Error(`${command.do}: ${error}`)
      return value as Value
    },
    rssMb() {
      const processes = browserProcesses(browser.profile)
      const largest = (type: string) =>
        Math.max(0, ...processes.filter(p => p.command.includes(`--type=${type}`)).map(rssMb))
      return Math.round(10 * (largest('renderer') + (gpu ? largest('gpu-process') : 0))) / 10
    },
    async close() {
      await browser.close()
      await site.close()
    },
  }
}

function rssMb({ pid }: Process): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return (Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024) / 1e6
  } catch {
    return 0 // it ended while we looked
  }
}

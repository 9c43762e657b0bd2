// Busy processes beside a measurement: so many of load.mjs, which can be paused. Also how busy the machine was with
// others before.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Neighbours {
  pause(): void
  resume(): void
  stop(): void
}

/** @param seconds  after which they end by themselves, whatever happens */
export function startNeighbours(count: number, seconds = 600): Neighbours {
  const script = join(import.meta.dirname, 'load.mjs')
  const running: ChildProcess[] = Array.from({ length: count }, () =>
    spawn(process.execPath, [script, String(seconds)], { stdio: 'ignore' }),
  )
  const send = (signal: NodeJS.Signals) => {
    for (const child of running) child.kill(signal)
  }
  const stop = () => send('SIGKILL')
  process.once('exit', stop)
  return {
    pause: () => send('SIGSTOP'),
    resume: () => send('SIGCONT'),
    stop() {
      process.off('exit', stop)
      stop()
    },
  }
}

/** Cores that were busy over so many seconds; to be asked while nothing of ours runs. Linux; 0 elsewhere. */
export async function busyCores(seconds: number): Promise<number> {
  const before = jiffies()
  await new Promise(done => setTimeout(done, seconds * 1000))
  const after = jiffies()
  const total = after.total - before.total
  return total === 0 ? 0 : ((after.busy - before.busy) / total) * after.cores
}

function jiffies(): { busy: number; total: number; cores: number } {
  if (process.platform !== 'linux') return { busy: 0, total: 0, cores: 0 }
  const lines = readFileSync('/proc/stat', 'utf8').split('\n')
  const ticks = lines[0].trim().split(/\s+/).slice(1, 9).map(Number)
  const total = ticks.reduce((sum, n) => sum + n, 0)
  // The fourth is idle, the fifth waiting for a disk.
  return {
    busy: total - ticks[3] - ticks[4],
    total,
    cores: lines.filter(line => /^cpu\d/.test(line)).length,
  }
}

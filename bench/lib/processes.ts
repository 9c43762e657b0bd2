// The processes of one browser, seen from outside through /proc (Linux): peak memory and CPU time of its
// renderers. Finds them by the profile folder in their command lines and by parentage. Elsewhere than on
// Linux there is nothing to see.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

export interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
  readonly peakRssMb: number
  readonly cpuSeconds: number
}

/** Kernel clock ticks per second; 100 on every Linux that Node runs on. */
const TICKS = 100

/** One process from the texts of its /proc files. */
export function parseProcess(pid: number, command: string, status: string, stat: string): Process {
  const field = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
  return {
    pid,
    parent: field('PPid'),
    command: command.replaceAll('\0', ' '),
    peakRssMb: (field('VmHWM') * 1024) / 1e6,
    cpuSeconds: cpuSecondsOf(stat),
  }
}

/** utime and stime, fields 14 and 15; the name in parentheses before them may hold spaces. */
function cpuSecondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** Those with `mark` in their command line, and their descendants. */
export function familyOf(all: readonly Process[], mark: string): Process[] {
  const pids = new Set(all.filter(p => p.command.includes(mark)).map(p => p.pid))
  for (let before = -1; before !== pids.size; ) {
    before = pids.size
    for (const p of all) if (pids.has(p.parent)) pids.add(p.pid)
  }
  return all.filter(p => pids.has(p.pid))
}

function everyProcess(): Process[] {
  const found: Process[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const read = (file: string) => readFileSync(`/proc/${name}/${file}`, 'utf8')
      found.push(parseProcess(Number(name), read('cmdline'), read('status'), read('stat')))
    } catch {
      // It ended while we looked.
    }
  }
  return found
}

/** The browser's processes that use this profile folder. */
export function browserProcesses(profile: string): Process[] {
  return process.platform === 'linux' ? familyOf(everyProcess(), profile) : []
}

export function renderers(processes: readonly Process[]): Process[] {
  return processes.filter(p => p.command.includes('--type=renderer'))
}

/** The peak of the largest renderer, MB; 0 when none can be seen. */
export function peakRendererMb(profile: string): number {
  const peaks = renderers(browserProcesses(profile)).map(p => p.peakRssMb)
  return Math.round(Math.max(0, ...peaks) * 10) / 10
}

/** CPU seconds of all renderers so far. */
export function rendererCpuSeconds(profile: string): number {
  return renderers(browserProcesses(profile)).reduce((sum, p) => sum + p.cpuSeconds, 0)
}

/** CPU seconds so far of each worker thread of the renderers, by thread id. */
export function workerCpuSeconds(profile: string): Record<string, number> {
  const seconds: Record<string, number> = {}
  for (const { pid } of renderers(browserProcesses(profile))) {
    for (const thread of listOrNothing(`/proc/${pid}/task`)) {
      try {
        const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
        if (isWorker(stat)) seconds[thread] = cpuSecondsOf(stat)
      } catch {
        // It ended while we looked.
      }
    }
  }
  return seconds
}

/** Chromium calls the threads of web workers so; the kernel keeps 15 letters of a name. */
export function isWorker(stat: string): boolean {
  return stat.includes('(DedicatedWorker')
}

function listOrNothing(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Starts the peaks anew from the present sizes; false where the system does not allow it. */
export function resetPeaks(profile: string): boolean {
  try {
    for (const { pid } of renderers(browserProcesses(profile))) {
      writeFileSync(`/proc/${pid}/clear_refs`, '5')
    }
    return true
  } catch {
    return false
  }
}

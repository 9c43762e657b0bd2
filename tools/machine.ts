// What a benchmark says about where it ran: processor, memory, commit.
import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem, type } from 'node:os'

export function machineText(): string {
  const list = cpus()
  const gb = Math.round(totalmem() / 2 ** 30)
  return `${list[0]?.model.trim() ?? 'unknown CPU'}, ${list.length} logical cores, ${gb} GiB, ${type()} ${release()}`
}

/** Short commit id; with a + when tracked files differ from it. */
export function commitText(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
    return (
      git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '-uno') ? '+' : '')
    )
  } catch {
    return 'unknown'
  }
}

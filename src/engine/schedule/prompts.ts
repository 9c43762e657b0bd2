// Whose prompt goes on in a step, and how far. Called by scheduler.ts.
import { type Job, tokensOf } from './job.ts'

/** How many of the job's next tokens may run now. */
export function runnableOf({ task, fed }: Job): number {
  const end = task.ready === false ? task.wantedFrom : tokensOf(task)
  return Math.max(0, end - fed)
}

/** Whose prompt goes on: of those that can, the one whose last turn is longest ago. */
export function nextPrompt(jobs: readonly Job[]): Job | undefined {
  let next: Job | undefined
  for (let i = 0; i < jobs.length; i++) {
    const job = jobs[i]!
    if (job.decoding || runnableOf(job) === 0) continue
    if (next === undefined || job.turnAt < next.turnAt) next = job
  }
  return next
}

/** A while, where some wait for something else (a grammar), as there is no step to take. */
export function pauseFor(jobs: readonly Job[], ms: number): Promise<void> | undefined {
  if (!jobs.some(job => job.task.ready === false)) return undefined
  return new Promise(resolve => setTimeout(resolve, ms))
}

// Whose prompts go on in a step, and how far. Called by scheduler.ts.
import { type Job, type Share, shareOf, tokensOf, wantedOf } from './job.ts'

/** How many of the job's next tokens may run now. */
function runnableOf({ task, fed }: Job): number {
  const end = task.ready === false ? task.wantedFrom : tokensOf(task)
  return Math.max(0, end - fed)
}

/** What a step has left for prompts. */
export interface PromptRoom {
  /** Its number; a prompt that has a piece in it bears this one as its last turn. */
  step: number
  rows: number
  /** Of these rows, how many may want logits. */
  logits: number
}

/**
 * Adds a piece of the prompt whose last turn is longest ago and, where it leaves room, pieces of those after it:
 * short prompts share a step.
 * @returns tokens in all
 */
export function sharePrompts(jobs: readonly Job[], shares: Share[], room: PromptRoom): number {
  let tokens = 0
  while (room.rows > 0) {
    const next = nextPrompt(jobs, room.step)
    if (next === undefined) break
    let count = Math.min(runnableOf(next), room.rows)
    if (next.task.wants === 'logits') {
      const tooMany = wantedOf(next, count) - room.logits
      if (tooMany > 0) count -= tooMany
      if (count <= 0) break
      room.logits -= wantedOf(next, count)
    }
    next.turnAt = room.step
    room.rows -= count
    tokens += count
    shares.push(shareOf(next, count))
  }
  return tokens
}

/** Whose prompt goes on: of those that can and are not in this step, the one whose last turn is longest ago. */
function nextPrompt(jobs: readonly Job[], step: number): Job | undefined {
  let next: Job | undefined
  for (let i = 0; i < jobs.length; i++) {
    const job = jobs[i]!
    if (job.decoding || job.turnAt >= step || runnableOf(job) === 0) continue
    if (next === undefined || job.turnAt < next.turnAt) next = job
  }
  return next
}

/** A while, where some wait for something else (a grammar), as there is no step to take. */
export function pauseFor(jobs: readonly Job[], ms: number): Promise<void> | undefined {
  if (!jobs.some(job => job.task.ready === false)) return undefined
  return new Promise(resolve => setTimeout(resolve, ms))
}

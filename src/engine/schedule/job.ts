// A task on its way through the scheduler, and the rows that a step makes of several of them. Plain
// bookkeeping; the decisions are in scheduler.ts.
import type { Sequence, StepRow, Wanted } from '../../model/network.ts'
import { blockKey, type PrefixNode } from './prefix-index.ts'
import type { Part, Task, TaskTimes } from './task.ts'

export interface Job {
  readonly task: Task
  readonly times: TaskTimes
  /** When it must have started. */
  readonly deadline: number
  /** Its place among those that wait: lower goes first. */
  readonly order: number
  /** Of a request that has several; undefined when it is one by itself. */
  readonly part: Part | undefined
  /** The position in the queue that it was told last; 0 none. */
  toldPosition: number
  /** Its place in the KV cache, while it has one. */
  seq: Sequence | undefined
  /** Tokens of prompt and answer in the cache. */
  fed: number
  /** All tokens but the last sampled one are in the cache. */
  decoding: boolean
  /** The step in which it last had a piece: prompts take turns. */
  turnAt: number
  over: boolean
  share: Share | undefined
  /** Keys of its first full blocks, as far as they were needed. */
  readonly keys: string[]
  /** Tokens that may follow the last one, computed along with it in this step; see draft/speculation.ts. */
  readonly guessed: number[]
  /** The last of its full blocks in the prefix index; undefined when it takes no part in it. */
  node: PrefixNode | undefined
}

/** What one job has in a step: its next `count` tokens, guessed ones included. One object a job, for all its steps. */
export interface Share {
  readonly job: Job
  count: number
}

export function newJob(
  task: Task,
  submitted: number,
  deadline: number,
  order: number,
  part?: Part,
): Job {
  return {
    task,
    times: { submitted, started: 0, prefilled: 0, ended: 0, reusedTokens: 0 },
    deadline,
    order,
    part,
    toldPosition: 0,
    seq: undefined,
    fed: 0,
    decoding: false,
    turnAt: 0,
    over: false,
    share: undefined,
    keys: [],
    guessed: [],
    node: undefined,
  }
}

/** The key of full block `block` of its tokens. */
export function keyOf(job: Job, block: number): string {
  job.keys[block] ??= blockKey(i => tokenAt(job.task, i), block)
  return job.keys[block]
}

/** The share of a job in this step, without guesses. */
export function shareOf(job: Job, count: number): Share {
  job.guessed.length = 0
  job.share ??= { job, count }
  job.share.count = count
  return job.share
}

/** How many of the job's next `count` tokens are wanted. */
export function wantedOf({ task, fed }: Job, count: number): number {
  return Math.min(count, Math.max(0, fed + count - task.wantedFrom))
}

/** Tokens known so far: prompt and answer. */
export function tokensOf(task: Task): number {
  return task.prompt.length + task.answer.length
}

/** Token `index` of the job in this step: known, or guessed. */
function fedToken({ task, guessed }: Job, index: number): number {
  const known = tokensOf(task)
  return index < known ? tokenAt(task, index) : guessed[index - known]!
}

/** Token `index` of prompt and answer. */
export function tokenAt(task: Task, index: number): number {
  const answerAt = index - task.prompt.length
  return answerAt < 0 ? task.prompt[index]! : task.answer[answerAt]!
}

interface MutableRow extends StepRow {
  seq: Sequence
  token: number
  wants: Wanted
  answers: boolean
}

/** The rows of a step; the same objects serve every step. */
export class StepRows {
  readonly #rows: MutableRow[] = []
  readonly #pool: MutableRow[] = []

  /** The rows of these shares, in their order; valid until the next call. */
  fill(shares: readonly Share[]): readonly StepRow[] {
    let n = 0
    for (let s = 0; s < shares.length; s++) {
      const { job, count } = shares[s]!
      for (let i = job.fed; i < job.fed + count; i++) {
        this.#pool[n] ??= { seq: job.seq!, token: 0, wants: 'nothing', answers: false }
        const row = this.#pool[n]!
        row.seq = job.seq!
        row.token = fedToken(job, i)
        row.wants = i < job.task.wantedFrom ? 'nothing' : job.task.wants
        row.answers = job.decoding
        this.#rows[n++] = row
      }
    }
    this.#rows.length = n // set to 0 first, it would lose its memory
    return this.#rows
  }
}

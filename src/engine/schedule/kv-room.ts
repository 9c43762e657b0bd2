// The place of each job in the KV cache: which blocks it begins with, what it leaves for later prompts,
// and when its memory really goes back (not while a step uses it). Called by scheduler.ts.
import { KV_BLOCK } from '../../backend/backend.ts'
import type { KvBook, Sequence } from '../../model/network.ts'
import { type Job, keyOf, tokensOf } from './job.ts'
import { PrefixIndex } from './prefix-index.ts'

export class Room {
  /** Full blocks of prompts and answers, running and past. */
  readonly prefixes: PrefixIndex
  readonly #kv: KvBook
  /** Sequences ended while a step used them. */
  #orphans: Sequence[] = []
  #inStep = false

  constructor(kv: KvBook) {
    this.#kv = kv
    this.prefixes = new PrefixIndex(kv)
  }

  /**
   * Takes the blocks of all tokens known so far, those that were computed before first, leaving
   * `growing` free. What is wanted of a token must be computed: it is left, and all that follow.
   * @returns false, and nothing taken, when blocks are short
   */
  open(job: Job, growing: number): boolean {
    const kv = this.#kv
    const tokens = tokensOf(job.task)
    const most = Math.floor(Math.min(job.task.wantedFrom, tokens - 1) / KV_BLOCK)
    const node = job.task.reuse ? this.prefixes.match(b => keyOf(job, b), most) : undefined
    const seq = node === undefined ? kv.open() : this.prefixes.open(node)
    const missing = kv.blocksFor(tokens) - seq.blocks.length
    const left = kv.blocks - kv.usedBlocks
    if (missing + growing > left || !kv.reserve(seq, tokens - seq.length)) {
      kv.close(seq)
      return false
    }
    job.seq = seq
    job.node = node
    job.fed = seq.length
    return true
  }

  /** Room for one token more. */
  grow(job: Job): boolean {
    // It was sent already; see ahead.ts.
    if (job.seq!.length > job.fed) return true
    return this.#kv.reserve(job.seq!, 1)
  }

  /**
   * Room for up to `tokens` behind the next `known` ones, which have theirs: whoever needs blocks for known tokens
   * goes first.
   * @returns for how many there is some
   */
  stretch(job: Job, known: number, tokens: number): number {
    const seq = job.seq!
    if (this.#kv.reserve(seq, known + tokens)) return tokens
    return Math.max(0, Math.min(tokens, seq.blocks.length * KV_BLOCK - seq.length - known))
  }

  /** Forgets what was computed of wrong guesses, before anything is offered to others. */
  cut(job: Job): void {
    this.#kv.truncate(job.seq!, job.fed)
  }

  /** Offers the blocks that were filled in this step to later prompts. */
  index(job: Job): void {
    while (job.node !== undefined && job.seq !== undefined) {
      const block = job.node.depth
      if ((block + 1) * KV_BLOCK > job.fed) return
      job.node = this.prefixes.add(job.node, keyOf(job, block), job.seq)
    }
  }

  /** Forgets what a failed step may have written; the blocks of the tokens to come are kept. */
  rewind(job: Job): void {
    this.#kv.truncate(job.seq!, job.fed)
    this.#kv.reserve(job.seq!, tokensOf(job.task) - job.fed)
  }

  /** What this job computed is suspect: nobody shall begin with it. */
  distrust(job: Job): void {
    if (job.node !== undefined) this.prefixes.forget(job.node)
  }

  /** Gives the blocks back, after the step if one runs. */
  leave(job: Job): void {
    if (job.seq === undefined) return
    if (this.#inStep) this.#orphans.push(job.seq)
    else this.#kv.close(job.seq)
    job.seq = undefined
    job.node = undefined
  }

  stepBegins(): void {
    this.#inStep = true
  }

  stepEnds(): void {
    this.#inStep = false
    while (this.#orphans.length > 0) this.#kv.close(this.#orphans.shift()!)
  }
}

// Guesses by a second, smaller model of the same vocabulary: it goes ahead of the sequences that generate, its
// likeliest tokens first. It has a KV cache of its own, reads what it has not seen in pieces beside the steps,
// and takes back what came otherwise. A wrong guess costs time and changes nothing. Called by speculation.ts.
import type { Network, Sequence, StepRow } from '../../model/network.ts'
import type { LogitFilter } from '../sampling/logit-filter.ts'
import { PATIENCE_MS } from '../sampling/sampler.ts'
import { type Job, tokensOf } from '../schedule/job.ts'
import type { Task } from '../schedule/task.ts'
import { Odds } from './odds.ts'
import type { Guess } from './prompt-lookup.ts'

/** Tokens that it reads beside one step, of a sequence. */
const PIECE = 64
/** Classes of its own certainty, by the probability of its token: below these. */
const BELOW = [0.3, 0.5, 0.7, 0.85, 0.95, 0.99]
const ODDS = [0.3, 0.4, 0.55, 0.7, 0.85, 0.95, 0.99]

/** Logits so far below the best add at most a thousandth to a sum of 8,192: their powers are not taken. */
const NEGLIGIBLE = -16

/** What it has read of one sequence. */
interface Reader {
  job: Job
  prompt: readonly number[]
  readonly seq: Sequence
  /** The tokens in its cache. */
  readonly held: number[]
  /** Of these, so many are known to be the text's. */
  sure: number
  readonly guess: Guess
  /** What it thought last, the token that was too unlikely to be a guess too: with what spoke for each. */
  readonly thought: { token: number; kind: number }[]
  /** Where the first of them would stand. */
  at: number
  filter: LogitFilter | undefined
}

export class ModelDraft {
  readonly #network: Network
  readonly #odds = new Odds(ODDS)
  readonly #readers: Reader[] = []
  readonly #masked: Float32Array
  /** Why it guesses no more. */
  failed: string | undefined

  constructor(network: Network) {
    this.#network = network
    this.#masked = new Float32Array(network.config.vocab)
  }

  /**
   * Guesses for these jobs, each at most `most[i]` tokens; none while it still reads.
   * @param stopBelow  a guess that is less likely is of no use, and those behind it neither
   */
  guess(jobs: readonly Job[], most: readonly number[], stopBelow: number): (Guess | undefined)[] {
    if (this.failed !== undefined) return []
    const guesses: (Guess | undefined)[] = []
    let going: { reader: Reader; most: number }[] = []
    for (const [i, job] of jobs.entries()) {
      const reader = this.#readerOf(job)
      guesses.push(reader?.guess)
      if (reader !== undefined && this.#catchUp(reader) && most[i]! > 0) {
        going.push({ reader, most: most[i]! })
      }
    }
    for (let n = 0; going.length > 0 && this.failed === undefined; n++) {
      going = going.slice(0, Math.min(this.#network.maxRows, this.#network.maxWantedRows))
      const rows = going.map(({ reader }) => this.#lastRow(reader))
      const logits = this.#forward(rows)
      if (logits === undefined) break
      going = going.filter(({ reader, most: limit }, r) => {
        const goesOn = this.#think(reader, logits, r, stopBelow)
        return goesOn && n + 1 < limit && this.#grows(reader)
      })
    }
    return guesses
  }

  /** Its cache goes with the network. */
  close(): void {
    this.failed ??= 'it was closed'
  }

  /** The reader of this job: its own, one that read a text which begins alike, or a new one; none where memory is short. */
  #readerOf(job: Job): Reader | undefined {
    const own = this.#readers.find(reader => reader.job === job)
    if (own !== undefined) return this.#check(own)
    const free = this.#readers.filter(reader => reader.job.over)
    let best: Reader | undefined
    let shared = 0
    for (const reader of free) {
      const length = sharedLength(reader, job.task)
      if (length <= shared) continue
      shared = length
      best = reader
    }
    if (best === undefined) {
      for (const reader of free) this.#drop(reader)
      best = {
        job,
        prompt: job.task.prompt,
        seq: this.#network.kv.open(),
        held: [],
        sure: 0,
        guess: { tokens: [], chances: [] },
        thought: [],
        at: 0,
        filter: undefined,
      }
      this.#readers.push(best)
    }
    best.job = job
    best.prompt = job.task.prompt
    best.thought.length = 0
    this.#cut(best, shared)
    best.sure = shared
    return best
  }

  /** Notes what came of its last guess, and takes back what was wrong. */
  #check(reader: Reader): Reader {
    const { task } = reader.job
    if (reader.prompt !== task.prompt) {
      reader.prompt = task.prompt // it slid: all positions are others
      reader.sure = 0
    }
    const known = tokensOf(task)
    for (const [i, { token, kind }] of reader.thought.entries()) {
      if (reader.at + i >= known) break
      const hit = tokenAt(task, reader.at + i) === token
      this.#odds.note(kind, hit)
      if (!hit) break
    }
    reader.thought.length = 0
    let right = Math.min(reader.sure, known)
    while (right < reader.held.length && right < known) {
      if (reader.held[right] !== tokenAt(task, right)) break
      right++
    }
    this.#cut(reader, right)
    reader.sure = right
    return reader
  }

  /** Reads up to the last token, which is left for the first guess. @returns whether it is there */
  #catchUp(reader: Reader): boolean {
    const { guess, held, seq, job } = reader
    guess.tokens.length = 0
    guess.chances.length = 0
    const { kv, maxRows, config } = this.#network
    const known = tokensOf(job.task)
    if (known >= kv.contextLength) return false
    // The last token is computed again where it was read.
    this.#cut(reader, known - 1)
    const from = held.length
    const to = Math.min(known - 1, from + Math.min(PIECE, maxRows))
    for (let i = from; i < to; i++) if (tokenAt(job.task, i) >= config.vocab) return false
    if (to > from) {
      if (!kv.reserve(seq, to - from)) return false
      const rows: StepRow[] = []
      for (let i = from; i < to; i++) {
        rows.push({ seq, token: tokenAt(job.task, i), wants: 'nothing' })
      }
      if (this.#forward(rows) === undefined) return false
      for (const { token } of rows) held.push(token)
    }
    reader.sure = held.length
    reader.at = known
    reader.filter = job.task.filter?.fork()
    return (
      held.length === known - 1 &&
      tokenAt(job.task, known - 1) < config.vocab &&
      this.#grows(reader)
    )
  }

  /** Whether there is room for one token more. */
  #grows({ seq }: Reader): boolean {
    const { kv } = this.#network
    return seq.length < kv.contextLength && kv.reserve(seq, 1)
  }

  /** The last token of the text, or of its guess. */
  #lastRow({ seq, held, guess, job, at }: Reader): StepRow {
    const token = guess.tokens.at(-1) ?? tokenAt(job.task, at - 1)
    held.push(token)
    return { seq, token, wants: 'logits' }
  }

  /** The likeliest token that may follow: a guess, where it is likely enough. @returns whether more may follow */
  #think(reader: Reader, logits: Float32Array, row: number, stopBelow: number): boolean {
    const { vocab } = this.#network.config
    const { guess, thought, filter, job } = reader
    const masked = this.#masked
    masked.set(logits.subarray(row * vocab, (row + 1) * vocab))
    const mayCome = masks(filter, masked)
    let best = 0
    for (let i = 1; i < vocab; i++) if (masked[i]! > masked[best]!) best = i
    let sum = 0
    const most = masked[best]!
    for (let i = 0; i < vocab; i++) {
      const x = masked[i]! - most
      if (x > NEGLIGIBLE) sum += Math.exp(x)
    }
    if (!mayCome(best)) return false
    let kind = 0
    while (kind < BELOW.length && 1 / sum >= BELOW[kind]!) kind++
    thought.push({ token: best, kind })
    const chance = (guess.chances.at(-1) ?? 1) * this.#odds.chance(kind)
    // What ends the text needs no row of its own.
    if (chance < stopBelow || filter?.ended || job.task.endTokens?.has(best)) return false
    guess.tokens.push(best)
    guess.chances.push(chance)
    return true
  }

  /** Logits of a step; undefined, and no guess any more, where it fails or would have to be waited for. */
  #forward(rows: readonly StepRow[]): Float32Array | undefined {
    try {
      const result = this.#network.forward(rows)
      if (!(result instanceof Promise)) return result.logits
      result.catch(() => undefined)
      this.failed = 'it gave a number that is not finite'
    } catch (caught) {
      this.failed = caught instanceof Error ? caught.message : String(caught)
    }
    return undefined
  }

  #cut({ seq, held }: Reader, length: number): void {
    if (held.length <= length) return
    held.length = length
    this.#network.kv.truncate(seq, length)
  }

  #drop(reader: Reader): void {
    this.#network.kv.close(reader.seq)
    this.#readers.splice(this.#readers.indexOf(reader), 1)
  }
}

/** Masks what a grammar does not let pass. @returns whether a token may come, which moves the filter on */
function masks(filter: LogitFilter | undefined, logits: Float32Array): (token: number) => boolean {
  if (filter === undefined) return () => true
  try {
    // Where that takes longer, what comes is a guess if the form lets it pass.
    filter.mask(logits, PATIENCE_MS)
    return token => {
      try {
        return filter.take(token)
      } catch {
        return false
      }
    }
  } catch {
    // A limit of the grammar that a wrong guess may meet: it is told when a drawn token meets it.
    return () => false
  }
}

function tokenAt({ prompt, answer }: Task, index: number): number {
  return index < prompt.length ? prompt[index]! : answer[index - prompt.length]!
}

function sharedLength({ held }: Reader, task: Task): number {
  const most = Math.min(held.length, tokensOf(task) - 1)
  let n = 0
  while (n < most && held[n] === tokenAt(task, n)) n++
  return n
}

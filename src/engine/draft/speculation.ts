// Speculation: how many guessed tokens go into a step beside the last one, for each sequence that generates.
// They pay when what they gain, by their chances, is more than what their rows cost, as measured. The step
// computes them all; the tasks draw from the rows in order, as ever, until a draw differs from the guess
// (step.ts), so no token depends on any of this. Called by scheduler.ts and step.ts.
import type { Network } from '../../model/network.ts'
import type { SpeculationStats } from '../../types/index.ts'
import { type Share, tokensOf } from '../schedule/job.ts'
import type { Room } from '../schedule/kv-room.ts'
import { newOdds } from './guesser.ts'
import type { ModelDraft } from './model-draft.ts'
import type { ResolvedSpeculation } from './options.ts'
import type { Guess } from './prompt-lookup.ts'
import { StepCosts } from './step-costs.ts'

/**
 * A step with guesses takes this long at most, by the measured costs: a cancel is heard within 250 ms. As long as a
 * piece of a prompt may take; with 200 a slow machine had 4 rows of lookup tables where 8 take as long.
 */
const STEP_MS = 240
/** Rows of a step at first; then twice as many as were tried, so that a wrong estimate costs little. */
const FIRST_ROWS = 8
/** What guesses must promise over a step without: costs and chances are estimates. */
const MARGIN = 1.05
/** Steps with guesses that may follow each other before one without, so that its cost stays known. */
const PLAIN_EVERY = 64
/** Less likely guesses of the text itself are not looked at: no row costs less than this share of a step. */
const LEAST = 0.15
/** Of the guesses that go beside a prompt: a row more costs little there. */
const BESIDE_PROMPT = 0.4
/** A guess of the text itself that is this likely is not asked of the draft model, too. */
const SURE = 0.6
/**
 * Steps with guesses that are judged together; and steps without, when those took longer than without guesses: so many at
 * first, twice as many each time that it happens again.
 */
const JUDGED = 16
const PAUSE = 50
const LONGEST_PAUSE = 400
/**
 * What the draft model may have taken beyond what it saved, in steps without guesses, and as a share of all steps: so a text
 * that it does not know loses no more. What it saved counts up to the third number, so that it rests in time.
 */
const CREDIT = 8
const CREDIT_SHARE = 0.02
const MOST_CREDIT = 100
/** The mean length of a draft follows the last so many. */
const RECENT = 16

/** A second model that guesses. */
export interface DraftModel {
  readonly name: string
  readonly model: ModelDraft
}

export class Speculation {
  /** Of all requests, as a start for the next. */
  readonly odds = newOdds()
  readonly #options: ResolvedSpeculation | undefined
  readonly #exact: () => boolean
  readonly #costs = new StepCosts()
  readonly #draft: DraftModel | undefined
  readonly #now: () => number
  readonly #guesses: (Guess | undefined)[] = []
  readonly #most: number[] = []
  readonly #taken: number[] = []
  readonly #stats = { steps: 0, proposed: 0, accepted: 0 }
  #drafts = 0
  #length = 0
  #sincePlain = 0
  /** Steps with guesses since they were judged, what they saved and took; none are made before the step of #pausedUntil. */
  #judged = 0
  #gainedMs = 0
  #judgedMs = 0
  #pausedUntil = 0
  #pause = PAUSE
  /** Why the last step had no guesses. */
  #idle: string | undefined
  /** Of the step that runs: sequences, its rows, and guesses that were right. */
  #base = 0
  #rows = 0
  #right = 0
  /** What the draft model took for this step and in all, what it saved beyond that, and whether it guessed in this step. */
  #draftMs = 0
  #draftTotalMs = 0
  #balance = 0
  #drafted = false
  #clock = 0
  /** Time of steps without a prompt: as it was, and as it would have been without guesses. */
  #spentMs = 0
  #plainMs = 0

  /**
   * @param options  undefined: off
   * @param exact    whether a row's result is the same bits however many rows a step has
   * @param draft    guesses what the text itself does not
   */
  constructor(
    options: ResolvedSpeculation | undefined,
    exact: () => boolean,
    draft?: DraftModel,
    now: () => number = () => performance.now(),
  ) {
    this.#options = options
    this.#exact = exact
    this.#draft = draft
    this.#now = now
  }

  /** Why nothing is guessed; undefined where something is. */
  get off(): string | undefined {
    if (this.#options === undefined) return "speculation is 'off'"
    if (this.#options.inexact || this.#exact()) return undefined
    return 'this backend rounds a row by how many there are; an object as speculation turns it on'
  }

  /** Whether tasks should look tokens up in their own text. */
  get lookup(): boolean {
    return this.#options?.lookup === true && this.off === undefined
  }

  /** Guesses of the step that runs, or ran last, which were right. */
  get right(): number {
    return this.#right
  }

  /** A step begins in which so many sequences generate; without propose() it has no guesses. */
  begin(sequences: number): void {
    this.#base = sequences
    this.#rows = sequences
    this.#right = 0
    this.#draftMs = 0
    this.#drafted = false
  }

  /**
   * Adds guessed tokens to the shares of a step that only decodes, as far as rows and memory go, or to the end of a
   * prompt that is alone.
   */
  propose(shares: readonly Share[], network: Network, room: Room): void {
    if (this.#options === undefined || this.off !== undefined) return
    const { adaptive, maxTokens } = this.#options
    if (adaptive && this.#clock < this.#pausedUntil) return
    if (this.#base === 0 || shares.length !== this.#base) {
      if (shares.length === 1) this.#proposeFirst(shares[0]!, this.#options, network, room)
      return
    }
    const least = adaptive ? LEAST : 0
    const spare = Math.min(network.maxRows, network.maxWantedRows) - shares.length
    for (let s = 0; s < shares.length; s++) {
      const { task } = shares[s]!.job
      const most = task.guessable?.(Math.min(spare, maxTokens)) ?? 0
      // Asked even where it will not pay: that is how the odds are known.
      this.#guesses[s] = task.guess?.(most, least)
      this.#most[s] = most
    }
    if (this.#draft !== undefined) this.#askDraft(this.#draft, shares)
    let offered = 0
    for (let s = 0; s < shares.length; s++) offered += this.#guesses[s]?.tokens.length ?? 0
    this.#idle = offered === 0 ? 'nothing in the text says what may follow' : undefined
    if (offered === 0 || (adaptive && this.#sincePlain >= PLAIN_EVERY)) return
    let count = Math.min(offered, spare)
    if (adaptive) count = this.#best(shares.length, count, network.stepMs ?? STEP_MS)
    if (count === 0) this.#idle = 'no guess is likely enough for what its row costs'
    this.#pick(shares.length, count)
    for (let s = 0; s < shares.length; s++) this.#add(shares[s]!, this.#taken[s]!, s, room)
  }

  /** The step is computed again without guesses. */
  drop(): void {
    this.#rows = this.#base
  }

  /** So many guesses of a share were right. */
  accept(count: number): void {
    this.#right += count
    this.#stats.accepted += count
  }

  /** Computing the step took so long, and it had no part of a prompt; NaN where it was computed twice. */
  learn(ms: number): void {
    if (this.#options === undefined || this.#base === 0 || Number.isNaN(ms)) return
    this.#costs.learn(this.#rows, ms)
    this.#clock++
    if (this.#draftMs > 0) this.#judge(ms)
    this.#spentMs += ms + this.#draftMs
    if (this.#rows === this.#base) {
      this.#sincePlain = 0
      this.#plainMs += ms
      return
    }
    this.#sincePlain++
    this.#stats.steps++
    const plainMs = this.#costs.ms(this.#base) * (1 + this.#right / this.#base)
    this.#plainMs += plainMs
    if (this.#options.adaptive) this.#judgeGuesses(plainMs, ms)
  }

  /** What a step of one row took, before any request. */
  measured(ms: number): void {
    this.#costs.learn(1, ms)
  }

  /** Another backend computes from now on. */
  forget(): void {
    this.#costs.forget()
    this.#pausedUntil = 0
  }

  stats(): SpeculationStats {
    const { off } = this
    return {
      on: off === undefined,
      ...(off === undefined ? {} : { reason: off }),
      ...this.#stats,
      length: this.#length,
      ...(off === undefined && this.#idle !== undefined && { idle: this.#idle }),
      costs: this.#costs.known.map(({ rows, ms }) => [rows, ms]),
      ...(this.#draft && {
        draft: {
          name: this.#draft.name,
          ms: this.#draftTotalMs,
          ...(this.#draft.model.failed !== undefined && { failed: this.#draft.model.failed }),
        },
      }),
      gain: this.#spentMs > 0 ? this.#plainMs / this.#spentMs : 1,
    }
  }

  /** Guesses of an answer's first tokens: they save its first step. No cost is learned of it, as it is a prompt's. */
  #proposeFirst(share: Share, options: ResolvedSpeculation, network: Network, room: Room): void {
    const { job, count } = share
    if (!job.task.grows || job.fed + count < tokensOf(job.task)) return
    const spare = Math.min(network.maxRows - count, network.maxWantedRows - 1, FIRST_ROWS - 1)
    const most = job.task.guessable?.(Math.min(spare, options.maxTokens)) ?? 0
    const least = options.adaptive ? BESIDE_PROMPT : 0
    this.#guesses[0] = most > 0 ? job.task.guess?.(most, least) : undefined
    this.#add(share, this.#guesses[0]?.tokens.length ?? 0, 0, room)
  }

  /** Guesses of the draft model where the text has none that is likely. */
  #askDraft({ model }: DraftModel, shares: readonly Share[]): void {
    const adaptive = this.#options!.adaptive
    const credit = CREDIT * this.#costs.ms(1) + CREDIT_SHARE * this.#spentMs
    if (adaptive && (this.#balance < -credit || this.#sincePlain >= PLAIN_EVERY)) return
    const asked: number[] = []
    for (let s = 0; s < shares.length; s++) {
      if (this.#most[s]! > 0 && (this.#guesses[s]?.chances[0] ?? 0) < SURE) asked.push(s)
    }
    if (asked.length === 0) return
    const began = this.#now()
    const jobs = asked.map(s => shares[s]!.job)
    const most = asked.map(s => this.#most[s]!)
    const guesses = model.guess(jobs, most, adaptive ? this.#leastChance(shares.length) : 0)
    for (const [i, s] of asked.entries()) {
      const guess = guesses[i]
      const own = this.#guesses[s]?.chances[0] ?? 0
      if (guess === undefined || (guess.chances[0] ?? 0) <= own) continue
      this.#guesses[s] = guess
      this.#drafted = true
    }
    this.#draftMs = this.#now() - began
    this.#draftTotalMs += this.#draftMs
  }

  /** The chance below which a row more costs more than it gives. */
  #leastChance(sequences: number): number {
    const plain = this.#costs.ms(sequences)
    if (plain === 0) return 0.5
    const row = (this.#costs.ms(sequences + 4) - plain) / 4 / (plain / sequences)
    return Math.min(0.9, Math.max(0.1, row))
  }

  /** What the draft model saved and took, reading prompts included. */
  #judge(ms: number): void {
    const plain = this.#costs.ms(this.#base)
    this.#balance -= this.#draftMs
    if (this.#drafted && this.#rows > this.#base) {
      this.#balance += plain * (1 + this.#right / this.#base) - ms
    }
    this.#balance = Math.min(this.#balance, MOST_CREDIT * plain)
  }

  /** Whether steps with guesses gain what they promise; if they lose, there are none for a while. */
  #judgeGuesses(plainMs: number, ms: number): void {
    this.#judged++
    this.#gainedMs += plainMs - ms
    this.#judgedMs += plainMs
    if (this.#judged < JUDGED) return
    if (this.#gainedMs < 0) {
      this.#pausedUntil = this.#clock + this.#pause
      const percent = Math.round((-100 * this.#gainedMs) / this.#judgedMs)
      this.#idle = `${JUDGED} steps with guesses took ${percent} % longer than without; a pause of ${this.#pause} steps`
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE)
    } else this.#pause = PAUSE
    this.#judged = 0
    this.#gainedMs = 0
    this.#judgedMs = 0
  }

  #add(share: Share, wanted: number, s: number, room: Room): void {
    const { job } = share
    const count = wanted === 0 ? 0 : room.stretch(job, share.count, wanted)
    if (count === 0) return
    for (let i = 0; i < count; i++) job.guessed.push(this.#guesses[s]!.tokens[i]!)
    share.count += count
    this.#rows += count
    this.#stats.proposed += count
    this.#drafts = Math.min(RECENT, this.#drafts + 1)
    this.#length += (count - this.#length) / this.#drafts
  }

  /** How many guesses give the most tokens a millisecond; 0 where none does better than without. */
  #best(sequences: number, most: number, limitMs: number): number {
    const plain = this.#costs.ms(sequences)
    if (plain === 0) return 0
    let rate = (sequences / plain) * MARGIN
    let tokens = sequences
    let best = 0
    const tried = Math.max(sequences - 1 + FIRST_ROWS, 2 * this.#costs.largest)
    this.#pick(sequences, 0)
    for (let count = 1; count <= most && sequences + count <= tried; count++) {
      tokens += this.#pickOne(sequences)
      if (this.#costs.most(sequences + count) > limitMs) break
      const ms = this.#costs.ms(sequences + count)
      if (tokens / ms <= rate) continue
      rate = tokens / ms
      best = count
    }
    return best
  }

  /** Takes `count` guesses, each time the likeliest that is next of its sequence. */
  #pick(sequences: number, count: number): void {
    for (let s = 0; s < sequences; s++) this.#taken[s] = 0
    for (let i = 0; i < count; i++) this.#pickOne(sequences)
  }

  /** @returns its chance */
  #pickOne(sequences: number): number {
    let next = -1
    let chance = -1
    for (let s = 0; s < sequences; s++) {
      const of = this.#guesses[s]?.chances[this.#taken[s]!]
      if (of === undefined || of <= chance) continue
      next = s
      chance = of
    }
    if (next < 0) return 0
    this.#taken[next]!++
    return chance
  }
}

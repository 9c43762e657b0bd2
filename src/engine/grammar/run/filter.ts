// A grammar as a filter of logits: one state, advanced by accepted tokens. Masks of recent states are
// kept with the grammar, for all requests that use it. Called by the sampler.
import type { LogitFilter } from '../../sampling/logit-filter.ts'
import { GrammarFault } from '../work.ts'
import { LookUp } from './look-up.ts'
import type { State } from './machine.ts'
import type { Masks } from './mask.ts'
import { type Described, describe, Place } from './place.ts'

/** Masks kept for states that come again, of a grammar: 64 of 19 kB at 151,936 tokens. */
const KEEP_MASKS = 64

/** A grammar that is ready for one vocabulary. */
export class CompiledGrammar {
  readonly masks: Masks
  readonly described: Described
  readonly #lookUp: LookUp
  readonly #kept = new Map<number, Uint32Array>()

  constructor(masks: Masks) {
    this.masks = masks
    this.#lookUp = new LookUp(masks.machine, masks.vocabulary)
    this.described = describe(masks.vocabulary)
  }

  /** What the mask of the state says of a token. */
  allows(state: State, token: number): boolean {
    const mask = this.#kept.get(state.id)
    if (mask === undefined) return this.#lookUp.allows(state, token)
    return token >> 5 < mask.length && (mask[token >> 5] & (1 << (token & 31))) !== 0
  }

  /** A filter at the start of a text. */
  begin(): GrammarFilter {
    return new GrammarFilter(this, this.masks.machine.start)
  }

  maskOf(state: State): Uint32Array
  /** @returns undefined where it takes longer */
  maskOf(state: State, patienceMs: number | undefined): Uint32Array | undefined
  maskOf(state: State, patienceMs?: number): Uint32Array | undefined {
    let mask = this.#kept.get(state.id)
    if (mask === undefined) {
      mask = patienceMs === undefined ? this.masks.of(state) : this.masks.within(state, patienceMs)
      if (mask === undefined) return undefined
      if (this.#kept.size >= KEEP_MASKS) {
        for (const oldest of this.#kept.keys()) {
          this.#kept.delete(oldest)
          break
        }
      }
    } else this.#kept.delete(state.id)
    this.#kept.set(state.id, mask)
    return mask
  }
}

export class GrammarFilter extends Place implements LogitFilter {
  readonly #grammar: CompiledGrammar

  constructor(grammar: CompiledGrammar, state: State) {
    super(grammar.described, state)
    this.#grammar = grammar
  }

  /** A bit per token; not to be written to. */
  allowed(): Uint32Array {
    return this.#grammar.maskOf(this.state)
  }

  mask(logits: Float32Array, patienceMs?: number): boolean {
    const mask = this.#grammar.maskOf(this.state, patienceMs)
    if (mask === undefined) return false
    const { length } = logits
    for (let w = 0, id = 0; id < length; w++) {
      const end = Math.min(id + 32, length)
      // Ids beyond the vocabulary are padding of the model's table.
      const word = w < mask.length ? mask[w] : 0
      if (word === 0) logits.fill(Number.NEGATIVE_INFINITY, id, end)
      else if (word !== 0xffffffff) {
        for (let i = id; i < end; i++) {
          if ((word & (1 << (i - id))) === 0) logits[i] = Number.NEGATIVE_INFINITY
        }
      }
      id = end
    }
    return true
  }

  allows(token: number): boolean {
    return this.#grammar.allows(this.state, token)
  }

  accept(token: number): void {
    if (!this.follow(token)) {
      throw new GrammarFault(`token ${token} does not fit the grammar here`, '')
    }
  }

  override fork(): GrammarFilter {
    const fork = new GrammarFilter(this.#grammar, this.state)
    fork.moveTo(this)
    return fork
  }

  restore(fork: LogitFilter): void {
    if (fork instanceof GrammarFilter) this.moveTo(fork)
  }
}

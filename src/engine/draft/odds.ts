// How often a proposed token was the one that came, by how much spoke for it: the length of the match it
// follows, or a draft model's own probability. Learned from every token, proposed or not.

/** Trials after which what was seen counts half: a text changes its kind within some dozens of tokens. */
const HALF_AT = 48
/** Trials that what others saw is worth at the start of a request. */
const START = 8

/** Chances by class of evidence. */
export class Odds {
  readonly #hits: Float64Array
  readonly #tries: Float64Array

  /**
   * @param guesses  the chance of each class before anything was seen
   * @param trials   that these are worth
   */
  constructor(guesses: readonly number[], trials = 4) {
    this.#tries = new Float64Array(guesses.length).fill(trials)
    this.#hits = Float64Array.from(guesses, guess => trials * guess)
  }

  /** The chance that a token of this class comes true. */
  chance(kind: number): number {
    return this.#hits[kind]! / this.#tries[kind]!
  }

  /** What became of a token of this class. */
  note(kind: number, hit: boolean): void {
    this.#tries[kind]!++
    if (hit) this.#hits[kind]!++
    if (this.#tries[kind]! < HALF_AT) return
    this.#tries[kind]! /= 2
    this.#hits[kind]! /= 2
  }

  /** The odds of a new request: what was seen so far, as a start that its own text soon outweighs. */
  begin(): Odds {
    const { length } = this.#tries
    return new Odds(
      Array.from({ length }, (_, kind) => this.chance(kind)),
      START,
    )
  }
}

// What tokens came where: for each state of a grammar the one that came last, and how often that was right. In
// strings it seldom is; at braces, commas and the names of properties it nearly always is, from the second answer on.
// Guesses of speculation, which change no token. Called by filter.ts.
import type { LikelyText, Usual } from '../../sampling/logit-filter.ts'

/** States remembered, of a grammar; the one that was not met for longest goes. */
const KEEP = 2048
/** Trials after which what was seen counts half. */
const HALF_AT = 16

interface Habit {
  token: number
  hits: number
  tries: number
  chance: number
}

/** Of one grammar, for all requests that use it. */
export class Habits {
  readonly #kept = new Map<number, Habit>()
  /** By state inside a string: the token that closed it last. */
  #closing = new Map<number, LikelyText>()

  /** @param state  the id of a state */
  at(state: number): Usual | undefined {
    return this.#kept.get(state)
  }

  /** What closed a string in this state last. */
  closing(state: number): LikelyText | undefined {
    return this.#closing.get(state)
  }

  /** The token closed the string. */
  noteClosing(state: number, token: number): void {
    if (this.#closing.size >= KEEP) this.#closing = new Map()
    this.#closing.set(state, { pieces: [{ token }], ends: true, whole: true })
  }

  /** The token came in this state. */
  note(state: number, token: number): void {
    const habit = this.#kept.get(state)
    if (habit === undefined) {
      if (this.#kept.size >= KEEP) {
        for (const oldest of this.#kept.keys()) {
          this.#kept.delete(oldest)
          break
        }
      }
      // One of two, as if it had been right and wrong once: a string's first token is no habit.
      this.#kept.set(state, { token, hits: 1, tries: 2, chance: 0.5 })
      return
    }
    habit.tries++
    if (habit.token === token) habit.hits++
    else habit.token = token
    if (habit.tries >= HALF_AT) {
      habit.tries /= 2
      habit.hits /= 2
    }
    habit.chance = habit.hits / habit.tries
    this.#kept.delete(state)
    this.#kept.set(state, habit)
  }
}

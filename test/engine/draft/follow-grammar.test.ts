// Guesses held against a grammar: what it forbids is left out, and what usually comes in its places is added.
import { expect, it } from 'vitest'
import { followGrammar } from '../../../src/engine/draft/follow-grammar.ts'
import type { Guess } from '../../../src/engine/draft/prompt-lookup.ts'
import { Habits } from '../../../src/engine/grammar/run/habits.ts'
import type { LogitFilter, Usual } from '../../../src/engine/sampling/logit-filter.ts'

/** Lets pass the tokens of `path` in order, -1 for any; `usual` says what is a habit at each place. */
function filterOf(path: readonly number[], usual: readonly (Usual | undefined)[] = [], at = 0) {
  const filter: LogitFilter = {
    mask: () => undefined,
    allows: () => true,
    accept: token => void filter.take(token),
    take: token => {
      if (at >= path.length || (path[at] !== -1 && path[at] !== token)) return false
      at++
      return true
    },
    usual: () => usual[at],
    fork: () => filterOf(path, usual, at),
    restore: () => undefined,
    complete: false,
    get ended() {
      return at === path.length
    },
  }
  return filter
}

const guessOf = (tokens: number[], chance = 0.8): Guess => ({
  tokens,
  chances: tokens.map((_, i) => chance ** (i + 1)),
})
const followed = (guess: Guess, filter: LogitFilter, most = 8, least = 0) => {
  followGrammar(guess, filter, most, least)
  expect(guess.chances).toHaveLength(guess.tokens.length)
  return guess.tokens
}

it('leaves out what the grammar does not let pass, and what ends it', () => {
  expect(followed(guessOf([1, 2, 3, 4]), filterOf([1, 2, 9, 9]))).toEqual([1, 2])
  expect(followed(guessOf([1, 2, 3]), filterOf([1, 2]))).toEqual([1])
})

it('goes on with what usually comes where the text has no guess', () => {
  const habit = (token: number): Usual => ({ token, chance: 0.9 })
  const usual = [habit(1), habit(2), undefined, habit(4)]
  const guess = guessOf([])
  expect(followed(guess, filterOf([-1, -1, -1, -1, -1], usual))).toEqual([1, 2])
  expect(guess.chances).toEqual([0.9, expect.closeTo(0.81)])
  expect(followed(guessOf([]), filterOf([-1, -1, -1], usual), 1)).toEqual([1])
  expect(followed(guessOf([]), filterOf([-1, -1, -1], usual), 8, 0.85)).toEqual([1])
})

it('takes the likelier of both, and leaves the text where it says otherwise', () => {
  const usual: Usual[] = [
    { token: 7, chance: 0.5 },
    { token: 2, chance: 0.95 },
    { token: 9, chance: 0.9 },
  ]
  const guess = guessOf([1, 2, 3, 4])
  expect(followed(guess, filterOf([-1, -1, -1, -1, -1], usual))).toEqual([1, 2, 9])
  expect(guess.chances).toEqual([0.8, 0.8 * 0.95, expect.closeTo(0.8 * 0.95 * 0.9)])
})

it('learns what comes where, and how often', () => {
  const habits = new Habits()
  expect(habits.at(1)).toBeUndefined()
  for (let i = 0; i < 10; i++) habits.note(1, 5)
  expect(habits.at(1)).toMatchObject({ token: 5, chance: expect.closeTo(0.9, 1) })
  for (let i = 0; i < 40; i++) habits.note(2, i)
  expect(habits.at(2)!.chance).toBeLessThan(0.1)
  for (let state = 10; state < 3000; state++) habits.note(state, 1)
  expect(habits.at(1)).toBeUndefined()
  expect(habits.at(2999)).toBeDefined()
})

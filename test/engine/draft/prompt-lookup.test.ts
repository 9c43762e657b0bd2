// Guesses from the text itself, over lists of numbers.
import { describe, expect, it } from 'vitest'
import { Odds } from '../../../src/engine/draft/odds.ts'
import { LOOKUP_ODDS, PromptLookup } from '../../../src/engine/draft/prompt-lookup.ts'
import { Random } from '../../../src/engine/sampling/random.ts'

function lookupOf(tokens: readonly number[], odds = new Odds(LOOKUP_ODDS)): PromptLookup {
  const lookup = new PromptLookup(odds)
  for (const token of tokens) lookup.push(token)
  return lookup
}

const guessed = (tokens: readonly number[], most = 8) => [...lookupOf(tokens).guess(most).tokens]

describe('PromptLookup', () => {
  it('guesses what followed the last two tokens before', () => {
    expect(guessed([1, 2, 3, 4, 5, 6, 1, 2], 3)).toEqual([3, 4, 5])
    expect(guessed([1, 2, 3, 4, 9, 2])).toEqual([]) // one token alone says nothing
    expect(guessed([])).toEqual([])
    expect(guessed([7])).toEqual([])
    expect(lookupOf([1, 2, 3, 1, 2]).guess(0).tokens).toEqual([])
  })

  it('prefers the longest match, and of equals the latest', () => {
    const long = [10, 11, 12, 13, 50]
    const latest = [12, 13, 60]
    expect(guessed([...long, 1, ...latest, 2, 10, 11, 12, 13], 1)).toEqual([50])
    expect(guessed([12, 13, 50, 1, 12, 13, 60, 2, 12, 13], 1)).toEqual([60])
  })

  it('follows a match as long as it holds, and begins again behind it', () => {
    const lookup = lookupOf([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2])
    lookup.push(3)
    expect(lookup.guess(2).tokens).toEqual([4, 5])
    lookup.push(99)
    expect(lookup.guess(2).tokens).toEqual([])
    for (const token of [6, 7]) lookup.push(token)
    expect(lookup.guess(2).tokens).toEqual([8, 9])
  })

  it('goes on with its own guess where the text has a short period', () => {
    expect(guessed([5, 6, 5, 6, 5, 6], 5)).toEqual([5, 6, 5, 6, 5])
    expect(guessed([4, 4, 4, 4], 3)).toEqual([4, 4, 4])
  })

  it('is surer of what follows a longer match, and of what came true before', () => {
    const short = lookupOf([1, 2, 3, 4, 1, 2]).guess(3).chances
    const long = lookupOf([...Array(40).keys(), 99, ...Array(30).keys()]).guess(3).chances
    expect(short[0]).toBeLessThan(long[0]!)
    for (const chances of [short, long]) {
      expect(chances[1]).toBeLessThan(chances[0]!)
      expect(chances[2]).toBeLessThan(chances[1]!)
    }
    // Pairs that never go on alike.
    const odds = new Odds(LOOKUP_ODDS)
    lookupOf(
      Array.from({ length: 300 }, (_, i) => (i % 3 === 2 ? 100 + i : i % 3)),
      odds,
    )
    expect(lookupOf([0, 1, 7, 0, 1], odds).guess(1).chances[0]).toBeLessThan(0.05)
  })

  it('finds repetitions in texts of any length, the newest half of the longest', () => {
    const random = new Random(3)
    const noise = () => random.uint32() % 30_000
    const phrase = Array.from({ length: 20 }, noise)
    for (const between of [10, 3000, 60_000, 150_000]) {
      const text = [...phrase, ...Array.from({ length: between }, noise), ...phrase.slice(0, 10)]
      const wanted = between < 1 << 15 || between === 60_000 ? phrase.slice(10, 14) : []
      expect(guessed(text, 4), `${between} tokens between`).toEqual(wanted)
    }
  })

  it('takes the same time for each token of a long text', () => {
    // Every run is the same run: what a search through all of its places would never finish.
    const lookup = lookupOf(Array.from({ length: 200_000 }, () => 7))
    expect(lookup.guess(4).tokens).toEqual([7, 7, 7, 7])
  })
})

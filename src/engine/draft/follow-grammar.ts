// A guess from the text itself, held against the grammar of its request: what the grammar does not let pass is
// left out, and where the text has no guess, or a less likely one, comes what usually came in that place of the
// grammar. Called by tasks/generate.ts.
import type { LogitFilter } from '../sampling/logit-filter.ts'
import type { Guess } from './prompt-lookup.ts'

/**
 * Changes the guess to what the grammar lets pass. What ends the answer needs no row and is left out.
 * @param most   tokens at most
 * @param least  a guess less likely than this is of no use
 */
export function followGrammar(
  guess: Guess,
  filter: LogitFilter,
  most: number,
  least: number,
): void {
  const { tokens, chances } = guess
  const ahead = filter.fork()
  /** Tokens of the text's guess that still stand. */
  let own = tokens.length
  let ownBefore = 1
  let chance = 1
  let fits = 0
  try {
    for (; fits < most; fits++) {
      const usual = ahead.usual?.()
      const ownChance = fits < own ? chances[fits]! / ownBefore : 0
      if (fits < own) ownBefore = chances[fits]!
      if (usual !== undefined && usual.chance > ownChance) {
        if (fits >= own || tokens[fits] !== usual.token) own = fits
        tokens[fits] = usual.token
        chance *= usual.chance
      } else if (fits < own) chance *= ownChance
      else break
      if (chance < least || !ahead.take(tokens[fits]!) || ahead.ended) break
      chances[fits] = chance
    }
  } catch {
    // A limit of the grammar that a wrong guess may meet: it is told when a drawn token meets it.
  }
  cutGuess(guess, fits)
}

/** Leaves the first so many tokens. */
export function cutGuess({ tokens, chances }: Guess, length: number): void {
  tokens.length = length
  chances.length = length
}

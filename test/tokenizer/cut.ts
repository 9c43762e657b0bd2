// Runs cutters and splitters over whole texts, for tests that look at the pieces.
import { CutterChain, type CutterKind, PIECE } from '../../src/tokenizer/cutters.ts'
import { FOUND, type SpecialSplitter } from '../../src/tokenizer/special-splitter.ts'
import type { Stretch } from '../../src/tokenizer/tokenizer.ts'
import { textOf, unitsOf } from '../../src/tokenizer/units.ts'

export function cut(text: string, cutters: readonly CutterKind[], slice = 1e9): string[] {
  const chain = new CutterChain(cutters)
  const units = unitsOf(text)
  chain.begin(units, 0, units.length, true)
  const pieces: string[] = []
  const budget = { left: slice }
  for (;;) {
    const outcome = chain.next(budget)
    if (outcome === PIECE) pieces.push(textOf(chain.units, chain.start, chain.end))
    else if (budget.left < 0) budget.left = slice
    else return pieces
  }
}

/** Texts and ids in order. */
export function splitSpecial(
  splitter: SpecialSplitter,
  text: string,
  trusted?: readonly Stretch[],
): (string | number)[] {
  const units = unitsOf(text)
  const search = splitter.search(units, 0, units.length, { controls: true, trusted })
  const parts: (string | number)[] = []
  let at = 0
  while (search.next({ left: 1e9 }) === FOUND) {
    if (search.start > at) parts.push(textOf(units, at, search.start))
    parts.push(search.id)
    at = search.end
  }
  if (at < units.length) parts.push(textOf(units, at, units.length))
  return parts
}

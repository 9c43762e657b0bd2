// Sets of strings as terms of an automaton and bounds on the length. Called by shape.ts and the writers.
import { ANYTHING, combine, complement, Dfa } from '../automata/dfa.ts'
import { type Budget, GrammarFault, type Work } from '../work.ts'
import type { StringTerm } from './expr.ts'

const NO_LIMIT = Number.POSITIVE_INFINITY
export const ANY_STRING: StringTerm = { dfa: ANYTHING, min: 0, max: NO_LIMIT }

const MAX_FOLDED = 300

/** The automaton with its length in characters worked in. */
export function* foldLength(term: StringTerm, budget: Budget): Work<Dfa> {
  const { min, max } = term
  if (min === 0 && max === NO_LIMIT) return term.dfa
  const states = max === NO_LIMIT ? min : max
  if (states > MAX_FOLDED) {
    throw new GrammarFault(
      `counts more than ${MAX_FOLDED} characters of a text that must differ from others or be a name`,
      budget.place,
      'maxLength',
      true,
    )
  }
  return yield* combine(term.dfa, lengthDfa(min, max), 'and', budget)
}

function lengthDfa(min: number, max: number): Dfa {
  const { classes } = ANYTHING
  const states = (max === NO_LIMIT ? min : max) + 1
  const table = Int32Array.from({ length: states }, (_, s) =>
    s + 1 < states ? s + 1 : max === NO_LIMIT ? s : -1,
  )
  const accept = Uint8Array.from({ length: states }, (_, s) => (s >= min ? 1 : 0))
  return new Dfa(classes, table, accept)
}

export function addString(to: StringTerm[], term: StringTerm): void {
  if (term.dfa.empty || term.min > term.max) return
  to.push(term)
}

export function* otherStrings(terms: readonly StringTerm[], budget: Budget): Work<StringTerm[]> {
  let left: StringTerm[] = [ANY_STRING]
  for (const { dfa, min, max } of terms) {
    const next: StringTerm[] = []
    const rest = yield* complement(dfa, budget)
    for (const term of left) {
      addString(next, { ...term, dfa: yield* combine(term.dfa, rest, 'and', budget) })
      if (min > 0) addString(next, { ...term, max: Math.min(term.max, min - 1) })
      if (max < NO_LIMIT) addString(next, { ...term, min: Math.max(term.min, max + 1) })
    }
    left = next
  }
  return left
}

/** Terms of equal length bounds become one automaton. */
export function* uniteStrings(
  a: readonly StringTerm[],
  b: readonly StringTerm[],
  budget: Budget,
): Work<readonly StringTerm[]> {
  const terms = [...a]
  for (const term of b) {
    const i = terms.findIndex(other => other.min === term.min && other.max === term.max)
    if (i < 0) terms.push(term)
    else terms[i] = { ...term, dfa: yield* combine(terms[i].dfa, term.dfa, 'or', budget) }
  }
  return terms.includes(ANY_STRING) ? [ANY_STRING] : terms
}

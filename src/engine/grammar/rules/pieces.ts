// Texts and tokens in a row, and free text between them: what surrounds constrained parts of an answer,
// such as the tags of tool calls and of reasoning. A tag is a token of the model or plain text.
import { charSet } from '../automata/charset.ts'
import { ANYTHING, combine, complement, type Dfa } from '../automata/dfa.ts'
import { determinise, Nfa } from '../automata/nfa.ts'
import { Terminal } from '../run/terminal.ts'
import type { Work } from '../work.ts'
import type { Rules } from './rules.ts'

/** A text, or a token that the vocabulary does not write as text. */
export type Piece = string | { readonly token: number }

/** @returns where the last piece ends */
export function writePieces(rules: Rules, from: number, pieces: readonly Piece[]): number {
  let at = from
  for (const piece of pieces) {
    at = typeof piece === 'string' ? rules.text(at, piece) : rules.token(at, piece.token)
  }
  return at
}

/**
 * Any text, also none, up to what begins the pieces: a first piece of text does not come in it, and
 * tokens never do.
 * @returns where it ends
 */
export function* writeFreeText(rules: Rules, from: number, before: readonly Piece[]): Work<number> {
  const stop = before.find(piece => piece !== '')
  const dfa = typeof stop === 'string' ? yield* without(stop, rules) : ANYTHING
  const end = rules.step(from)
  return rules.terminal(from, yield* rawTerminal(rules, dfa), end)
}

/** A text of the automaton, of characters that the vocabulary can write. */
export function* rawTerminal(rules: Rules, dfa: Dfa): Work<Terminal> {
  const { writable, budget } = rules
  if (writable === undefined) return new Terminal(dfa, { form: 'raw' }, budget)
  const nfa = new Nfa(budget)
  const at = nfa.node()
  nfa.on(at, writable, at)
  const all = yield* determinise(nfa, at, at, budget)
  return new Terminal(yield* combine(dfa, all, 'and', budget), { form: 'raw' }, budget)
}

/** Every text that does not hold this one. */
function* without(text: string, rules: Rules): Work<Dfa> {
  const nfa = new Nfa(rules.budget)
  const start = nfa.node()
  const any = charSet([0, 0x10ffff])
  nfa.on(start, any, start)
  const end = nfa.text(start, text)
  nfa.on(end, any, end)
  return yield* complement(yield* determinise(nfa, start, end, rules.budget), rules.budget)
}

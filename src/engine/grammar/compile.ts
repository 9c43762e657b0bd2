// From what a request asks for to a grammar that masks tokens of one vocabulary. The whole of grammar/
// behind one function; the engine drives it in small pieces (grammar.ts).
import type { Guide } from '../sampling/logit-filter.ts'
import type { CharSet } from './automata/charset.ts'
import { regexDfa } from './automata/regex.ts'
import { type CallsSpec, callRules, type TextSpec } from './calls.ts'
import { ebnfRules } from './rules/ebnf.ts'
import { withoutLeftRecursion } from './rules/left-recursion.ts'
import { type Piece, rawTerminal, writeFreeText, writePieces } from './rules/pieces.ts'
import { prepare, silentFrom } from './rules/prepare.ts'
import { Rules } from './rules/rules.ts'
import { CompiledGrammar } from './run/filter.ts'
import { Machine } from './run/machine.ts'
import { Masks } from './run/mask.ts'
import { type Described, describe, Place, type Tokens } from './run/place.ts'
import type { Vocabulary } from './run/vocabulary.ts'
import type { Unenforced } from './schema/context.ts'
import { schemaRules } from './schema/schema.ts'
import { Budget, type Work } from './work.ts'

/** What a text has to be. */
export type GrammarSpec = TextSpec | CallsSpec

/** What may stand before a constrained text: reasoning between two tags, which is free. */
export interface Lead {
  readonly open: readonly Piece[]
  readonly close: readonly Piece[]
  /** It has to be there; else it may. */
  readonly required: boolean
}

/** What an answer is held to, and the option that asks for it. */
export interface GrammarRequest {
  readonly spec: GrammarSpec & { readonly lead?: Lead }
  readonly option: 'responseFormat' | 'tools' | 'reasoning'
}

export interface Compiled {
  grammar: CompiledGrammar
  unenforced: Unenforced[]
}

/**
 * Compiles for a vocabulary.
 * @throws GrammarFault with the place that is wrong, too large, or cannot be enforced
 */
export function* compile(
  spec: GrammarSpec & { lead?: Lead },
  vocabulary: Vocabulary,
  budget = new Budget(),
): Work<Compiled> {
  const { rules, unenforced } = yield* rulesOf(spec, vocabulary.writable, budget)
  if (spec.lead !== undefined) yield* addLead(rules, spec.lead)
  return { grammar: yield* ready(rules, vocabulary), unenforced }
}

/** A form that an answer probably has: it masks nothing, and needs no walk of the vocabulary. */
export class CompiledGuide {
  readonly #described: Described
  readonly #machine: Machine

  constructor(machine: Machine, tokens: Tokens) {
    this.#described = describe(tokens)
    this.#machine = machine
  }

  /** A guide at the start of an answer. */
  begin(): Guide {
    return new Place(this.#described, this.#machine.start)
  }
}

/**
 * Compiles what answers are guessed by.
 * @throws GrammarFault as compile()
 */
export function* compileGuide(
  spec: GrammarSpec & { lead?: Lead },
  tokens: Tokens,
  budget = new Budget(),
): Work<CompiledGuide> {
  const { rules } = yield* rulesOf(spec, undefined, budget)
  if (spec.lead !== undefined) yield* addLead(rules, spec.lead)
  return new CompiledGuide(new Machine(rules, yield* prepare(rules)), tokens)
}

function* addLead(rules: Rules, { open, close, required }: Lead): Work<void> {
  const text = rules.root
  rules.root = rules.rule('')
  const { start, end } = rules.rules[rules.root]
  const free = yield* writeFreeText(rules, writePieces(rules, start, open), close)
  const after = writePieces(rules, free, close)
  // Models write a line end or two behind it.
  const line = rules.step(after)
  for (let i = 0, at = after; i < 2; i++) {
    at = rules.byte(at, 0x0a)
    rules.step(at, line)
  }
  if (!required) rules.step(start, line)
  rules.call(line, text, end)
}

function* ready(rules: Rules, vocabulary: Vocabulary): Work<CompiledGrammar> {
  const rank = yield* prepare(rules)
  return new CompiledGrammar(new Masks(new Machine(rules, rank), vocabulary))
}

function* rulesOf(
  spec: GrammarSpec,
  writable: CharSet | undefined,
  budget: Budget,
): Work<{ rules: Rules; unenforced: Unenforced[] }> {
  switch (spec.kind) {
    case 'schema':
      return yield* schemaRules(spec.schema, { strict: spec.strict, writable }, budget)
    case 'ebnf': {
      const written = yield* ebnfRules(spec.ebnf, spec.root, budget, writable)
      const { rules, empty } = yield* withoutLeftRecursion(written)
      const inner = rules.root
      rules.root = rules.rule(rules.rules[inner].place)
      const { start, end } = rules.rules[rules.root]
      rules.call(start, inner, end)
      if (empty) rules.step(start, end)
      return { rules, unenforced: [] }
    }
    case 'regex': {
      const rules = new Rules(budget, writable)
      rules.root = rules.rule('')
      const { start, end } = rules.rules[rules.root]
      const options = { mode: 'whole', lookahead: false } as const
      const dfa = yield* regexDfa(spec.pattern, options, budget)
      rules.terminal(start, yield* rawTerminal(rules, dfa), end)
      if (!dfa.empty && dfa.accept[0] === 1) rules.step(start, end)
      return { rules, unenforced: [] }
    }
    case 'calls':
      return yield* callsOrText(spec, writable, budget)
    default:
      return spec satisfies never
  }
}

/** Calls; or, where the answer may also be a text of its own form, one or the other. */
function* callsOrText(
  spec: CallsSpec,
  writable: CharSet | undefined,
  budget: Budget,
): Work<{ rules: Rules; unenforced: Unenforced[] }> {
  if (spec.text === undefined) {
    const rules = new Rules(budget, writable)
    return { unenforced: yield* callRules(spec, rules), rules }
  }
  // Also where a call is required: a wrong format is refused, whatever else is asked for.
  const { rules, unenforced } = yield* rulesOf(spec.text, writable, budget)
  const text = rules.root
  rules.needed.push({ rule: text, name: '' })
  const ofTools = yield* callRules(spec, rules)
  if (spec.choice === 'auto') {
    const calls = rules.root
    rules.root = rules.rule('')
    const { start, end } = rules.rules[rules.root]
    rules.call(start, text, end)
    rules.call(start, calls, end)
    if (mayBeEmpty(rules, text)) rules.step(start, end)
  }
  return { rules, unenforced: [...unenforced, ...ofTools] }
}

/** Of a rule made by rulesOf(), whose empty text is a step of its own. */
function mayBeEmpty(rules: Rules, rule: number): boolean {
  const { start, end } = rules.rules[rule]
  return silentFrom(rules, start).includes(end)
}

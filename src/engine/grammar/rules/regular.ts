// The parts of an EBNF grammar that do not call themselves are regular: one automaton over characters, a terminal,
// instead of rules over bytes, so that masks walk them as they walk a pattern. Called by ebnf.ts.

import { ANY, type CharSet, classify } from '../automata/charset.ts'
import { combine, Dfa } from '../automata/dfa.ts'
import { determinise, Nfa } from '../automata/nfa.ts'
import type { Terminal } from '../run/terminal.ts'
import { Budget, GrammarFault, type Work } from '../work.ts'
import type { Tree } from './ebnf-text.ts'
import { rawTerminal } from './pieces.ts'
import type { Rules } from './rules.ts'

/** Places of one automaton before it is made deterministic; larger parts stay rules. */
const MOST_PLACES = 2000
/** Steps for one part, and for all of a grammar: beyond, they stay rules. */
const PART_STEPS = 300_000
const ALL_STEPS = 3_000_000
/** Trees within trees, names followed; what is deeper stays rules. */
const MAX_DEPTH = 300
/** Characters of a class, and alternatives, from which on an automaton is worth it. */
const WIDE = 8
const MANY = 16

const ONLY_EMPTY = new Dfa(classify([ANY]).classes, Int32Array.of(-1), Uint8Array.of(1))

/** A part as a terminal, which is never empty; `empty`: it may be left out. */
export interface RegularPart {
  readonly terminal: Terminal
  readonly empty: boolean
}

interface Facts {
  /** Places when it is written out, or Infinity. */
  readonly places: number
  readonly worth: boolean
}

const IRREGULAR: Facts = { places: Number.POSITIVE_INFINITY, worth: false }

export class RegularParts {
  readonly #trees: ReadonlyMap<string, { tree: Tree }>
  readonly #rules: Rules
  readonly #facts = new Map<Tree, Facts>()
  readonly #open = new Set<string>()
  /** By the first tree of a list and the number of them. */
  readonly #made = new Map<Tree, Map<number, RegularPart | undefined>>()
  #left = ALL_STEPS

  constructor(trees: ReadonlyMap<string, { tree: Tree }>, rules: Rules) {
    this.#trees = trees
    this.#rules = rules
  }

  /** It calls no rule that calls itself, and is not too large. */
  isRegular(tree: Tree): boolean {
    return this.#of(tree, 0).places <= MOST_PLACES
  }

  /**
   * Trees in a row, or one of them, as a terminal.
   * @returns undefined where they are not regular, or rules are as good
   */
  *part(kind: 'all' | 'one', list: readonly Tree[]): Work<RegularPart | undefined> {
    const facts = list.map(tree => this.#of(tree, 0))
    const places = facts.reduce((sum, fact) => sum + fact.places, 0)
    const worth = facts.some(fact => fact.worth) || (kind === 'one' && list.length >= MANY)
    if (places > MOST_PLACES || !worth || this.#left <= 0) return undefined
    const key = kind === 'all' ? list.length : -list.length
    const known = this.#made.get(list[0]) ?? new Map<number, RegularPart | undefined>()
    this.#made.set(list[0], known)
    if (known.has(key)) return known.get(key)
    const budget = new Budget(Math.min(PART_STEPS, this.#left))
    let made: RegularPart | undefined
    try {
      made = yield* this.#terminal({ kind, list: [...list] }, budget)
    } catch (caught) {
      // Too large an automaton: rules do it.
      if (!(caught instanceof GrammarFault)) throw caught
    }
    this.#left -= budget.steps
    this.#rules.budget.spend(budget.steps)
    known.set(key, made)
    return made
  }

  *#terminal(tree: Tree, budget: Budget): Work<RegularPart | undefined> {
    const nfa = new Nfa(budget)
    const start = nfa.node()
    const end = yield* this.#write(nfa, start, tree)
    const dfa = yield* determinise(nfa, start, end, budget)
    if (dfa.empty) return undefined
    const empty = dfa.accept[0] === 1
    const filled = empty ? yield* combine(dfa, ONLY_EMPTY, 'minus', budget) : dfa
    const terminal = yield* rawTerminal(this.#rules, filled)
    return terminal.empty ? undefined : { terminal, empty }
  }

  #of(tree: Tree, depth: number): Facts {
    const known = this.#facts.get(tree)
    if (known !== undefined) return known
    if (depth > MAX_DEPTH) return IRREGULAR
    const facts = this.#look(tree, depth)
    // What lies within a rule that is looked at just now may only seem to call itself.
    if (facts !== IRREGULAR || this.#open.size === 0) this.#facts.set(tree, facts)
    return facts
  }

  #look(tree: Tree, depth: number): Facts {
    switch (tree.kind) {
      case 'text':
        return { places: tree.text.length, worth: false }
      case 'chars':
        return { places: 1, worth: isWide(tree.set) }
      case 'name': {
        const rule = this.#trees.get(tree.name)
        if (rule === undefined || this.#open.has(tree.name)) return IRREGULAR
        this.#open.add(tree.name)
        const facts = this.#of(rule.tree, depth + 1)
        this.#open.delete(tree.name)
        return facts
      }
      case 'all':
      case 'one': {
        let places = 1
        let worth = tree.kind === 'one' && tree.list.length >= MANY
        for (const part of tree.list) {
          const facts = this.#of(part, depth + 1)
          places += facts.places
          if (places > MOST_PLACES) return IRREGULAR
          worth ||= facts.worth
        }
        return { places, worth }
      }
      case 'repeat': {
        const { places, worth } = this.#of(tree.of, depth + 1)
        if (places > MOST_PLACES) return IRREGULAR
        const copies = tree.max === Number.POSITIVE_INFINITY ? tree.min + 1 : tree.max
        return places * copies > MOST_PLACES ? IRREGULAR : { places: places * copies + 1, worth }
      }
      default:
        return tree satisfies never
    }
  }

  *#write(nfa: Nfa, from: number, tree: Tree): Work<number> {
    switch (tree.kind) {
      case 'text':
        return nfa.text(from, tree.text)
      case 'chars':
        return nfa.on(from, tree.set)
      case 'name':
        return yield* this.#write(nfa, from, this.#trees.get(tree.name)!.tree)
      case 'all': {
        let at = from
        for (const part of tree.list) at = yield* this.#write(nfa, at, part)
        return at
      }
      case 'one': {
        const end = nfa.node()
        for (const part of tree.list) {
          const begin = nfa.step(from, nfa.node())
          nfa.step(yield* this.#write(nfa, begin, part), end)
        }
        yield
        return end
      }
      case 'repeat': {
        let at = nfa.step(from, nfa.node())
        for (let i = 0; i < tree.min; i++) at = yield* this.#write(nfa, at, tree.of)
        if (tree.max === Number.POSITIVE_INFINITY) {
          const loop = nfa.step(at, nfa.node())
          nfa.step(yield* this.#write(nfa, loop, tree.of), loop)
          return nfa.step(loop, nfa.node())
        }
        const end = nfa.node()
        for (let i = tree.min; i < tree.max; i++) {
          nfa.step(at, end)
          at = yield* this.#write(nfa, nfa.step(at, nfa.node()), tree.of)
        }
        return nfa.step(at, end)
      }
      default:
        return tree satisfies never
    }
  }
}

function isWide(set: CharSet): boolean {
  let chars = 0
  for (let i = 0; i < set.length; i += 2) chars += set[i + 1] - set[i] + 1
  return chars >= WIDE
}

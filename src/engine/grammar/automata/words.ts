// Automata of finite lists of texts: exactly these, or all but these. Called for enum, const, and the
// names that additional properties may not have.
import type { Budget, Work } from '../work.ts'
import { ANY, type CharSet, classify } from './charset.ts'
import { ANYTHING, type Dfa, NOTHING, TableBuilder, tidy } from './dfa.ts'

interface Trie {
  next: Map<number, number>
  ends: boolean
}

function* trieOf(words: Iterable<string>, budget: Budget): Work<Trie[]> {
  const nodes: Trie[] = [{ next: new Map(), ends: false }]
  for (const word of words) {
    let at = 0
    for (const char of word) {
      const cp = char.codePointAt(0)!
      let to = nodes[at].next.get(cp)
      if (to === undefined) {
        to = nodes.push({ next: new Map(), ends: false }) - 1
        nodes[at].next.set(cp, to)
      }
      at = to
    }
    nodes[at].ends = true
    budget.spend(word.length)
    if (budget.due()) yield
  }
  return nodes
}

function singles(nodes: readonly Trie[]): CharSet[] {
  const chars = new Set<number>()
  for (const node of nodes) for (const char of node.next.keys()) chars.add(char)
  return [...chars].map(char => [char, char])
}

/** Exactly these texts. */
export function* exactly(words: Iterable<string>, budget: Budget): Work<Dfa> {
  const nodes = yield* trieOf(words, budget)
  if (nodes.length === 1 && !nodes[0].ends) return NOTHING
  const { classes } = classify([ANY, ...singles(nodes)])
  const builder = new TableBuilder(classes.count, budget)
  for (const node of nodes) builder.add(node.ends)
  for (let state = 0; state < nodes.length; state++) {
    for (const [char, to] of nodes[state].next) builder.set(state, classes.of(char), to)
    budget.spend(classes.count)
    if (budget.due()) yield
  }
  return yield* tidy(builder.finish(classes), budget)
}

/**
 * Every text but these. With `guarded`, a text that goes on after one of them with a quote, a backslash
 * or a control character is left out too: a model that wanted to end there would otherwise escape into it.
 */
export function* allBut(words: Iterable<string>, guarded: boolean, budget: Budget): Work<Dfa> {
  const nodes = yield* trieOf(words, budget)
  if (nodes.length === 1 && !nodes[0].ends) return ANYTHING
  const specials: CharSet[] = guarded
    ? [
        [0, 0x1f],
        [0x22, 0x22],
        [0x5c, 0x5c],
      ]
    : []
  const { classes, members } = classify([ANY, ...specials, ...singles(nodes)])
  const barred = new Set(members.slice(1, 1 + specials.length).flat())
  const builder = new TableBuilder(classes.count, budget)
  for (const node of nodes) builder.add(!node.ends)
  const free = builder.add(true)
  for (let state = 0; state <= free; state++) {
    const node = nodes[state]
    for (let c = 0; c < classes.count; c++) {
      if (!(guarded && node?.ends && barred.has(c))) builder.set(state, c, free)
    }
    if (node) for (const [char, to] of node.next) builder.set(state, classes.of(char), to)
    budget.spend(classes.count)
    if (budget.due()) yield
  }
  return yield* tidy(builder.finish(classes), budget)
}

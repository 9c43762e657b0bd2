// Grammars in EBNF to rules: from the trees that ebnf-text.ts reads. What is regular becomes a terminal (regular.ts).
import type { CharSet } from '../automata/charset.ts'
import { type Budget, GrammarFault, type Work } from '../work.ts'
import { EbnfParser, type Tree } from './ebnf-text.ts'
import { RegularParts } from './regular.ts'
import { Rules } from './rules.ts'

/** Repeats of larger trees are counted at run time instead of copied. */
const MAX_COPIES = 256

/** @throws GrammarFault with line:column */
export function* ebnfRules(
  text: string,
  root: string,
  budget: Budget,
  writable?: CharSet,
): Work<Rules> {
  const parser = new EbnfParser(text)
  const trees = yield* parser.all(budget)
  if (!trees.has(root)) {
    throw new GrammarFault(`has no rule ${JSON.stringify(root)}, where texts begin`, '1:1')
  }
  const rules = new Rules(budget, writable)
  const ids = new Map<string, number>()
  for (const [name, { place }] of trees) ids.set(name, rules.rule(place))
  rules.root = ids.get(root)!
  const context = { rules, ids, regular: new RegularParts(trees, rules) }
  for (const [name, { tree, place }] of trees) {
    budget.place = place
    const { start, end } = rules.rules[ids.get(name)!]
    rules.step(yield* build(context, start, tree), end)
  }
  return rules
}

interface Context {
  readonly rules: Rules
  readonly ids: ReadonlyMap<string, number>
  readonly regular: RegularParts
}

function* build(context: Context, from: number, tree: Tree): Work<number> {
  const whole = yield* regularPart(context, from, 'all', [tree])
  if (whole !== undefined) return whole
  const { rules, ids } = context
  switch (tree.kind) {
    case 'text':
      return rules.text(from, tree.text)
    case 'chars':
      return rules.chars(from, tree.set)
    case 'name': {
      const id = ids.get(tree.name)
      if (id !== undefined) return rules.call(from, id)
      throw new GrammarFault(
        `uses the rule ${JSON.stringify(tree.name)}, which is not defined`,
        tree.place,
      )
    }
    case 'all':
      return yield* sequence(context, from, tree.list)
    case 'one': {
      const end = rules.node()
      const regular = tree.list.filter(part => context.regular.isRegular(part))
      const together =
        regular.length > 1
          ? yield* regularPart(context, rules.step(from), 'one', regular)
          : undefined
      if (together !== undefined) rules.step(together, end)
      for (const part of tree.list) {
        if (together !== undefined && context.regular.isRegular(part)) continue
        rules.step(yield* build(context, rules.step(from), part), end)
        yield
      }
      return end
    }
    case 'repeat':
      return yield* repeat(context, from, tree)
    default:
      return tree satisfies never
  }
}

/** Regular parts beside each other are one. */
function* sequence(context: Context, from: number, list: readonly Tree[]): Work<number> {
  let at = from
  for (let i = 0; i < list.length; ) {
    let next = i
    while (next < list.length && context.regular.isRegular(list[next])) next++
    const together =
      next - i > 1 ? yield* regularPart(context, at, 'all', list.slice(i, next)) : undefined
    if (together !== undefined) {
      at = together
      i = next
    } else for (next = Math.max(next, i + 1); i < next; i++) at = yield* build(context, at, list[i])
  }
  return at
}

/** @returns where the parts end, written as one terminal; undefined where they are not */
function* regularPart(
  { rules, regular }: Context,
  from: number,
  kind: 'all' | 'one',
  list: readonly Tree[],
): Work<number | undefined> {
  const part = yield* regular.part(kind, list)
  if (part === undefined) return undefined
  const to = rules.terminal(from, part.terminal)
  if (part.empty) rules.step(from, to)
  return to
}

function* repeat(
  context: Context,
  from: number,
  { of, min, max, place }: Tree & { kind: 'repeat' },
): Work<number> {
  const { rules } = context
  const copies = max === Number.POSITIVE_INFINITY ? min + 1 : max
  if (copies * sizeOf(of) > MAX_COPIES && copies > 1) {
    const body = rules.rule(place)
    rules.step(yield* build(context, rules.rules[body].start, of), rules.rules[body].end)
    return rules.call(from, countedRule(rules, body, min, max, place))
  }
  let at = rules.step(from)
  for (let i = 0; i < min; i++) at = yield* build(context, at, of)
  if (max === Number.POSITIVE_INFINITY) {
    const loop = rules.step(at)
    rules.step(yield* build(context, loop, of), loop)
    return rules.step(loop)
  }
  const end = rules.node()
  for (let i = min; i < max; i++) {
    rules.step(at, end)
    at = yield* build(context, rules.step(at), of)
  }
  rules.step(at, end)
  return end
}

/** A rule that calls another between min and max times, counting. */
export function countedRule(
  rules: Rules,
  body: number,
  min: number,
  max: number,
  place: string,
): number {
  const id = rules.rule(place)
  const rule = rules.rules[id]
  rule.counts = true
  const { start, end } = rule
  // An unbounded count needs no more than its minimum, so that states come again.
  if (max === Number.POSITIVE_INFINITY) {
    const more = rules.step(start, rules.node(), 0, min - 1, 1)
    rules.call(more, body, start)
    const free = rules.step(start, rules.node(), min)
    rules.call(free, body, start)
  } else rules.call(rules.step(start, rules.node(), 0, max - 1, 1), body, start)
  rules.step(start, end, min)
  return id
}

function sizeOf(tree: Tree): number {
  switch (tree.kind) {
    case 'text':
      return tree.text.length
    case 'all':
    case 'one':
      return tree.list.reduce((sum, part) => sum + sizeOf(part), 1)
    case 'repeat':
      return sizeOf(tree.of) * Math.max(1, Math.min(tree.max, tree.min + 1))
    default:
      return 1
  }
}

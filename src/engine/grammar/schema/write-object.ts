// An object to rules: named properties in declared order, each optional one left out or not, then the
// others, whose names must differ from the named ones and from each other. Each object is a rule of its
// own, as its counter and the names it has seen belong to a call. Called by write-values.ts.
import { combine, type Dfa } from '../automata/dfa.ts'
import { allBut } from '../automata/words.ts'
import { GrammarFault, type Work } from '../work.ts'
import { type Expr, FALSE, type ObjectClause } from './expr.ts'
import { type Named, writeNames } from './write-names.ts'
import type { Writer } from './writer.ts'

const NO_LIMIT = Number.POSITIVE_INFINITY
const MAX_CELLS = 60_000
const MAX_GROUPS = 64
const MAX_VARIANTS = 64

/** Names that all stand under the same demands. */
interface Group {
  readonly names: Dfa
  readonly value: Expr
}

/** Adds the alternatives of a clause from start to end. */
export function* writeObject(
  writer: Writer,
  clause: ObjectClause,
  start: number,
  end: number,
  place: string,
): Work<void> {
  const order = new Set<string>()
  for (const table of clause.tables) for (const name of table.named.keys()) order.add(name)
  for (const name of clause.required.keys()) order.add(name)
  const named: Named[] = []
  for (const name of order) {
    const value = yield* writer.shapes.valueOf(clause, name)
    const required = clause.required.has(name)
    if (yield* writer.shapes.surelyEmpty(value)) {
      if (required) return
      continue
    }
    named.push({ name, value, required })
  }
  const groups = yield* groupsOf(writer, clause, order)
  for (const { chosen, musts } of yield* variants(writer, clause, named, groups)) {
    yield* writeVariant(writer, clause, chosen, groups, musts, start, end, place)
  }
}

/** The names that are not listed, divided by the patterns they match. */
function* groupsOf(
  writer: Writer,
  clause: ObjectClause,
  listed: ReadonlySet<string>,
): Work<Group[]> {
  const { shapes, context } = writer
  const { budget, exprs } = context
  // Nothing to divide where every other name is refused at once.
  const closed = clause.tables.some(table => table.patterns.length === 0 && table.rest === FALSE)
  if (closed) return []
  let all = yield* allBut(listed, true, budget)
  for (const names of clause.names) {
    all = yield* combine(all, yield* shapes.nameDfa(names), 'and', budget)
  }
  const patterns = new Map<number, Expr>()
  for (const table of clause.tables) {
    for (const { names } of table.patterns) patterns.set(names.id, names)
  }
  let parts: { names: Dfa; matched: ReadonlySet<number> }[] = [{ names: all, matched: new Set() }]
  for (const [id, names] of patterns) {
    const dfa = yield* shapes.nameDfa(names)
    const next: typeof parts = []
    for (const part of parts) {
      const inside = yield* combine(part.names, dfa, 'and', budget)
      const outside = yield* combine(part.names, dfa, 'minus', budget)
      if (!inside.empty) next.push({ names: inside, matched: new Set([...part.matched, id]) })
      if (!outside.empty) next.push({ names: outside, matched: part.matched })
    }
    parts = next
    if (parts.length > MAX_GROUPS) {
      throw new GrammarFault(
        `divides names into more than ${MAX_GROUPS} groups; use fewer patternProperties`,
        budget.place,
      )
    }
  }
  const groups: Group[] = []
  for (const { names, matched } of parts) {
    if (names.empty) continue
    const demands = clause.tables.flatMap(({ patterns: list, rest }) => {
      const hit = list.filter(p => matched.has(p.names.id))
      return hit.length === 0 ? [rest] : hit.map(p => p.value)
    })
    const value = exprs.and(...demands)
    if (!(yield* shapes.surelyEmpty(value))) groups.push({ names, value })
  }
  return groups
}

/** The ways to meet each "some property is such": one of the listed, or one more of the others. */
function* variants(
  writer: Writer,
  clause: ObjectClause,
  named: readonly Named[],
  groups: readonly Group[],
): Work<{ chosen: readonly Named[]; musts: readonly Group[] }[]> {
  const { shapes, context } = writer
  let found: { chosen: readonly Named[]; musts: readonly Group[] }[] = [
    { chosen: named, musts: [] },
  ]
  for (const { names, value } of clause.exists) {
    const dfa = yield* shapes.nameDfa(names)
    const next: typeof found = []
    for (const { chosen, musts } of found) {
      for (let i = 0; i < chosen.length; i++) {
        if (!dfa.matches(chosen[i].name)) continue
        const both = context.exprs.and(chosen[i].value, value)
        if (yield* shapes.surelyEmpty(both)) continue
        next.push({ chosen: chosen.with(i, { ...chosen[i], value: both, required: true }), musts })
      }
      for (const group of groups) {
        const some = yield* combine(group.names, dfa, 'and', context.budget)
        const both = context.exprs.and(group.value, value)
        if (some.empty || (yield* shapes.surelyEmpty(both))) continue
        next.push({ chosen, musts: [...musts, { names: some, value: both }] })
      }
    }
    if (next.length > MAX_VARIANTS) {
      throw new GrammarFault(
        `can be met in more than ${MAX_VARIANTS} ways; use less "not" and "oneOf" over objects`,
        context.budget.place,
      )
    }
    found = next
  }
  return found
}

function* writeVariant(
  writer: Writer,
  clause: ObjectClause,
  named: readonly Named[],
  groups: readonly Group[],
  musts: readonly Group[],
  start: number,
  end: number,
  place: string,
): Work<void> {
  const { rules, context } = writer
  const min = clause.min
  const max = clause.max
  const others = groups.map(group => ({ ...group, terminal: writer.string(group.names) }))
  const room = others.reduce((sum, { terminal }) => sum + terminal.texts, 0)
  // Without bounds it only matters whether something stands before, for the comma.
  const counts = min > 1 || max < NO_LIMIT
  const cap = counts ? Math.min(named.length, max < NO_LIMIT ? max : min) : 1
  if (named.length * cap > MAX_CELLS) {
    throw new GrammarFault(
      `counts ${named.length} properties up to ${cap}; the limit is ${MAX_CELLS} together`,
      place,
    )
  }
  const id = rules.rule(place)
  rules.call(start, id, end)
  const rule = rules.rules[id]
  const open = writer.sign(rule.start, '{')
  const close = rules.node()
  rules.step(rules.text(close, '}'), rule.end)

  const rest = (cell: number, c: number) =>
    writeOthers(writer, { cell, c, min, max, room, others, musts, close })
  if (!counts) {
    const { none, some } = yield* writeNames(writer, named, open)
    if (none !== undefined) rest(none, 0)
    if (named.length > 0) rest(rules.setCounter(some, 0), 1)
    return
  }
  // cells[c]: c properties are written (or at least c, at the cap) of those before.
  let cells: (number | undefined)[] = [open]
  /** Required ones still to come. */
  let later = named.reduce((n, p) => n + (p.required ? 1 : 0), 0) + musts.length
  for (const { name, value, required } of named) {
    const next: (number | undefined)[] = []
    const cellAt = (c: number): number => (next[c] ??= rules.node())
    if (required) later--
    cells.forEach((from, c) => {
      if (from === undefined) return
      if (!required) rules.step(from, cellAt(c))
      if (c + 1 + later > max) return
      const to = Math.min(c + 1, cap)
      writeProperty(writer, c === 0 ? from : writer.sign(from, ','), name, value, cellAt(to))
    })
    cells = next
    if (context.budget.due()) yield
  }
  cells.forEach((cell, c) => {
    if (cell !== undefined) rest(cell, c)
  })
}

function writeProperty(writer: Writer, from: number, name: string, value: Expr, to: number): void {
  const { rules } = writer
  const colon = writer.space(writer.quoted(from, name))
  writer.space(rules.call(writer.sign(colon, ':'), writer.value(value)), to)
}

interface Others {
  /** Where they begin, and the properties before. */
  cell: number
  c: number
  min: number
  max: number
  /** How many names there are. */
  room: number
  others: readonly (Group & { terminal: ReturnType<Writer['string']> })[]
  musts: readonly Group[]
  close: number
}

function writeOthers(writer: Writer, of: Others): void {
  const { rules } = writer
  const { c, min, max, room, others, musts, close } = of
  const entry = (
    from: number,
    list: readonly { terminal: ReturnType<Writer['string']>; value: Expr }[],
    to: number,
  ) => {
    for (const { terminal, value } of list) {
      const colon = writer.space(rules.terminal(rules.byte(from, 0x22), terminal, undefined, true))
      writer.space(rules.call(writer.sign(colon, ':'), writer.value(value)), to)
    }
  }
  let at = of.cell
  let before = c
  for (const { names, value } of musts) {
    const from = before === 0 ? at : writer.sign(at, ',')
    at = rules.node()
    entry(from, [{ terminal: writer.string(names), value }], at)
    before++
  }
  const needed = Math.max(0, min - before)
  const most = Math.min(max - before, room - musts.length)
  if (needed > most) return
  if (needed === 0) rules.step(at, close)
  if (most === 0 || others.length === 0) return
  // The first is apart, as it may have no comma; the rest are counted.
  const loop = rules.node()
  entry(before === 0 ? at : writer.sign(at, ','), others, loop)
  const left = Math.max(0, needed - 1)
  rules.step(loop, close, left)
  if (most === NO_LIMIT) {
    if (left > 0)
      entry(writer.sign(rules.step(loop, rules.node(), 0, left - 1, 1), ','), others, loop)
    entry(writer.sign(rules.step(loop, rules.node(), left), ','), others, loop)
  } else if (most > 1) {
    entry(writer.sign(rules.step(loop, rules.node(), 0, most - 2, 1), ','), others, loop)
  }
}

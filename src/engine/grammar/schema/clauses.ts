// Demands on lists and objects: all at once, and their opposites. Called by shape.ts and the writers.
import { complement } from '../automata/dfa.ts'
import { exactly } from '../automata/words.ts'
import type { Work } from '../work.ts'
import type { SchemaContext } from './context.ts'
import {
  type Expr,
  FALSE,
  type ListClause,
  type ObjectClause,
  type PropertyTable,
  TRUE,
} from './expr.ts'

const NO_LIMIT = Number.POSITIVE_INFINITY
export const ANY_OBJECT: ObjectClause = {
  tables: [],
  required: new Map(),
  min: 0,
  max: NO_LIMIT,
  names: [],
  exists: [],
}
export const ANY_LIST: ListClause = {
  tables: [],
  contains: [],
  min: 0,
  max: NO_LIMIT,
  unique: undefined,
}

export function mergeObjects(a: ObjectClause, b: ObjectClause): ObjectClause {
  return {
    tables: join(a.tables, b.tables),
    required: new Map([...a.required, ...b.required]),
    min: Math.max(a.min, b.min),
    max: Math.min(a.max, b.max),
    names: join(a.names, b.names),
    exists: join(a.exists, b.exists),
  }
}

export function mergeLists(a: ListClause, b: ListClause): ListClause {
  return {
    tables: join(a.tables, b.tables),
    contains: join(a.contains, b.contains),
    min: Math.max(a.min, b.min),
    max: Math.min(a.max, b.max),
    unique: a.unique ?? b.unique,
  }
}

function join<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  return b.length === 0 ? a : [...new Set([...a, ...b])]
}

/** A table that says nothing but of these names. */
function tableOf(names: Expr, value: Expr): PropertyTable {
  return { named: new Map(), patterns: [{ names, value }], rest: TRUE }
}

/** Alternatives that together are every object but those of the clause. */
export function* oppositeObject(
  clause: ObjectClause,
  context: SchemaContext,
): Work<ObjectClause[]> {
  const { exprs, budget } = context
  const not = (expr: Expr) => exprs.not(expr)
  const found: ObjectClause[] = []
  const exists = (names: Expr, value: Expr) => {
    if (value !== FALSE && names !== FALSE) {
      found.push({ ...ANY_OBJECT, exists: [{ names, value }] })
    }
  }
  for (const table of clause.tables) {
    for (const [name, value] of table.named) {
      if (value === TRUE) continue
      const named = new Map([[name, not(value)]])
      found.push({
        ...ANY_OBJECT,
        tables: [{ named, patterns: [], rest: TRUE }],
        required: new Map([[name, budget.place]]),
      })
    }
    for (const { names, value } of table.patterns) exists(names, not(value))
    if (table.rest === TRUE) continue
    const listed = yield* exactly(table.named.keys(), budget)
    const terms = [{ dfa: yield* complement(listed, budget), min: 0, max: NO_LIMIT }]
    const others = table.patterns.map(({ names }) => not(names))
    exists(exprs.and(exprs.atom({ of: 'string', terms }), ...others), not(table.rest))
  }
  for (const name of clause.required.keys()) {
    const named = new Map([[name, FALSE]])
    found.push({ ...ANY_OBJECT, tables: [{ named, patterns: [], rest: TRUE }] })
  }
  if (clause.min > 0) found.push({ ...ANY_OBJECT, max: clause.min - 1 })
  if (clause.max < NO_LIMIT) found.push({ ...ANY_OBJECT, min: clause.max + 1 })
  for (const names of clause.names) exists(not(names), TRUE)
  for (const { names, value } of clause.exists) {
    found.push({ ...ANY_OBJECT, tables: [tableOf(names, not(value))] })
  }
  return found
}

export function oppositeList(clause: ListClause, not: (expr: Expr) => Expr): ListClause[] {
  const found: ListClause[] = []
  for (const { prefix, rest } of clause.tables) {
    prefix.forEach((value, i) => {
      if (value === TRUE) return
      const before = Array.from({ length: i }, () => TRUE)
      found.push({
        ...ANY_LIST,
        tables: [{ prefix: [...before, not(value)], rest: TRUE }],
        min: i + 1,
      })
    })
    if (rest !== TRUE) {
      const contains = [{ from: prefix.length, value: not(rest), min: 1, max: NO_LIMIT }]
      found.push({ ...ANY_LIST, contains })
    }
  }
  for (const { from, value, min, max } of clause.contains) {
    if (min > 0) found.push({ ...ANY_LIST, contains: [{ from, value, min: 0, max: min - 1 }] })
    if (max < NO_LIMIT) {
      found.push({ ...ANY_LIST, contains: [{ from, value, min: max + 1, max: NO_LIMIT }] })
    }
  }
  if (clause.min > 0) found.push({ ...ANY_LIST, max: clause.min - 1 })
  if (clause.max < NO_LIMIT) found.push({ ...ANY_LIST, min: clause.max + 1 })
  return found
}

/** What the item of a list has to be. */
export function itemOf(clause: ListClause, index: number, context: SchemaContext): Expr {
  return context.exprs.and(...clause.tables.map(({ prefix, rest }) => prefix[index] ?? rest))
}

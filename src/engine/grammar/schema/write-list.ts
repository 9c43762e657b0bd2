// A list to rules: items by position, contains by counting, uniqueItems by remembering what was written.
// Each list is a rule of its own, as counter and memory belong to a call. Called by write-values.ts.
import { ANYTHING, NOTHING } from '../automata/dfa.ts'
import type { Terminal } from '../run/terminal.ts'
import { GrammarFault, type Work } from '../work.ts'
import { itemOf } from './clauses.ts'
import { type Expr, FALSE, type ListClause } from './expr.ts'
import { oneSpelling, written } from './numbers.ts'
import { foldLength } from './strings.ts'
import type { Writer } from './writer.ts'

const NO_LIMIT = Number.POSITIVE_INFINITY
const MAX_CELLS = 20_000

/** Adds an alternative from start to end. */
export function* writeList(
  writer: Writer,
  clause: ListClause,
  start: number,
  end: number,
  place: string,
): Work<void> {
  const { rules } = writer
  const id = rules.rule(place)
  rules.call(start, id, end)
  const rule = rules.rules[id]
  const open = writer.sign(rule.start, '[')
  const close = rules.node()
  rules.step(rules.text(close, ']'), rule.end)
  const unique = clause.unique !== undefined && clause.max > 1 ? clause.unique : undefined
  if (unique !== undefined) {
    const different = yield* differentItems(writer, clause, unique)
    if (different !== undefined) {
      plainList(
        writer,
        { ...clause, max: Math.min(clause.max, different.count) },
        open,
        close,
        from => different.item(from),
      )
      return
    }
  }
  if (clause.contains.length > 0) yield* containing(writer, clause, open, close)
  else {
    plainList(writer, clause, open, close, (from, index) => {
      const item = itemOf(clause, index, writer.context)
      return item === FALSE ? undefined : rules.call(from, writer.value(item))
    })
  }
}

/** Items by position up to the longest prefix, then a loop that counts. */
function plainList(
  writer: Writer,
  clause: ListClause,
  open: number,
  close: number,
  write: (from: number, index: number) => number | undefined,
): void {
  const { rules } = writer
  const { min, max } = clause
  const prefix = Math.max(0, ...clause.tables.map(table => table.prefix.length))
  let at = open
  for (let i = 0; i <= prefix; i++) {
    if (i >= min) rules.step(at, close)
    if (i >= max) return
    const before = i === 0 ? at : writer.sign(at, ',')
    const after = write(before, i)
    if (after === undefined) return
    at = writer.space(after)
  }
  // prefix + 1 items are written; counted from here.
  const more = max - prefix - 1
  const needed = Math.max(0, min - prefix - 1)
  rules.step(at, close, needed)
  const item = (counted: number) => {
    const after = write(writer.sign(counted, ','), prefix + 1)
    if (after !== undefined) writer.space(after, at)
  }
  if (more === Number.POSITIVE_INFINITY) {
    if (needed > 0) item(rules.step(at, rules.node(), 0, needed - 1, 1))
    item(rules.step(at, rules.node(), needed))
  } else if (more > 0) item(rules.step(at, rules.node(), 0, more - 1, 1))
}

/** Cells of a table: items so far, and for each contains how many were such. */
function* containing(writer: Writer, clause: ListClause, open: number, close: number): Work<void> {
  const { rules, context } = writer
  const { exprs } = context
  const { contains, min, max } = clause
  const counted = min > 0 || max < Number.POSITIVE_INFINITY
  const last = Math.max(
    1,
    ...clause.tables.map(table => table.prefix.length),
    ...contains.map(c => c.from),
    counted ? (max < Number.POSITIVE_INFINITY ? max : min) : 0,
  )
  const caps = contains.map(c => (c.max < Number.POSITIVE_INFINITY ? c.max : c.min))
  const cells = caps.reduce((product, cap) => product * (cap + 1), last + 1)
  if (cells > MAX_CELLS || contains.length > 6) {
    throw new GrammarFault(
      `counts in too many ways at once (${cells} places, limit ${MAX_CELLS}): contains with minItems or maxItems`,
      context.budget.place,
    )
  }
  const nodes = new Map<string, number>()
  const todo: { node: number; i: number; found: readonly number[] }[] = []
  const cell = (i: number, found: readonly number[]): number => {
    const key = `${i}:${found.join()}`
    let node = nodes.get(key)
    if (node === undefined) {
      node = todo.length === 0 ? open : rules.node()
      nodes.set(key, node)
      todo.push({ node, i, found })
    }
    return node
  }
  cell(
    0,
    contains.map(() => 0),
  )
  for (let next = 0; next < todo.length; next++) {
    const { node, i, found } = todo[next]
    if (i >= min && contains.every((c, k) => found[k] >= c.min)) rules.step(node, close)
    if (i === max) continue
    const item = itemOf(clause, i, context)
    const before = i === 0 ? node : writer.sign(node, ',')
    // Which of them this item is counted for; not counted it need only differ where counts are limited.
    for (let choice = 0; choice < 1 << contains.length; choice++) {
      const parts: Expr[] = [item]
      const after = [...found]
      let possible = true
      contains.forEach((c, k) => {
        const such = (choice >> k) & 1
        if (i < c.from) {
          if (such === 1) possible = false
          return
        }
        if (such === 1) {
          const limited = c.max < Number.POSITIVE_INFINITY
          if (limited ? found[k] >= c.max : found[k] >= c.min) possible = false
          after[k] = Math.min(found[k] + 1, caps[k])
          parts.push(c.value)
        } else if (c.max < Number.POSITIVE_INFINITY) parts.push(exprs.not(c.value))
      })
      if (!possible) continue
      const value = exprs.and(...parts)
      if (yield* writer.shapes.surelyEmpty(value)) continue
      const to = cell(Math.min(i + 1, last), after)
      writer.space(rules.call(before, writer.value(value)), to)
    }
    yield
  }
}

interface Different {
  /** How many items there can be. */
  count: number
  item(from: number): number
}

/** Items that all differ, for strings, numbers and words; undefined where it is let pass. */
function* differentItems(
  writer: Writer,
  clause: ListClause,
  unique: string,
): Work<Different | undefined> {
  const { rules, context, shapes } = writer
  const cannot = (why: string) => {
    context.cannot('uniqueItems', unique, why)
    return undefined
  }
  const item = itemOf(clause, 0, context)
  const prefix = Math.max(0, ...clause.tables.map(table => table.prefix.length))
  for (let i = 1; i <= prefix; i++) {
    if (itemOf(clause, i, context) !== item) {
      return cannot('uniqueItems beside prefixItems cannot be enforced')
    }
  }
  if (clause.contains.length > 0) return cannot('uniqueItems beside contains cannot be enforced')
  const shape = yield* shapes.of(item)
  if (shape.lists.length > 0 || shape.objects.length > 0) {
    return cannot(
      'uniqueItems is enforced for strings, numbers, booleans and null, not for lists and objects',
    )
  }
  const before = context.budget.place
  context.budget.place = unique
  const made: { quote: boolean; terminal: Terminal }[] = []
  try {
    const [only, more] = shape.strings
    if (only?.dfa === ANYTHING && more === undefined) {
      made.push({ quote: true, terminal: writer.string(ANYTHING, only.min, only.max, 's') })
    } else if (only !== undefined) {
      let strings = NOTHING
      for (const term of shape.strings) {
        strings = yield* shapes.either(strings, yield* foldLength(term, context.budget))
      }
      made.push({ quote: true, terminal: writer.string(strings, 0, NO_LIMIT, 's') })
    }
    if (!shape.numbers.empty) {
      const one = yield* oneSpelling(shape.numbers, context.budget)
      const dfa = yield* written(one, shape.fineNumbers, context.budget)
      made.push({ quote: false, terminal: writer.terminal(dfa, { form: 'raw', kind: 'n' }) })
    }
  } catch (caught) {
    if (!(caught instanceof GrammarFault) || !caught.unsupported) throw caught
    return cannot(caught.message)
  } finally {
    context.budget.place = before
  }
  const words: Terminal[] = []
  for (const word of shape.words) words.push(yield* writer.word(word))
  const count = made.reduce((sum, { terminal }) => sum + terminal.texts, words.length)
  return {
    count,
    item(from) {
      const to = rules.node()
      for (const terminal of words) rules.terminal(from, terminal, to, true)
      for (const { quote, terminal } of made) {
        rules.terminal(quote ? rules.byte(from, 0x22) : from, terminal, to, true)
      }
      return to
    },
  }
}

// unevaluatedProperties and unevaluatedItems: what they speak of depends on which parts of a schema
// turned out to hold. So the schema is split into cases, one for each way its parts can hold, and in
// each case the names and places that are left are known. Fewer evaluated names demand more, so a case
// need not say that other parts fail. Called by keywords.ts.
import { GrammarFault, type Work } from '../work.ts'
import { ANY_LIST, ANY_OBJECT } from './clauses.ts'
import { LoopFault } from './context.ts'
import { has, isObject, type SchemaNode, step } from './document.ts'
import { type Expr, TRUE } from './expr.ts'
import type { Keywords } from './keywords.ts'

/** What has been evaluated. */
interface Cover {
  readonly named: ReadonlySet<string>
  readonly patterns: readonly Expr[]
  /** Items from the start. */
  readonly items: number
  readonly allNames: boolean
  readonly allItems: boolean
}

interface Case {
  readonly expr: Expr
  readonly cover: Cover
}

const NOTHING: Cover = {
  named: new Set(),
  patterns: [],
  items: 0,
  allNames: false,
  allItems: false,
}
const MAX_CASES = 256

/** @throws GrammarFault (unsupported) where there are too many cases */
export function* unevaluated(keywords: Keywords, node: SchemaNode, keyword: string): Work<Expr> {
  const { exprs } = keywords.context
  const value = keywords.sub(node, keyword)
  if (value === TRUE) return TRUE
  const found: Expr[] = []
  const cases = yield* casesOf({ keywords, keyword, open: new Set() }, node, true)
  for (const { expr, cover } of cases) {
    found.push(
      exprs.and(
        expr,
        keyword === 'unevaluatedProperties'
          ? restOfNames(keywords, cover, value)
          : restOfItems(keywords, cover, value),
      ),
    )
  }
  return exprs.or(...found)
}

function restOfNames(keywords: Keywords, cover: Cover, value: Expr): Expr {
  if (cover.allNames) return TRUE
  const named = new Map([...cover.named].map(name => [name, TRUE]))
  const patterns = cover.patterns.map(names => ({ names, value: TRUE }))
  return keywords.atom({
    of: 'object',
    clause: { ...ANY_OBJECT, tables: [{ named, patterns, rest: value }] },
  })
}

function restOfItems(keywords: Keywords, cover: Cover, value: Expr): Expr {
  if (cover.allItems) return TRUE
  const prefix = Array.from({ length: cover.items }, () => TRUE)
  return keywords.atom({
    of: 'array',
    clause: { ...ANY_LIST, tables: [{ prefix, rest: value }] },
  })
}

function join(a: Cover, b: Cover): Cover {
  return {
    named: new Set([...a.named, ...b.named]),
    patterns: [...new Set([...a.patterns, ...b.patterns])],
    items: Math.max(a.items, b.items),
    allNames: a.allNames || b.allNames,
    allItems: a.allItems || b.allItems,
  }
}

function isNothing({ named, patterns, items, allNames, allItems }: Cover): boolean {
  return named.size === 0 && patterns.length === 0 && items === 0 && !allNames && !allItems
}

interface Look {
  readonly keywords: Keywords
  readonly keyword: string
  /** Schemas that are being looked at. */
  readonly open: Set<string>
}

function* own({ keywords, keyword }: Look, node: SchemaNode, outermost: boolean): Work<Cover> {
  const { value } = node
  if (!isObject(value)) return NOTHING
  const old = Array.isArray(value.items)
  const tuple = old ? value.items : value.prefixItems
  if (has(value, 'contains') && keyword === 'unevaluatedItems') {
    keywords.context.cannot(
      'contains',
      step(node.pointer, 'contains'),
      'contains together with unevaluatedItems cannot be enforced',
    )
  }
  const itself = (key: string) => !outermost && has(value, key)
  return {
    named: new Set(isObject(value.properties) ? Object.keys(value.properties) : []),
    patterns: (yield* keywords.patterns(node)).map(({ names }) => names),
    items: Array.isArray(tuple) ? tuple.length : 0,
    allNames: has(value, 'additionalProperties') || itself('unevaluatedProperties'),
    allItems: has(value, old ? 'additionalItems' : 'items') || itself('unevaluatedItems'),
  }
}

/** Every way in which a schema can hold, with what is evaluated then. */
function* casesOf(look: Look, node: SchemaNode, outermost = false): Work<Case[]> {
  const { keywords, open } = look
  const { exprs, document } = keywords.context
  if (!isObject(node.value))
    return [{ expr: node.value ? exprs.and() : exprs.or(), cover: NOTHING }]
  if (open.has(node.pointer))
    throw new LoopFault('leads back to itself without a value between', node.pointer)
  open.add(node.pointer)
  const { value } = node
  const base = outermost
    ? exprs.and(...(yield* keywords.asserts(node)))
    : exprs.schema(node.pointer)
  let cases: Case[] = [{ expr: base, cover: yield* own(look, node, outermost) }]
  const sub = function* (...path: (string | number)[]): Work<Case[]> {
    const pointer = path.reduce<string>((at, key) => step(at, key), node.pointer)
    return yield* casesOf(look, document.at(pointer))
  }
  const times = (others: readonly Case[]) => {
    const next: Case[] = []
    for (const a of cases) {
      for (const b of others) {
        next.push({ expr: exprs.and(a.expr, b.expr), cover: join(a.cover, b.cover) })
      }
    }
    cases = next.filter(({ expr }) => expr.kind !== 'false')
    if (cases.length <= MAX_CASES) return
    throw new GrammarFault(
      `stands beside more than ${MAX_CASES} ways in which the schema can hold`,
      node.pointer,
      look.keyword,
      true,
    )
  }
  if (has(value, '$ref')) {
    times(yield* casesOf(look, keywords.target(node)))
  }
  for (let i = 0; i < (Array.isArray(value.allOf) ? value.allOf.length : 0); i++) {
    times(yield* sub('allOf', i))
  }
  if (Array.isArray(value.anyOf)) {
    // Any number of branches may hold; those that evaluate nothing make no case of their own.
    let held: Case[] = [
      {
        expr: exprs.or(...value.anyOf.map((_, i) => keywords.sub(node, 'anyOf', i))),
        cover: NOTHING,
      },
    ]
    for (let i = 0; i < value.anyOf.length; i++) {
      const branch = (yield* sub('anyOf', i)).filter(({ cover }) => !isNothing(cover))
      const more: Case[] = []
      for (const a of held) {
        for (const b of branch) {
          const expr = exprs.and(a.expr, b.expr)
          if (yield* keywords.shapes.surelyEmpty(expr)) continue
          more.push({ expr, cover: join(a.cover, b.cover) })
        }
      }
      held = [...held, ...more]
      if (held.length > MAX_CASES) times(held)
    }
    times(held)
  }
  if (Array.isArray(value.oneOf)) {
    const one = yield* keywords.exactlyOne(
      value.oneOf.map((_, i) => keywords.sub(node, 'oneOf', i)),
    )
    const held: Case[] = []
    for (let i = 0; i < value.oneOf.length; i++) held.push(...(yield* sub('oneOf', i)))
    times(held.map(({ expr, cover }) => ({ expr: exprs.and(one, expr), cover })))
  }
  if (has(value, 'if')) {
    const condition = yield* sub('if')
    const then = has(value, 'then') ? yield* sub('then') : [{ expr: TRUE, cover: NOTHING }]
    const otherwise = has(value, 'else') ? yield* sub('else') : [{ expr: TRUE, cover: NOTHING }]
    const held: Case[] = []
    for (const a of condition) {
      for (const b of then)
        held.push({ expr: exprs.and(a.expr, b.expr), cover: join(a.cover, b.cover) })
    }
    const failed = exprs.not(keywords.sub(node, 'if'))
    for (const { expr, cover } of otherwise) held.push({ expr: exprs.and(failed, expr), cover })
    times(held)
  }
  if (isObject(value.dependentSchemas)) {
    for (const name of Object.keys(value.dependentSchemas)) {
      times([
        { expr: keywords.absent(name), cover: NOTHING },
        ...(yield* sub('dependentSchemas', name)),
      ])
    }
  }
  open.delete(node.pointer)
  return cases
}

// const and enum: exactly these values, of any type, compared by value. Called by keywords.ts.
import { exactly } from '../automata/words.ts'
import { GrammarFault, type Work } from '../work.ts'
import { ANY_LIST, ANY_OBJECT } from './clauses.ts'
import type { SchemaContext } from './context.ts'
import type { Json } from './document.ts'
import { type Atom, type Expr, FALSE, type TypeName } from './expr.ts'
import { oneOfNumbers } from './numbers.ts'

/** Exactly these values, of any type. */
export function* valuesExpr(
  context: SchemaContext,
  values: readonly Json[],
  at: string,
): Work<Expr> {
  const { exprs, budget } = context
  if (values.length === 0) throw new GrammarFault('lists no value, so none can be written', at)
  const types = new Set<TypeName>()
  const strings: string[] = []
  const numbers: number[] = []
  const others: Expr[] = []
  for (const value of values) {
    if (value === null) types.add('null')
    else if (typeof value === 'boolean') types.add(value ? 'true' : 'false')
    else if (typeof value === 'string') {
      if (!value.isWellFormed()) {
        throw new GrammarFault('has half a surrogate pair, which cannot be written', at)
      }
      strings.push(value)
    } else if (typeof value === 'number') numbers.push(value)
    else others.push(yield* composite(context, value, at))
  }
  const only = (of: TypeName, atom: Atom): Expr =>
    exprs.and(exprs.atom({ of: 'types', types: new Set([of]) }), exprs.atom(atom))
  const parts: Expr[] = [...others]
  if (types.size > 0) parts.unshift(exprs.atom({ of: 'types', types }))
  if (numbers.length > 0) {
    parts.push(only('number', { of: 'number', dfa: yield* oneOfNumbers(numbers, budget) }))
  }
  if (strings.length > 0) {
    const dfa = yield* exactly(strings, budget)
    parts.push(only('string', { of: 'string', terms: [{ dfa, min: 0, max: Infinity }] }))
  }
  return exprs.or(...parts)
}

function* composite(
  context: SchemaContext,
  value: { readonly [key: string]: Json } | readonly Json[],
  at: string,
): Work<Expr> {
  const { exprs } = context
  if (Array.isArray(value)) {
    const prefix: Expr[] = []
    for (const item of value as readonly Json[]) prefix.push(yield* valuesExpr(context, [item], at))
    return exprs.and(
      exprs.atom({ of: 'types', types: new Set(['array']) }),
      exprs.atom({
        of: 'array',
        clause: {
          ...ANY_LIST,
          tables: [{ prefix, rest: FALSE }],
          min: prefix.length,
          max: prefix.length,
        },
      }),
    )
  }
  const named = new Map<string, Expr>()
  for (const [name, member] of Object.entries(value)) {
    named.set(name, yield* valuesExpr(context, [member], at))
  }
  return exprs.and(
    exprs.atom({ of: 'types', types: new Set(['object']) }),
    exprs.atom({
      of: 'object',
      clause: {
        ...ANY_OBJECT,
        tables: [{ named, patterns: [], rest: FALSE }],
        required: new Map([...named.keys()].map(name => [name, at])),
      },
    }),
  )
}

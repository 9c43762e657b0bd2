// What each keyword of a schema demands, as a formula. Every keyword of JSON Schema 2020-12 that asserts
// something is either here or refused by name; names that the standard does not know are annotations.
import { ANYTHING } from '../automata/dfa.ts'
import { regexDfa } from '../automata/regex.ts'
import { GrammarFault, type Work } from '../work.ts'
import { names, number, whole } from './checks.ts'
import { ANY_LIST, ANY_OBJECT } from './clauses.ts'
import type { SchemaContext } from './context.ts'
import { has, isObject, type Json, type SchemaNode, step } from './document.ts'
import { type Atom, type Expr, FALSE, TRUE, type TypeName, UNKNOWN } from './expr.ts'
import { FORMATS, HARD_FORMATS } from './formats.ts'
import { between, multiplesOf, nextDown, nextUp } from './numbers.ts'
import type { Shapes } from './shape.ts'
import { valuesExpr } from './values.ts'

type SchemaObject = Readonly<Record<string, Json>>

/** Asserting keywords of this or earlier drafts that no grammar here can hold. */
const REFUSED: Readonly<Record<string, string>> = {
  $dynamicRef: 'dynamic references are not enforced; use $ref',
  $recursiveRef: 'recursive references are not enforced; use $ref',
  extends: 'is of an old draft; use allOf',
  disallow: 'is of an old draft; use not',
  divisibleBy: 'is of an old draft; use multipleOf',
}

const TYPES: Readonly<Record<string, readonly TypeName[]>> = {
  null: ['null'],
  boolean: ['true', 'false'],
  number: ['number'],
  integer: ['number'],
  string: ['string'],
  array: ['array'],
  object: ['object'],
}
const ALL_TYPES: readonly TypeName[] = [
  'null',
  'true',
  'false',
  'number',
  'string',
  'array',
  'object',
]
const OBJECT_GROUP = ['properties', 'patternProperties', 'additionalProperties']
const LIST_GROUP = ['prefixItems', 'items', 'additionalItems']
const CONTAINS_GROUP = ['contains', 'minContains', 'maxContains']
const CONDITION_GROUP = ['if', 'then', 'else']

/** Reads keywords into formulas. */
export class Keywords {
  readonly context: SchemaContext
  shapes!: Shapes
  readonly #patterns = new Map<string, { names: Expr; value: Expr }[]>()

  constructor(context: SchemaContext) {
    this.context = context
  }

  /** The demands of all keywords but unevaluated*, in the order they are written. */
  *asserts(node: SchemaNode): Work<Expr[]> {
    const value = node.value as SchemaObject
    const parts: Expr[] = []
    const done = new Set<string>()
    for (const key of Object.keys(value)) {
      if (done.has(key)) continue
      for (const group of [OBJECT_GROUP, LIST_GROUP, CONTAINS_GROUP, CONDITION_GROUP]) {
        if (group.includes(key)) for (const member of group) done.add(member)
      }
      const at = step(node.pointer, key)
      parts.push(yield* this.context.attempt(key, at, this.#keyword(node, value, key)))
    }
    return parts
  }

  sub(node: SchemaNode, ...path: (string | number)[]): Expr {
    const pointer = path.reduce<string>((at, key) => step(at, key), node.pointer)
    const { value } = this.context.document.at(pointer)
    if (typeof value === 'boolean') return value ? TRUE : FALSE
    return this.context.exprs.schema(pointer)
  }

  atom(atom: Atom): Expr {
    return this.context.exprs.atom(atom)
  }

  *#keyword(node: SchemaNode, value: SchemaObject, key: string): Work<Expr> {
    const { context } = this
    const { exprs, budget } = context
    const at = step(node.pointer, key)
    const list = (): Expr[] => (value[key] as Json[]).map((_, i) => this.sub(node, key, i))
    const count = (): number => whole(value[key], at)
    const object = (part: Partial<typeof ANY_OBJECT>): Expr =>
      this.atom({ of: 'object', clause: { ...ANY_OBJECT, ...part } })
    const array = (part: Partial<typeof ANY_LIST>): Expr =>
      this.atom({ of: 'array', clause: { ...ANY_LIST, ...part } })
    switch (key) {
      case 'type':
        return yield* this.#type(value[key], at)
      case 'const':
        return yield* valuesExpr(context, [value[key]], at)
      case 'enum': {
        const values = value[key]
        if (!Array.isArray(values)) throw new GrammarFault('must be a list of values', at)
        return yield* valuesExpr(context, values, at)
      }
      case 'minimum':
        return this.atom({
          of: 'number',
          dfa: yield* between(number(value[key], at), Infinity, budget),
        })
      case 'maximum':
        return this.atom({
          of: 'number',
          dfa: yield* between(-Infinity, number(value[key], at), budget),
        })
      case 'exclusiveMinimum':
        return this.atom({
          of: 'number',
          dfa: yield* between(nextUp(number(value[key], at)), Infinity, budget),
        })
      case 'exclusiveMaximum':
        return this.atom({
          of: 'number',
          dfa: yield* between(-Infinity, nextDown(number(value[key], at)), budget),
        })
      case 'multipleOf': {
        const step = number(value[key], at)
        if (step <= 0) throw new GrammarFault(`is ${step}; it must be more than 0`, at)
        return this.atom({
          of: 'number',
          dfa: yield* multiplesOf(step, budget),
          fine: step !== 1,
        })
      }
      case 'minLength':
        return this.atom({ of: 'string', terms: [{ dfa: ANYTHING, min: count(), max: Infinity }] })
      case 'maxLength':
        return this.atom({ of: 'string', terms: [{ dfa: ANYTHING, min: 0, max: count() }] })
      case 'pattern':
        return yield* this.#pattern(value[key], at)
      case 'format':
        return yield* this.#format(value[key], at)
      case 'minItems':
        return array({ min: count() })
      case 'maxItems':
        return array({ max: count() })
      case 'uniqueItems':
        if (typeof value[key] !== 'boolean') throw new GrammarFault('must be true or false', at)
        return value[key] ? array({ unique: at }) : TRUE
      case 'minProperties':
        return object({ min: count() })
      case 'maxProperties':
        return object({ max: count() })
      case 'required':
        return object({
          required: new Map(names(value[key], at).map((name, i) => [name, step(at, i)])),
        })
      case 'propertyNames':
        return object({ names: [this.sub(node, key)] })
      case 'allOf':
        return exprs.and(...list())
      case 'anyOf':
        return exprs.or(...list())
      case 'oneOf':
        return yield* this.exactlyOne(list())
      case 'not':
        return exprs.not(this.sub(node, key))
      case '$ref':
        return this.reference(node)
      case 'dependentRequired':
        return this.#dependentRequired(value[key], at)
      case 'dependentSchemas':
        return this.#dependentSchemas(node, key, Object.keys(value[key] as SchemaObject))
      case 'dependencies': {
        const map = value[key]
        if (!isObject(map)) throw new GrammarFault('must be an object', at)
        const lists = Object.fromEntries(Object.entries(map).filter(([, v]) => Array.isArray(v)))
        const schemas = Object.keys(map).filter(name => !Array.isArray(map[name]))
        return exprs.and(
          this.#dependentRequired(lists, at),
          this.#dependentSchemas(node, key, schemas),
        )
      }
      case 'properties':
      case 'patternProperties':
      case 'additionalProperties':
        return yield* this.#properties(node, value)
      case 'prefixItems':
      case 'items':
      case 'additionalItems':
        return this.#items(node, value)
      case 'contains':
      case 'minContains':
      case 'maxContains':
        return this.#contains(node, value)
      case 'if':
      case 'then':
      case 'else': {
        if (!has(value, 'if')) return TRUE
        const condition = this.sub(node, 'if')
        const then = has(value, 'then') ? this.sub(node, 'then') : TRUE
        const otherwise = has(value, 'else') ? this.sub(node, 'else') : TRUE
        return exprs.or(exprs.and(condition, then), exprs.and(exprs.not(condition), otherwise))
      }
      case 'unevaluatedProperties':
      case 'unevaluatedItems':
        return TRUE
      default:
        if (!Object.hasOwn(REFUSED, key)) return TRUE
        return context.cannot(key, at, REFUSED[key])
    }
  }

  /** What $ref refers to. */
  target(node: SchemaNode): SchemaNode {
    const ref = (node.value as SchemaObject).$ref
    if (typeof ref === 'string') return this.context.document.resolve(ref, node)
    throw new GrammarFault('must be a string', step(node.pointer, '$ref'))
  }

  reference(node: SchemaNode): Expr {
    const { value, pointer } = this.target(node)
    if (typeof value === 'boolean') return value ? TRUE : FALSE
    return this.context.exprs.schema(pointer)
  }

  /** One of them and none of the others; where two exclude each other anyway nothing is negated. */
  *exactlyOne(list: readonly Expr[]): Work<Expr> {
    const { exprs } = this.context
    const apart = list.map(() => new Set<number>())
    for (let i = 0; i < list.length; i++) {
      for (let j = i + 1; j < list.length; j++) {
        if (!(yield* this.shapes.surelyEmpty(exprs.and(list[i], list[j])))) continue
        apart[i].add(j)
        apart[j].add(i)
      }
    }
    return exprs.or(
      ...list.map((part, i) =>
        exprs.and(
          part,
          ...list.filter((_, j) => j !== i && !apart[i].has(j)).map(e => exprs.not(e)),
        ),
      ),
    )
  }

  *#type(value: Json, at: string): Work<Expr> {
    const listed = Array.isArray(value) ? value : [value]
    if (listed.length === 0) throw new GrammarFault('must name at least one type', at)
    const types = new Set<TypeName>()
    for (const name of listed) {
      if (typeof name !== 'string' || !Object.hasOwn(TYPES, name)) {
        throw new GrammarFault(
          `names ${JSON.stringify(name)}, which is none of ${Object.keys(TYPES).join(', ')}`,
          at,
        )
      }
      for (const type of TYPES[name]) types.add(type)
    }
    const plain = this.atom({ of: 'types', types })
    if (!listed.includes('integer') || listed.includes('number')) return plain
    const dfa = yield* multiplesOf(1, this.context.budget)
    return this.context.exprs.and(plain, this.atom({ of: 'number', dfa }))
  }

  *#pattern(value: Json, at: string): Work<Expr> {
    if (typeof value !== 'string') throw new GrammarFault('must be a string', at)
    const options = { mode: 'search', lookahead: true } as const
    const dfa = yield* regexDfa(value, options, this.context.budget)
    return this.atom({ of: 'string', terms: [{ dfa, min: 0, max: Infinity }] })
  }

  *#format(value: Json, at: string): Work<Expr> {
    if (typeof value !== 'string') throw new GrammarFault('must be a string', at)
    if (HARD_FORMATS.has(value)) {
      return this.context.cannot(
        'format',
        at,
        `the format ${JSON.stringify(value)} cannot be enforced`,
      )
    }
    const format = FORMATS.get(value)
    // Names that the standard does not know say something to people.
    if (format === undefined) return TRUE
    const options = { mode: 'whole', lookahead: false } as const
    const dfa = yield* regexDfa(format.pattern, options, this.context.budget)
    return this.atom({
      of: 'string',
      terms: [{ dfa, min: 0, max: format.max ?? Infinity }],
      inexact: format.exact ? undefined : at,
    })
  }

  *#properties(node: SchemaNode, value: SchemaObject): Work<Expr> {
    const named = new Map<string, Expr>()
    if (has(value, 'properties')) {
      for (const name of Object.keys(value.properties as SchemaObject)) {
        if (!name.isWellFormed()) {
          throw new GrammarFault(
            'has half a surrogate pair in a name, which cannot be written',
            step(node.pointer, 'properties'),
          )
        }
        named.set(name, this.sub(node, 'properties', name))
      }
    }
    const patterns = yield* this.patterns(node)
    const rest = has(value, 'additionalProperties') ? this.sub(node, 'additionalProperties') : TRUE
    const clause = { ...ANY_OBJECT, tables: [{ named, patterns, rest }] }
    return this.atom({ of: 'object', clause })
  }

  /** Of patternProperties: the names and what their values have to be. */
  *patterns(node: SchemaNode): Work<readonly { names: Expr; value: Expr }[]> {
    const known = this.#patterns.get(node.pointer)
    if (known !== undefined) return known
    const found: { names: Expr; value: Expr }[] = []
    if (has(node.value, 'patternProperties')) {
      const { patternProperties } = node.value as SchemaObject
      for (const pattern of Object.keys(patternProperties as SchemaObject)) {
        const at = step(step(node.pointer, 'patternProperties'), pattern)
        const names = yield* this.context.attempt(
          'patternProperties',
          at,
          this.#pattern(pattern, at),
        )
        // Names that cannot be told apart: their values are not enforced either.
        if (names === UNKNOWN) continue
        found.push({ names, value: this.sub(node, 'patternProperties', pattern) })
      }
    }
    this.#patterns.set(node.pointer, found)
    return found
  }

  #items(node: SchemaNode, value: SchemaObject): Expr {
    const { items } = value
    // Before 2020-12: a list of items, and additionalItems for those after it.
    const old = Array.isArray(items)
    const key = old ? 'items' : 'prefixItems'
    const listed = has(value, key) ? (value[key] as Json[]) : []
    const prefix = listed.map((_, i) => this.sub(node, key, i))
    const restKey = old ? 'additionalItems' : 'items'
    const rest = has(value, restKey) ? this.sub(node, restKey) : TRUE
    return this.atom({ of: 'array', clause: { ...ANY_LIST, tables: [{ prefix, rest }] } })
  }

  #contains(node: SchemaNode, value: SchemaObject): Expr {
    const bound = (key: string, fallback: number) =>
      has(value, key) ? whole(value[key], step(node.pointer, key)) : fallback
    const min = bound('minContains', 1)
    const max = bound('maxContains', Infinity)
    if (!has(value, 'contains') || (min === 0 && max === Infinity)) return TRUE
    const contains = [{ from: 0, value: this.sub(node, 'contains'), min, max }]
    return this.atom({ of: 'array', clause: { ...ANY_LIST, contains } })
  }

  /** Objects without the property; what is no object passes. */
  absent(name: string): Expr {
    const named = new Map([[name, FALSE]])
    const tables = [{ named, patterns: [], rest: TRUE }]
    return this.atom({ of: 'object', clause: { ...ANY_OBJECT, tables } })
  }

  #dependentRequired(map: Json, at: string): Expr {
    const { exprs } = this.context
    if (!isObject(map)) throw new GrammarFault('must be an object of lists of names', at)
    return exprs.and(
      ...Object.entries(map).map(([name, list]) => {
        const place = step(at, name)
        const required = new Map(names(list, place).map(needed => [needed, place]))
        return exprs.or(
          this.absent(name),
          this.atom({ of: 'object', clause: { ...ANY_OBJECT, required } }),
        )
      }),
    )
  }

  #dependentSchemas(node: SchemaNode, key: string, list: readonly string[]): Expr {
    const { exprs } = this.context
    const notObject = this.atom({
      of: 'types',
      types: new Set(ALL_TYPES.filter(type => type !== 'object')),
    })
    return exprs.and(
      ...list.map(name => exprs.or(notObject, this.absent(name), this.sub(node, key, name))),
    )
  }
}

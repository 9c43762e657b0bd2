// What a formula means, type by type: which of null, true and false, an automaton of numbers, automata
// of strings, and alternatives of demands on lists and objects whose parts are formulas again. "And" is
// intersection, "or" is union, "not" is the complement, each per type and exact.
import { combine, type Dfa, NOTHING } from '../automata/dfa.ts'
import { type Budget, GrammarFault, type Work } from '../work.ts'
import {
  ANY_LIST,
  ANY_OBJECT,
  itemOf,
  mergeLists,
  mergeObjects,
  oppositeList,
  oppositeObject,
} from './clauses.ts'
import { LoopFault, type SchemaContext } from './context.ts'
import {
  type Atom,
  type Expr,
  FALSE,
  type ListClause,
  type ObjectClause,
  type StringTerm,
  type TypeName,
} from './expr.ts'
import { ANY_NUMBER, otherNumbers } from './numbers.ts'
import { ANY_STRING, addString, foldLength, otherStrings, uniteStrings } from './strings.ts'

export interface Shape {
  readonly words: ReadonlySet<'null' | 'true' | 'false'>
  readonly numbers: Dfa
  readonly fineNumbers: boolean
  readonly strings: readonly StringTerm[]
  readonly lists: readonly ListClause[]
  readonly objects: readonly ObjectClause[]
}

const ANY_VALUE: Shape = {
  words: new Set(['null', 'true', 'false'] as const),
  numbers: ANY_NUMBER,
  fineNumbers: false,
  strings: [ANY_STRING],
  lists: [ANY_LIST],
  objects: [ANY_OBJECT],
}
const NO_VALUE: Shape = {
  words: new Set(),
  numbers: NOTHING,
  fineNumbers: false,
  strings: [],
  lists: [],
  objects: [],
}
const MAX_ALTERNATIVES = 600
/** Values inside values that are looked at to see that two demands exclude each other. */
const MAX_LOOK = 4

/** Reads what a part of the schema demands; keywords.ts. */
export type Expand = (pointer: string) => Work<Expr>

export class Shapes {
  readonly #context: SchemaContext
  readonly #expand: Expand
  readonly #known = new Map<number, Shape>()
  readonly #open = new Set<number>()
  readonly #nameDfas = new Map<number, Dfa>()

  constructor(context: SchemaContext, expand: Expand) {
    this.#context = context
    this.#expand = expand
  }

  /** @throws LoopFault where a formula leads back to itself without a value between */
  *of(expr: Expr): Work<Shape> {
    const known = this.#known.get(expr.id)
    if (known !== undefined) return known
    if (this.#open.has(expr.id)) {
      const place = expr.kind === 'schema' ? expr.pointer : this.#context.budget.place
      throw new LoopFault('leads back to itself without a value between', place)
    }
    this.#open.add(expr.id)
    try {
      this.#context.budget.spend(50)
      yield
      const shape = yield* this.#make(expr)
      this.#known.set(expr.id, shape)
      return shape
    } finally {
      this.#open.delete(expr.id)
    }
  }

  *#make(expr: Expr): Work<Shape> {
    const { budget } = this.#context
    switch (expr.kind) {
      case 'true':
      case 'unknown':
        return ANY_VALUE
      case 'false':
        return NO_VALUE
      case 'schema':
        return yield* this.of(yield* this.#expand(expr.pointer))
      case 'atom':
        return atomShape(expr.atom)
      case 'and': {
        let shape = ANY_VALUE
        for (const part of expr.list) {
          shape = yield* this.#intersect(shape, yield* this.of(part))
        }
        return shape
      }
      case 'or': {
        let shape = NO_VALUE
        for (const part of expr.list) shape = yield* unite(shape, yield* this.of(part), budget)
        return shape
      }
      case 'not':
        return yield* this.#opposite(expr.of)
      default:
        return expr satisfies never
    }
  }

  *#opposite(of: Expr): Work<Shape> {
    const { exprs } = this.#context
    switch (of.kind) {
      case 'schema':
        return yield* this.of(exprs.not(yield* this.#expand(of.pointer)))
      case 'and':
        return yield* this.of(exprs.or(...of.list.map(part => exprs.not(part))))
      case 'or':
        return yield* this.of(exprs.and(...of.list.map(part => exprs.not(part))))
      case 'atom':
        return yield* this.#oppositeAtom(of.atom)
      default:
        return yield* this.of(exprs.not(of))
    }
  }

  *#oppositeAtom(atom: Atom): Work<Shape> {
    const { budget, exprs } = this.#context
    switch (atom.of) {
      case 'types':
        return typesShape(type => !atom.types.has(type))
      case 'number':
        return {
          ...NO_VALUE,
          numbers: yield* otherNumbers(atom.dfa, budget),
          fineNumbers: true,
        }
      case 'string': {
        if (atom.inexact !== undefined) {
          this.#context.cannot(
            'format',
            atom.inexact,
            'under "not", "oneOf" or "if" the opposite of this format would be needed, which is not known exactly',
          )
          return ANY_VALUE
        }
        return { ...NO_VALUE, strings: yield* otherStrings(atom.terms, budget) }
      }
      case 'object':
        return { ...NO_VALUE, objects: yield* oppositeObject(atom.clause, this.#context) }
      case 'array': {
        if (atom.clause.unique !== undefined) {
          this.#context.cannot('uniqueItems', atom.clause.unique, 'its opposite cannot be enforced')
          return ANY_VALUE
        }
        return { ...NO_VALUE, lists: oppositeList(atom.clause, e => exprs.not(e)) }
      }
      default:
        return atom satisfies never
    }
  }

  *#intersect(a: Shape, b: Shape): Work<Shape> {
    const { budget } = this.#context
    if (a === ANY_VALUE) return b
    if (b === ANY_VALUE) return a
    const strings: StringTerm[] = []
    for (const x of a.strings) {
      for (const y of b.strings) {
        const dfa = yield* combine(x.dfa, y.dfa, 'and', budget)
        addString(strings, { dfa, min: Math.max(x.min, y.min), max: Math.min(x.max, y.max) })
      }
    }
    return {
      words: new Set([...a.words].filter(word => b.words.has(word))),
      numbers: yield* combine(a.numbers, b.numbers, 'and', budget),
      fineNumbers: a.fineNumbers || b.fineNumbers,
      strings,
      lists: yield* this.#pairs(a.lists, b.lists, mergeLists, clause => this.#noList(clause, 0)),
      objects: yield* this.#pairs(a.objects, b.objects, mergeObjects, clause =>
        this.#noObject(clause, 0),
      ),
    }
  }

  *#pairs<C>(
    a: readonly C[],
    b: readonly C[],
    merge: (x: C, y: C) => C,
    isEmpty: (clause: C) => Work<boolean>,
  ): Work<readonly C[]> {
    if (a.length === 1 && (a[0] === ANY_LIST || a[0] === ANY_OBJECT)) return b
    if (b.length === 1 && (b[0] === ANY_LIST || b[0] === ANY_OBJECT)) return a
    const found: C[] = []
    for (const x of a) {
      for (const y of b) {
        const clause = x === y ? x : merge(x, y)
        this.#context.budget.spend(20)
        if (yield* isEmpty(clause)) continue
        found.push(clause)
        this.#checkCount(found.length)
      }
      yield
    }
    return found
  }

  #checkCount(count: number): void {
    if (count <= MAX_ALTERNATIVES) return
    throw new GrammarFault(
      `combines to more than ${MAX_ALTERNATIVES} alternatives; use fewer anyOf, oneOf, not and if together`,
      this.#context.budget.place,
    )
  }

  /** Whether no value meets the formula, as far as a short look tells. */
  *surelyEmpty(expr: Expr, depth = 0): Work<boolean> {
    if (expr === FALSE) return true
    if (depth > MAX_LOOK || this.#open.has(expr.id)) return false
    let shape: Shape
    try {
      shape = yield* this.of(expr)
    } catch (caught) {
      if (caught instanceof LoopFault) return false
      throw caught
    }
    if (shape.words.size > 0 || !shape.numbers.empty || shape.strings.length > 0) return false
    for (const clause of shape.lists) {
      if (!(yield* this.#noList(clause, depth + 1))) return false
    }
    for (const clause of shape.objects) {
      if (!(yield* this.#noObject(clause, depth + 1))) return false
    }
    return true
  }

  *#noList(clause: ListClause, depth: number): Work<boolean> {
    if (clause.min > clause.max) return true
    if (clause.contains.some(c => c.min > c.max)) return true
    const longest = Math.max(0, ...clause.tables.map(table => table.prefix.length))
    for (let i = 0; i < Math.min(clause.min, longest + 1); i++) {
      if (yield* this.surelyEmpty(itemOf(clause, i, this.#context), depth + 1)) return true
    }
    return false
  }

  *#noObject(clause: ObjectClause, depth: number): Work<boolean> {
    if (clause.min > clause.max || clause.required.size > clause.max) return true
    for (const name of clause.required.keys()) {
      const value = yield* this.valueOf(clause, name)
      if (yield* this.surelyEmpty(value, depth + 1)) return true
    }
    return false
  }

  /** What the property of an object has to be; FALSE where it may not be there. */
  *valueOf(clause: ObjectClause, name: string): Work<Expr> {
    const parts: Expr[] = []
    for (const table of clause.tables) {
      let known = false
      const named = table.named.get(name)
      if (named !== undefined) {
        parts.push(named)
        known = true
      }
      for (const { names, value } of table.patterns) {
        if (!(yield* this.nameDfa(names)).matches(name)) continue
        parts.push(value)
        known = true
      }
      if (!known) parts.push(table.rest)
    }
    for (const names of clause.names) {
      if (!(yield* this.nameDfa(names)).matches(name)) return FALSE
    }
    return this.#context.exprs.and(...parts)
  }

  /** Texts of one or the other. */
  either(a: Dfa, b: Dfa): Work<Dfa> {
    return combine(a, b, 'or', this.#context.budget)
  }

  /** The strings that meet a formula, lengths worked in. */
  *nameDfa(expr: Expr): Work<Dfa> {
    const known = this.#nameDfas.get(expr.id)
    if (known !== undefined) return known
    const { strings } = yield* this.of(expr)
    let dfa = NOTHING
    for (const term of strings) {
      dfa = yield* combine(
        dfa,
        yield* foldLength(term, this.#context.budget),
        'or',
        this.#context.budget,
      )
    }
    this.#nameDfas.set(expr.id, dfa)
    return dfa
  }
}

function typesShape(has: (type: TypeName) => boolean): Shape {
  return {
    words: new Set((['null', 'true', 'false'] as const).filter(has)),
    numbers: has('number') ? ANY_NUMBER : NOTHING,
    fineNumbers: false,
    strings: has('string') ? [ANY_STRING] : [],
    lists: has('array') ? [ANY_LIST] : [],
    objects: has('object') ? [ANY_OBJECT] : [],
  }
}

function atomShape(atom: Atom): Shape {
  switch (atom.of) {
    case 'types':
      return typesShape(type => atom.types.has(type))
    case 'number':
      return { ...ANY_VALUE, numbers: atom.dfa, fineNumbers: atom.fine === true }
    case 'string': {
      const strings: StringTerm[] = []
      for (const term of atom.terms) addString(strings, term)
      return { ...ANY_VALUE, strings }
    }
    case 'object':
      return { ...ANY_VALUE, objects: [atom.clause] }
    case 'array':
      return { ...ANY_VALUE, lists: [atom.clause] }
    default:
      return atom satisfies never
  }
}

function* unite(a: Shape, b: Shape, budget: Budget): Work<Shape> {
  if (a === ANY_VALUE || b === ANY_VALUE) return ANY_VALUE
  return {
    words: new Set([...a.words, ...b.words]),
    numbers: yield* combine(a.numbers, b.numbers, 'or', budget),
    fineNumbers: a.fineNumbers || b.fineNumbers,
    strings: yield* uniteStrings(a.strings, b.strings, budget),
    lists: uniteClauses(a.lists, b.lists, ANY_LIST),
    objects: uniteClauses(a.objects, b.objects, ANY_OBJECT),
  }
}

function uniteClauses<C>(a: readonly C[], b: readonly C[], any: C): readonly C[] {
  const all = new Set([...a, ...b])
  return all.has(any) ? [any] : [...all]
}

// What a value has to be, as a formula over parts of the schema: kept small and shared, so that equal
// demands on a value are one rule of the grammar and recursion closes on itself. shape.ts says what a
// formula means; keywords.ts writes them.
import type { Dfa } from '../automata/dfa.ts'

/** Texts by automaton and length in characters. */
export interface StringTerm {
  readonly dfa: Dfa
  readonly min: number
  readonly max: number
}

/** Demands on the properties of an object, from one schema: each name meets all that apply to it. */
export interface PropertyTable {
  readonly named: ReadonlyMap<string, Expr>
  readonly patterns: readonly { readonly names: Expr; readonly value: Expr }[]
  /** For names that neither list nor pattern has. */
  readonly rest: Expr
}

/** Demands on an object that all hold at once. */
export interface ObjectClause {
  readonly tables: readonly PropertyTable[]
  /** Name, and where it is required. */
  readonly required: ReadonlyMap<string, string>
  readonly min: number
  readonly max: number
  /** Formulas over the name as a string. */
  readonly names: readonly Expr[]
  /** Some property has such a name and such a value. */
  readonly exists: readonly { readonly names: Expr; readonly value: Expr }[]
}

/** Demands on a list that all hold at once. */
export interface ListClause {
  readonly tables: readonly { readonly prefix: readonly Expr[]; readonly rest: Expr }[]
  /** Between min and max of the items from index `from` on are such. */
  readonly contains: readonly {
    readonly from: number
    readonly value: Expr
    readonly min: number
    readonly max: number
  }[]
  readonly min: number
  readonly max: number
  /** Where uniqueItems stands. */
  readonly unique: string | undefined
}

/** Each speaks of one type of value and lets all others pass; `types` speaks of all. */
export type Atom =
  | { readonly of: 'types'; readonly types: ReadonlySet<TypeName> }
  /** `fine`: digits that no double keeps would decide it, so there are none; see numbers.ts. */
  | { readonly of: 'number'; readonly dfa: Dfa; readonly fine?: boolean }
  /** `inexact`: the keyword whose texts are more than these, so that "not" cannot be enforced. */
  | { readonly of: 'string'; readonly terms: readonly StringTerm[]; readonly inexact?: string }
  | { readonly of: 'object'; readonly clause: ObjectClause }
  | { readonly of: 'array'; readonly clause: ListClause }

export type TypeName = 'null' | 'true' | 'false' | 'number' | 'string' | 'array' | 'object'

export type Expr =
  | { readonly id: number; readonly kind: 'true' | 'false' | 'unknown' }
  | { readonly id: number; readonly kind: 'schema'; readonly pointer: string }
  | { readonly id: number; readonly kind: 'atom'; readonly atom: Atom }
  | { readonly id: number; readonly kind: 'not'; readonly of: Expr }
  | { readonly id: number; readonly kind: 'and' | 'or'; readonly list: readonly Expr[] }

export const TRUE: Expr = { id: 0, kind: 'true' }
export const FALSE: Expr = { id: 1, kind: 'false' }
/** What is not enforced (strict: false): it holds, and its opposite holds too. */
export const UNKNOWN: Expr = { id: 2, kind: 'unknown' }

export class Exprs {
  readonly #known = new Map<string, Expr>()
  #next = 3

  #shared(key: string, make: (id: number) => Expr): Expr {
    let expr = this.#known.get(key)
    if (expr === undefined) {
      expr = make(this.#next++)
      this.#known.set(key, expr)
    }
    return expr
  }

  /** How many there are. */
  get size(): number {
    return this.#next
  }

  schema(pointer: string): Expr {
    return this.#shared(`s${pointer}`, id => ({ id, kind: 'schema', pointer }))
  }

  atom(atom: Atom): Expr {
    return { id: this.#next++, kind: 'atom', atom }
  }

  not(of: Expr): Expr {
    if (of === TRUE) return FALSE
    if (of === FALSE) return TRUE
    if (of === UNKNOWN) return UNKNOWN
    if (of.kind === 'not') return of.of
    return this.#shared(`!${of.id}`, id => ({ id, kind: 'not', of }))
  }

  /** All of them; the order stays, as properties are written in the order they are first named. */
  and(...list: readonly Expr[]): Expr {
    return this.#join('and', list, TRUE, FALSE)
  }

  or(...list: readonly Expr[]): Expr {
    return this.#join('or', list, FALSE, TRUE)
  }

  #join(kind: 'and' | 'or', list: readonly Expr[], neutral: Expr, ruling: Expr): Expr {
    const flat = new Map<number, Expr>()
    for (const expr of list) {
      if (expr === neutral) continue
      for (const part of expr.kind === kind ? (expr as Expr & { kind: 'and' }).list : [expr]) {
        if (part === ruling) return ruling
        flat.set(part.id, part)
      }
    }
    for (const part of flat.values()) {
      if (part.kind === 'not' && flat.has(part.of.id)) return ruling
    }
    const parts = [...flat.values()]
    if (parts.length === 0) return neutral
    if (parts.length === 1) return parts[0]
    return this.#shared(`${kind}${parts.map(part => part.id).join()}`, id => ({
      id,
      kind,
      list: parts,
    }))
  }
}

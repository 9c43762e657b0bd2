// What the compilation of one schema shares: the document, formulas, limits, what may not be enforced.
// Passed to every part of schema/.
import { type Budget, GrammarFault, type Work } from '../work.ts'
import type { SchemaDocument } from './document.ts'
import { type Expr, Exprs, UNKNOWN } from './expr.ts'

/** A keyword that is let pass (strict: false). */
export interface Unenforced {
  /** JSON pointer of the keyword. */
  path: string
  keyword: string
  reason: string
}

/** Met while a schema is being read that leads back to itself without a value between. */
export class LoopFault extends GrammarFault {}

export class SchemaContext {
  readonly document: SchemaDocument
  readonly strict: boolean
  readonly budget: Budget
  readonly exprs = new Exprs()
  readonly #unenforced = new Map<string, Unenforced>()

  constructor(document: SchemaDocument, strict: boolean, budget: Budget) {
    this.document = document
    this.strict = strict
    this.budget = budget
  }

  get unenforced(): Unenforced[] {
    return [...this.#unenforced.values()]
  }

  /**
   * For what cannot be enforced: refuses it by name, or notes that it is let pass.
   * @throws GrammarFault when strict
   */
  cannot(keyword: string, path: string, reason: string): Expr {
    if (this.strict) throw new GrammarFault(reason, path, keyword, true)
    this.#unenforced.set(`${path} ${keyword}`, { path, keyword, reason })
    return UNKNOWN
  }

  /** Runs work for a keyword; where this engine cannot do it, see cannot(). */
  *attempt(keyword: string, path: string, work: Work<Expr>): Work<Expr> {
    const before = this.budget.place
    this.budget.place = path
    try {
      return yield* work
    } catch (caught) {
      if (!(caught instanceof GrammarFault) || !caught.unsupported) throw caught
      return this.cannot(caught.keyword ?? keyword, caught.place || path, caught.message)
    } finally {
      this.budget.place = before
    }
  }
}

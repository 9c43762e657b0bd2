// Schemas to formulas, each read once: the keywords, and then what depends on which of them held.
// Called by shape.ts through schema.ts.
import type { Work } from '../work.ts'
import { has, step } from './document.ts'
import { type Expr, FALSE, TRUE } from './expr.ts'
import type { Keywords } from './keywords.ts'
import { unevaluated } from './unevaluated.ts'

const LAST = ['unevaluatedProperties', 'unevaluatedItems'] as const

export class Reader {
  readonly #keywords: Keywords
  readonly #known = new Map<string, Expr>()

  constructor(keywords: Keywords) {
    this.#keywords = keywords
  }

  /** What the schema at the pointer demands. @throws GrammarFault with pointer and keyword */
  *read(pointer: string): Work<Expr> {
    const known = this.#known.get(pointer)
    if (known !== undefined) return known
    const { context } = this.#keywords
    const node = context.document.at(pointer)
    let expr = node.value === true ? TRUE : FALSE
    if (typeof node.value !== 'boolean') {
      const parts = yield* this.#keywords.asserts(node)
      for (const keyword of LAST) {
        if (!has(node.value, keyword)) continue
        const work = unevaluated(this.#keywords, node, keyword)
        parts.push(yield* context.attempt(keyword, step(pointer, keyword), work))
      }
      expr = context.exprs.and(...parts)
    }
    this.#known.set(pointer, expr)
    return expr
  }
}

// A JSON Schema (draft 2020-12) to rules. The way: document (where parts are), keywords (what they
// demand, as formulas), shapes (what formulas mean), rules (how values are written).
import type { CharSet } from '../automata/charset.ts'
import { Rules } from '../rules/rules.ts'
import { type Budget, GrammarFault, type Work } from '../work.ts'
import { SchemaContext, type Unenforced } from './context.ts'
import { type Json, SchemaDocument } from './document.ts'
import type { Expr } from './expr.ts'
import { Keywords } from './keywords.ts'
import { Reader } from './reader.ts'
import { Shapes } from './shape.ts'
import { writeValues } from './write-values.ts'
import { Writer } from './writer.ts'

export interface SchemaOptions {
  /** Refuse what cannot be enforced (true), or let it pass and name it. */
  strict: boolean
  /** The characters that the vocabulary can write; undefined for all. */
  writable?: CharSet
}

export interface SchemaRules {
  rules: Rules
  unenforced: Unenforced[]
}

/** What JSON is made of. */
const SIGNS = '{}[]:,"\\-+.0123456789abcdefEAlnrstu'

/** Compiles several schemas into one set of rules; tools need one for each. */
export class SchemaCompiler {
  readonly rules: Rules
  readonly #strict: boolean
  readonly #budget: Budget
  readonly #unenforced: Unenforced[] = []

  /** @throws GrammarFault where the vocabulary cannot write JSON at all */
  constructor(rules: Rules, strict: boolean, budget: Budget) {
    for (const char of SIGNS) {
      if (rules.canWrite(char)) continue
      throw new GrammarFault(
        `needs ${JSON.stringify(char)}, which no token of this model writes`,
        '',
      )
    }
    this.rules = rules
    this.#strict = strict
    this.#budget = budget
  }

  get unenforced(): Unenforced[] {
    return this.#unenforced
  }

  /**
   * The rule of the values that meet the schema.
   * @param object  they have to be objects, too, whatever the schema says
   * @throws GrammarFault with the JSON pointer
   */
  *rule(schema: Json, object = false): Work<number> {
    const context = new SchemaContext(new SchemaDocument(schema), this.#strict, this.#budget)
    const keywords = new Keywords(context)
    const reader = new Reader(keywords)
    const shapes = new Shapes(context, pointer => reader.read(pointer))
    keywords.shapes = shapes
    const writer = new Writer(context, shapes, this.rules)
    const whole: Expr = context.exprs.schema('')
    const objects = context.exprs.atom({ of: 'types', types: new Set(['object']) })
    const root = object ? context.exprs.and(whole, objects) : whole
    const rule = writer.value(root)
    yield* writeValues(writer)
    this.#unenforced.push(...context.unenforced)
    return rule
  }
}

/** @throws GrammarFault with the JSON pointer of what is wrong or cannot be enforced */
export function* schemaRules(
  schema: Json,
  options: SchemaOptions,
  budget: Budget,
): Work<SchemaRules> {
  const rules = new Rules(budget, options.writable)
  const compiler = new SchemaCompiler(rules, options.strict, budget)
  const value = yield* compiler.rule(schema)
  // Before the value models may write a blank or a line end; after it nothing but the end.
  rules.root = rules.rule('')
  const { start, end } = rules.rules[rules.root]
  const from = rules.step(start)
  for (const byte of [0x20, 0x0a]) rules.byte(start, byte, byte, from)
  rules.call(from, value, end)
  return { rules, unenforced: compiler.unenforced }
}

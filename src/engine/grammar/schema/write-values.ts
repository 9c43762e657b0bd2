// Formulas to rules: each value that is demanded somewhere becomes one rule, alternatives by type. Called
// by schema.ts.
import type { Work } from '../work.ts'
import { written } from './numbers.ts'
import { writeList } from './write-list.ts'
import { writeObject } from './write-object.ts'
import type { Writer } from './writer.ts'

/** Writes the bodies of all rules asked for, and of those that these ask for. */
export function* writeValues(writer: Writer): Work<void> {
  const { rules, shapes, context } = writer
  for (let next = writer.next(); next !== undefined; next = writer.next()) {
    const { start, end, place } = rules.rules[next.rule]
    context.budget.place = place
    const shape = yield* shapes.of(next.expr)
    for (const word of shape.words) rules.step(rules.text(start, word), end)
    if (!shape.numbers.empty) {
      const dfa = yield* written(shape.numbers, shape.fineNumbers, context.budget)
      rules.terminal(start, writer.terminal(dfa, { form: 'raw' }), end)
    }
    for (const { dfa, min, max } of shape.strings) {
      rules.terminal(rules.byte(start, 0x22), writer.string(dfa, min, max), end)
    }
    for (const clause of shape.lists) yield* writeList(writer, clause, start, end, place)
    for (const clause of shape.objects) yield* writeObject(writer, clause, start, end, place)
    yield
  }
}

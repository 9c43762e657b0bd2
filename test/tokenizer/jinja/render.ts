// Renders a small template with given variables, for the tests of the interpreter.
import type { Limits } from '../../../src/tokenizer/jinja/faults.ts'
import { fromJs } from '../../../src/tokenizer/jinja/json.ts'
import { renderAtOnce, Template } from '../../../src/tokenizer/jinja/template.ts'
import { type Text, TYPED } from '../../../src/tokenizer/jinja/text.ts'
import type { Value } from '../../../src/tokenizer/jinja/values.ts'

export const LIMITS: Limits = { steps: 1_000_000, chars: 1_000_000, output: 1_000_000 }

/** Every variable counts as typed by somebody. */
export function render(
  template: string,
  variables: Readonly<Record<string, unknown>> = {},
  limits: Limits = LIMITS,
): Text {
  const values = new Map<string, Value>(
    Object.entries(variables).map(([name, value]) => [name, fromJs(value, TYPED)]),
  )
  return renderAtOnce(new Template(template), { variables: values }, limits)
}

/** The text with what is typed between brackets: `template [typed] template`. */
export function showTyped(text: Text): string {
  let shown = ''
  let at = 0
  for (const { start, end } of text.spans) {
    shown += `${text.s.slice(at, start)}[${text.s.slice(start, end)}]`
    at = end
  }
  return shown + text.s.slice(at)
}

// A chat template, ready to render: parsed once, run as often as needed in slices between which others have
// a turn. It equals Python's jinja2 as Hugging Face's transformers sets it up (sandboxed, trim_blocks,
// lstrip_blocks, loop controls), or it fails and says at which line and why; it never gives another text.
import type { Body } from './ast.ts'
import { Budget, charge, type Limits, raise, TemplateFault } from './faults.ts'
import { globalsAt } from './globals.ts'
import { Interpreter, type Steps } from './interpreter.ts'
import { parseTemplate } from './parser.ts'
import { Scope } from './scope.ts'
import type { Text } from './text.ts'
import type { Value } from './values.ts'

export type { Limits } from './faults.ts'
export { TemplateFault, TextTooLong } from './faults.ts'

export interface RenderVariables {
  readonly variables: ReadonlyMap<string, Value>
  /** What strftime_now() tells. */
  readonly now?: () => Date
}

/** A parsed template. */
export class Template {
  readonly #body: Body

  /** @throws TemplateFault with its line */
  constructor(source: string) {
    charge(new Budget({ steps: Number.POSITIVE_INFINITY, chars: source.length, output: 0 }))
    this.#body = guarded(() => parseTemplate(source))
  }

  /**
   * Renders step by step: the generator stops once in about a millisecond and goes on with next().
   * Its values must be made within the budget too: `variables` is called first.
   * @throws TemplateFault with its line; TextTooLong
   */
  *render(prepare: () => RenderVariables, limits: Limits): Steps<Text> {
    const budget = new Budget(limits)
    charge(budget)
    const { variables, now = () => new Date() } = guarded(prepare)
    const names = new Scope(undefined)
    for (const [name, value] of globalsAt(now)) names.set(name, value)
    for (const [name, value] of variables) names.set(name, value)
    const interpreter = new Interpreter(budget)
    const steps = interpreter.render(this.#body, names)
    while (true) {
      charge(budget)
      const step = guarded(() => steps.next(), interpreter)
      if (step.done) return step.value
      yield
    }
  }
}

/** Faults get their line; what nests too deeply for the stack is a fault, too. */
function guarded<T>(run: () => T, at?: { readonly line: number }): T {
  try {
    return run()
  } catch (error) {
    const fault =
      error instanceof RangeError
        ? raise('RecursionError', 'the template or its values are nested too deeply')
        : error
    if (fault instanceof TemplateFault && at) fault.line ??= at.line
    throw fault
  }
}

/** Runs a rendering to its end at once; for tests and for what is known to be small. */
export function renderAtOnce(template: Template, given: RenderVariables, limits: Limits): Text {
  const steps = template.render(() => given, limits)
  let step = steps.next()
  while (!step.done) step = steps.next()
  return step.value
}

// A macro, or the body of a call block: what was defined, where, and how a call's arguments reach its
// parameters. Run by interpreter.ts.
import type { Expression, MacroParts } from './ast.ts'
import { raise } from './faults.ts'
import { dictOf } from './protocols.ts'
import { Scope } from './scope.ts'
import { Text } from './text.ts'
import { type Arguments, Callable, Tuple, Undefined, type Value } from './values.ts'

/** A call that is about to run. */
export interface OpenedMacro {
  readonly scope: Scope
  /** Parameters that were not given, in order, with their defaults. */
  readonly missing: readonly (readonly [name: string, value: Expression | undefined])[]
}

export class Macro extends Callable {
  /** Empty for the body of a call block. */
  readonly name: string
  readonly parts: MacroParts
  readonly #outer: Scope

  constructor(name: string, parts: MacroParts, outer: Scope) {
    super()
    this.name = name
    this.parts = parts
    this.#outer = outer
  }

  /** @throws TemplateFault for arguments that it does not take */
  open(args: Arguments): OpenedMacro {
    const { parameters, defaults, special, body } = this.parts
    const count = parameters.length
    const named = new Map(args.named)
    const scope = new Scope(this.#outer, body.hidden)
    const given: (Value | undefined)[] = args.list.slice(0, count)
    for (const parameter of parameters.slice(given.length)) {
      given.push(named.get(parameter))
      named.delete(parameter)
    }
    if (special.has('caller') && !parameters.includes('caller')) {
      scope.set('caller', named.get('caller') ?? new Undefined('No caller defined'))
      named.delete('caller')
    }
    if (special.has('kwargs')) {
      scope.set('kwargs', dictOf([...named].map(([key, value]) => [new Text(key), value])))
    } else if (named.size > 0) {
      const [name] = named.keys()
      throw raise('TypeError', `macro '${this.name}' takes no keyword argument '${name}'`)
    }
    if (special.has('varargs')) scope.set('varargs', new Tuple(args.list.slice(count)))
    else if (args.list.length > count) {
      throw raise('TypeError', `macro '${this.name}' takes not more than ${count} argument(s)`)
    }
    const missing: [string, Expression | undefined][] = []
    parameters.forEach((parameter, i) => {
      const value = given[i]
      // A default may name a later parameter, which is undefined then and not what it is outside.
      if (value === undefined) {
        scope.hide(parameter)
        missing.push([parameter, defaults[defaults.length - count + i]])
      } else scope.set(parameter, value)
    })
    return { scope, missing }
  }
}

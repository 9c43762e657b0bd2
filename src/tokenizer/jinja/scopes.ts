// What Jinja decides when it compiles: which names a scope hides before they are set, which of caller, kwargs
// and varargs a macro asks for, and which mistakes are errors even where they never run. Called by parser.ts.
//
// A name whose first mention in a scope sets it belongs to that scope from its start: a loop or macro further
// up that reads it finds it undefined, not the variable of that name outside. A name that is read first, or
// set in only some branches of an if, shows the outer one until then.
import type { Body, Expression, MacroParts, Statement, Target } from './ast.ts'
import { raise, refuse, type TemplateFault } from './faults.ts'
import { FILTER_NAMES, TEST_NAMES } from './names.ts'
import { namesOf, namespacesOf, partsOf, usesOf } from './walk.ts'

const SPECIAL = ['caller', 'kwargs', 'varargs'] as const

/** Fills in `hidden` and `special` everywhere. @throws TemplateFault */
export function completeScopes(template: Body): void {
  for (const [name, use] of usesOf(template.statements)) {
    if (name === 'self' && use === 'read') throw refuse('the variable self')
  }
  completeBody(template, new Symbols(undefined), [])
}

/** How a name starts in a scope. */
type Start = 'parameter' | 'outer' | 'hidden'

class Symbols {
  readonly #parent: Symbols | undefined
  readonly #starts = new Map<string, Start>()
  readonly #sets = new Set<string>()

  constructor(parent: Symbols | undefined) {
    this.#parent = parent
  }

  get hidden(): string[] {
    return [...this.#starts].filter(([, start]) => start === 'hidden').map(([name]) => name)
  }

  #known(name: string): boolean {
    if (this.#starts.has(name)) return true
    return this.#parent ? this.#parent.#known(name) : false
  }

  read(name: string): void {
    if (!this.#known(name)) this.#starts.set(name, 'outer')
  }

  set(name: string): void {
    this.#sets.add(name)
    if (this.#starts.has(name)) return
    this.#starts.set(name, this.#known(name) ? 'outer' : 'hidden')
  }

  parameter(name: string): void {
    this.#sets.add(name)
    this.#starts.set(name, 'parameter')
  }

  branch(): Symbols {
    const copy = new Symbols(this.#parent)
    for (const [name, start] of this.#starts) copy.#starts.set(name, start)
    for (const name of this.#sets) copy.#sets.add(name)
    return copy
  }

  /** What is set in some branches only shows the outer name in the others. */
  merge(branches: readonly Symbols[]): void {
    const fresh = new Set<string>()
    for (const branch of branches) {
      for (const name of branch.#sets) if (!this.#sets.has(name)) fresh.add(name)
    }
    for (const branch of branches) {
      for (const [name, start] of branch.#starts) this.#starts.set(name, start)
      for (const name of branch.#sets) this.#sets.add(name)
    }
    for (const name of fresh) this.#starts.set(name, 'outer')
  }
}

/** Notes the names of one scope, leaving out the scopes inside it; then goes into those. */
function completeBody(
  body: Body,
  symbols: Symbols,
  parameters: readonly string[],
  more: readonly Expression[] = [],
): void {
  for (const name of parameters) symbols.parameter(name)
  for (const value of more) note(value, symbols)
  noteAll(body.statements, symbols)
  body.hidden = symbols.hidden
  for (const value of more) check(value, false)
  descendAll(body.statements, symbols, false)
}

function noteAll(statements: readonly Statement[], symbols: Symbols): void {
  for (const statement of statements) noteStatement(statement, symbols)
}

function noteStatement(node: Statement, symbols: Symbols): void {
  switch (node.type) {
    case 'output':
      for (const part of node.parts) note(part, symbols)
      return
    case 'if':
      noteIf(node.branches, node.otherwise, symbols)
      return
    case 'for':
      note(node.over, symbols)
      return
    case 'set':
      note(node.value, symbols)
      noteTarget(node.target, symbols)
      return
    case 'capture':
      noteTarget(node.target, symbols)
      return
    case 'macro':
      symbols.set(node.name)
      return
    case 'callBlock':
      note(node.call, symbols)
      return
    case 'filterBlock':
      note(node.filter, symbols)
      return
    case 'with':
      for (const [, value] of node.pairs) note(value, symbols)
      return
    default:
  }
}

function noteIf(
  branches: readonly (readonly [Expression, readonly Statement[]])[],
  otherwise: readonly Statement[],
  symbols: Symbols,
): void {
  note(branches[0][0], symbols)
  const body = symbols.branch()
  noteAll(branches[0][1], body)
  const elifs = symbols.branch()
  for (const branch of branches.slice(1)) noteIf([branch], [], elifs)
  const last = symbols.branch()
  noteAll(otherwise, last)
  symbols.merge([body, elifs, last])
}

function noteTarget(target: Target, symbols: Symbols): void {
  for (const name of namespacesOf(target)) symbols.read(name)
  for (const name of namesOf(target)) symbols.set(name)
}

function note(node: Expression, symbols: Symbols): void {
  if (node.type === 'name') symbols.read(node.name)
  for (const part of partsOf(node)) note(part, symbols)
}

/** @param soft  inside an if of this scope, where unknown filters fail only when they run */
function descendAll(statements: readonly Statement[], symbols: Symbols, soft: boolean): void {
  for (const statement of statements) descend(statement, symbols, soft)
}

function descend(node: Statement, symbols: Symbols, soft: boolean): void {
  const inner = () => new Symbols(symbols)
  switch (node.type) {
    case 'output':
      for (const part of node.parts) check(part, soft)
      return
    case 'if':
      for (const [test, body] of node.branches) {
        check(test, true)
        descendAll(body, symbols, true)
      }
      descendAll(node.otherwise, symbols, true)
      return
    case 'for':
      checkLoop(node)
      check(node.over, soft)
      if (node.test) check(node.test, false)
      completeBody(node.body, inner(), [...namesOf(node.target), 'loop'])
      completeBody(node.otherwise, inner(), [])
      return
    case 'set':
      check(node.value, soft)
      return
    case 'capture':
      if (node.filter) check(node.filter, false)
      completeBody(node.body, inner(), [])
      return
    case 'macro':
      completeMacro(node.macro, inner(), node.line)
      return
    case 'callBlock':
      check(node.call, soft)
      completeMacro(node.macro, inner(), node.line)
      return
    case 'filterBlock':
      check(node.filter, false)
      completeBody(node.body, inner(), [])
      return
    case 'with':
      for (const [, value] of node.pairs) check(value, soft)
      completeBody(
        node.body,
        inner(),
        node.pairs.flatMap(([target]) => [...namesOf(target)]),
      )
      return
    case 'generation':
      completeBody(node.body, inner(), [])
      return
    default:
  }
}

function completeMacro(macro: MacroParts, symbols: Symbols, line: number): void {
  const wanted = new Set<string>(SPECIAL)
  const special = new Set<(typeof SPECIAL)[number]>()
  for (const [name, use] of usesOf(macro.body.statements)) {
    if (!wanted.has(name)) continue
    if (use === 'read') special.add(name as (typeof SPECIAL)[number])
    else wanted.delete(name)
  }
  const callerAt = macro.parameters.indexOf('caller')
  if (special.has('caller') && callerAt >= 0) {
    if (callerAt < macro.parameters.length - macro.defaults.length) {
      throw at(line, 'the special "caller" argument must be omitted or be given a default')
    }
  }
  for (const name of ['kwargs', 'varargs'] as const) {
    if (macro.parameters.includes(name)) special.delete(name)
  }
  macro.special = special
  completeBody(macro.body, symbols, [...macro.parameters, ...special], macro.defaults)
}

function checkLoop(node: Statement & { readonly type: 'for' }): void {
  for (const [name, use] of usesOf([node])) {
    if (name === 'loop' && use === 'set') {
      throw at(node.line, "can't assign to special loop variable in for-loop")
    }
  }
}

/** Unknown filters and tests are errors at once, except where a condition may keep them from running. */
function check(node: Expression, soft: boolean): void {
  const choice = soft || node.type === 'choice'
  if (!choice && node.type === 'filter' && !FILTER_NAMES.has(node.name)) {
    throw at(node.line, `No filter named '${node.name}'`)
  }
  if (!choice && node.type === 'test' && !TEST_NAMES.has(node.name)) {
    throw at(node.line, `No test named '${node.name}'`)
  }
  for (const part of partsOf(node)) check(part, choice)
}

function at(line: number, message: string): TemplateFault {
  const fault = raise('TemplateAssertionError', message)
  fault.line = line
  return fault
}

// Goes through a tree in the order in which Jinja's own visitors do. Called by scopes.ts.
import type { Body, CallArguments, Expression, MacroParts, Statement, Target } from './ast.ts'

/** Expressions right below an expression. */
export function* partsOf(node: Expression): Generator<Expression, undefined> {
  switch (node.type) {
    case 'constant':
    case 'name':
      return
    case 'list':
    case 'tuple':
    case 'concat':
      yield* node.items
      return
    case 'dict':
      for (const pair of node.pairs) yield* pair
      return
    case 'choice':
      yield* [node.test, node.then]
      if (node.otherwise) yield node.otherwise
      return
    case 'and':
    case 'or':
    case 'binary':
      yield* [node.left, node.right]
      return
    case 'not':
    case 'minus':
    case 'plus':
    case 'member':
      yield node.of
      return
    case 'compare':
      yield node.first
      for (const [, right] of node.rest) yield right
      return
    case 'item':
      yield* [node.of, node.index]
      return
    case 'slice':
      for (const part of [node.of, node.start, node.stop, node.step]) if (part) yield part
      return
    case 'call':
    case 'filter':
    case 'test':
      if (node.of) yield node.of
      yield* argumentsOf(node.args)
      return
    default:
      node satisfies never
  }
}

/** Whether Jinja computes it when it compiles: nothing in it has to be looked up or called. */
export function isConstant(node: Expression): boolean {
  if (node.type === 'name' || node.type === 'call') return false
  for (const part of partsOf(node)) if (!isConstant(part)) return false
  return true
}

function* argumentsOf(args: CallArguments): Generator<Expression, undefined> {
  yield* args.list
  for (const [, value] of args.named) yield value
  if (args.rest) yield args.rest
  if (args.restNamed) yield args.restNamed
}

/** Names that an assignment sets. */
export function* namesOf(target: Target): Generator<string, undefined> {
  if (target.type === 'name') yield target.name
  else if (target.type === 'tuple') for (const item of target.items) yield* namesOf(item)
}

/** Namespaces whose attributes it sets. */
export function* namespacesOf(target: Target): Generator<string, undefined> {
  if (target.type === 'attribute') yield target.namespace
  else if (target.type === 'tuple') for (const item of target.items) yield* namespacesOf(item)
}

/** Every name in a subtree, in order: read, set, or a parameter. */
export type NameUse = readonly [name: string, use: 'read' | 'set' | 'parameter']

export function* usesOf(statements: readonly Statement[]): Generator<NameUse, undefined> {
  for (const statement of statements) yield* statementUses(statement)
}

function* statementUses(node: Statement): Generator<NameUse, undefined> {
  switch (node.type) {
    case 'output':
      for (const part of node.parts) yield* reads(part)
      return
    case 'if':
      for (const [test, body] of node.branches) {
        yield* reads(test)
        yield* usesOf(body)
      }
      yield* usesOf(node.otherwise)
      return
    case 'for':
      yield* sets(node.target)
      yield* reads(node.over)
      yield* usesOf(node.body.statements)
      yield* usesOf(node.otherwise.statements)
      if (node.test) yield* reads(node.test)
      return
    case 'break':
    case 'continue':
      return
    case 'set':
      yield* sets(node.target)
      yield* reads(node.value)
      return
    case 'capture':
      yield* sets(node.target)
      if (node.filter) yield* reads(node.filter)
      yield* bodyUses(node.body)
      return
    case 'macro':
      yield* macroUses(node.macro)
      return
    case 'callBlock':
      yield* reads(node.call)
      yield* macroUses(node.macro)
      return
    case 'filterBlock':
      yield* bodyUses(node.body)
      yield* reads(node.filter)
      return
    case 'with':
      for (const [target] of node.pairs) {
        for (const name of namesOf(target)) yield [name, 'parameter']
      }
      for (const [, value] of node.pairs) yield* reads(value)
      yield* bodyUses(node.body)
      return
    case 'generation':
      yield* bodyUses(node.body)
      return
    default:
      node satisfies never
  }
}

function bodyUses(body: Body): Generator<NameUse, undefined> {
  return usesOf(body.statements)
}

function* macroUses(macro: MacroParts): Generator<NameUse, undefined> {
  for (const name of macro.parameters) yield [name, 'parameter']
  for (const value of macro.defaults) yield* reads(value)
  yield* bodyUses(macro.body)
}

function* reads(node: Expression): Generator<NameUse, undefined> {
  if (node.type === 'name') yield [node.name, 'read']
  for (const part of partsOf(node)) yield* reads(part)
}

function* sets(target: Target): Generator<NameUse, undefined> {
  for (const name of namesOf(target)) yield [name, 'set']
}

// Runs the tree of a template. Every function that may come to a macro is a generator, which stops once in a
// while so that others have a turn: a template comes from a model file and may run long. Called by
// template.ts.
import type { Body, CallArguments, Expression, Statement, Target } from './ast.ts'
import { type Budget, raise, refuse } from './faults.ts'
import { applyFilter } from './filters-list.ts'
import { Loop } from './loop.ts'
import { Macro } from './macro.ts'
import { itemOf, memberOf, sliceOf } from './members.ts'
import { binary, compare, signed } from './operators.ts'
import { str } from './print.ts'
import { checkDefined, dictOf, iterate, setKey, toList, truth } from './protocols.ts'
import { Output, Scope } from './scope.ts'
import { applyTest } from './tests.ts'
import { join, Text } from './text.ts'
import {
  type Arguments,
  Builtin,
  Dict,
  isNumber,
  Lazy,
  Namespace,
  Opaque,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'
import { isConstant } from './walk.ts'

/** Stops now and then, and ends with a result. */
export type Steps<T> = Generator<undefined, T, undefined>
/** How a list of statements ended. */
type Ending = 'end' | 'break' | 'continue'

/** Calls of macros and recursive loops within each other; Python stops near 200. */
const MAX_CALLS = 100

interface Recursion {
  readonly node: Statement & { readonly type: 'for' }
  readonly scope: Scope
}

/** One rendering. */
export class Interpreter {
  readonly #budget: Budget
  readonly #recursions = new WeakMap<Loop, Recursion>()
  #calls = 0
  /** Line of what runs, for errors. */
  line = 1

  constructor(budget: Budget) {
    this.#budget = budget
  }

  *render(template: Body, names: Scope): Steps<Text> {
    const output = new Output(this.#budget.limits.output)
    yield* this.#run(template.statements, new Scope(names, template.hidden), output)
    return output.text
  }

  *#run(statements: readonly Statement[], scope: Scope, to: Output): Steps<Ending> {
    for (const statement of statements) {
      this.#budget.spend(1)
      if (this.#budget.sliceOver) yield
      const ending = yield* this.#statement(statement, scope, to)
      if (ending !== 'end') return ending
    }
    return 'end'
  }

  *#statement(node: Statement, scope: Scope, to: Output): Steps<Ending> {
    this.line = node.line
    switch (node.type) {
      case 'output':
        for (const part of node.parts) to.write(str(yield* this.#value(part, scope)))
        return 'end'
      case 'if':
        for (const [test, body] of node.branches) {
          if (truth(yield* this.#value(test, scope))) return yield* this.#run(body, scope, to)
        }
        return yield* this.#run(node.otherwise, scope, to)
      case 'for':
        return yield* this.#for(node, scope, to)
      case 'break':
      case 'continue':
        return node.type
      case 'set':
        this.#assign(node.target, yield* this.#value(node.value, scope), scope)
        return 'end'
      case 'capture': {
        const inner = new Scope(scope, node.body.hidden)
        const captured = new Output()
        const ending = yield* this.#run(node.body.statements, inner, captured)
        if (ending !== 'end') return ending
        const { text } = captured
        this.#assign(
          node.target,
          node.filter ? yield* this.#filtered(node.filter, inner, text) : text,
          scope,
        )
        return 'end'
      }
      case 'macro':
        scope.set(node.name, new Macro(node.name, node.macro, scope))
        return 'end'
      case 'callBlock': {
        const caller = new Macro('', node.macro, scope)
        to.write(str(yield* this.#call(node.call, scope, caller)))
        return 'end'
      }
      case 'filterBlock': {
        const inner = new Scope(scope, node.body.hidden)
        const captured = new Output()
        const ending = yield* this.#run(node.body.statements, inner, captured)
        if (ending !== 'end') return ending
        to.write(str(yield* this.#filtered(node.filter, inner, captured.text)))
        return 'end'
      }
      case 'with': {
        const inner = new Scope(scope, node.body.hidden)
        for (const [target, value] of node.pairs) {
          this.#assign(target, yield* this.#value(value, scope), inner)
        }
        return yield* this.#run(node.body.statements, inner, to)
      }
      case 'generation':
        return yield* this.#run(node.body.statements, new Scope(scope, node.body.hidden), to)
      default:
        return node satisfies never
    }
  }

  *#for(node: Recursion['node'], scope: Scope, to: Output): Steps<Ending> {
    const over = yield* this.#value(node.over, scope)
    if (!node.recursive) return yield* this.#loop(node, over, scope, to, 0)
    to.write(yield* this.#recursive(node, over, scope, 0))
    return 'end'
  }

  /** A recursive loop is a function: what it writes comes out as a whole. */
  *#recursive(node: Recursion['node'], over: Value, scope: Scope, depth: number): Steps<Text> {
    const output = new Output()
    yield* this.#loop(node, over, scope, output, depth)
    return output.text
  }

  *#loop(
    node: Recursion['node'],
    over: Value,
    scope: Scope,
    to: Output,
    depth: number,
  ): Steps<Ending> {
    const { test } = node
    const source = test ? new Lazy(this.#passing(node.target, test, over, scope)) : over
    const loop = new Loop(source, iterate(source), node.recursive, depth)
    if (node.recursive) this.#recursions.set(loop, { node, scope })
    // Jinja runs the else branch unless a round came to its end, even after a break in the first one.
    let completed = false
    for (let item = loop.next(); item !== undefined; item = loop.next()) {
      this.#budget.spend(1)
      const inner = new Scope(scope, node.body.hidden)
      inner.set('loop', loop)
      this.#assign(node.target, item, inner)
      const ending = yield* this.#run(node.body.statements, inner, to)
      if (ending === 'break') break
      if (ending === 'end') completed = true
    }
    if (completed || node.otherwise.statements.length === 0) return 'end'
    const inner = new Scope(scope, node.otherwise.hidden)
    return yield* this.#run(node.otherwise.statements, inner, to)
  }

  /** Entries that pass the condition of a loop, looked at when their turn comes. */
  *#passing(
    target: Target,
    test: Expression,
    over: Value,
    scope: Scope,
  ): Generator<Value, undefined> {
    const entries = iterate(over)
    for (let next = entries.next(); !next.done; next = entries.next()) {
      const inner = new Scope(scope)
      this.#assign(target, next.value, inner)
      const steps = this.#value(test, inner)
      let step = steps.next()
      while (!step.done) step = steps.next()
      if (truth(step.value)) yield next.value
    }
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.type === 'name') scope.set(target.name, value)
    else if (target.type === 'attribute') {
      const namespace = scope.get(target.namespace)
      if (!(namespace instanceof Namespace)) {
        throw raise('TemplateRuntimeError', 'cannot assign attribute on non-namespace object')
      }
      setKey(namespace.dict, new Text(target.name), value)
    } else {
      const items = toList(value)
      const wanted = target.items.length
      if (items.length !== wanted) {
        const which = items.length > wanted ? 'too many' : 'not enough'
        throw raise(
          'ValueError',
          `${which} values to unpack (expected ${wanted}, got ${items.length})`,
        )
      }
      target.items.forEach((item, i) => {
        this.#assign(item, items[i], scope)
      })
    }
  }

  *#value(node: Expression, scope: Scope): Steps<Value> {
    this.#budget.spend(1)
    switch (node.type) {
      case 'constant':
        return node.value
      case 'name':
        return scope.get(node.name)
      case 'list':
        return yield* this.#all(node.items, scope)
      case 'tuple':
        return new Tuple(yield* this.#all(node.items, scope))
      case 'concat':
        return join((yield* this.#all(node.items, scope)).map(str))
      case 'dict': {
        const pairs: [Value, Value][] = []
        for (const [key, value] of node.pairs) {
          pairs.push([yield* this.#value(key, scope), yield* this.#value(value, scope)])
        }
        return dictOf(pairs)
      }
      case 'choice': {
        if (truth(yield* this.#value(node.test, scope))) return yield* this.#value(node.then, scope)
        if (node.otherwise) return yield* this.#value(node.otherwise, scope)
        return new Undefined(
          `the inline if-expression on line ${node.line} evaluated to false and no else section was defined.`,
        )
      }
      case 'and':
      case 'or': {
        const left = yield* this.#value(node.left, scope)
        if (truth(left) === (node.type === 'or')) return left
        return yield* this.#value(node.right, scope)
      }
      case 'not':
        return !truth(yield* this.#value(node.of, scope))
      case 'minus':
      case 'plus':
        return signed(node.type, yield* this.#value(node.of, scope))
      case 'binary': {
        const left = yield* this.#value(node.left, scope)
        const right = yield* this.#value(node.right, scope)
        // Jinja writes a negative constant without parentheses there, and Python negates the power.
        if (
          node.op === '**' &&
          typeof left !== 'boolean' &&
          isNumber(left) &&
          left < 0 &&
          isConstant(node.left)
        ) {
          if (!isConstant(node.right)) throw refuse('a power of a negative constant')
        }
        return binary(node.op, left, right)
      }
      case 'compare':
        return yield* this.#compare(node, scope)
      case 'member':
        return memberOf(yield* this.#value(node.of, scope), node.name)
      case 'item': {
        const of = yield* this.#value(node.of, scope)
        return itemOf(of, yield* this.#value(node.index, scope))
      }
      case 'slice': {
        const of = yield* this.#value(node.of, scope)
        const start = node.start && (yield* this.#value(node.start, scope))
        const stop = node.stop && (yield* this.#value(node.stop, scope))
        return sliceOf(of, start, stop, node.step && (yield* this.#value(node.step, scope)))
      }
      case 'call':
        return yield* this.#call(node, scope)
      case 'filter':
        return yield* this.#filtered(node, scope)
      case 'test': {
        const of = yield* this.#value(node.of, scope)
        const args = yield* this.#arguments(node.args, scope)
        this.line = node.line
        return applyTest(node.name, of, args)
      }
      default:
        return node satisfies never
    }
  }

  *#all(nodes: readonly Expression[], scope: Scope): Steps<Value[]> {
    const values: Value[] = []
    for (const node of nodes) values.push(yield* this.#value(node, scope))
    return values
  }

  *#compare(node: Expression & { readonly type: 'compare' }, scope: Scope): Steps<Value> {
    let left = yield* this.#value(node.first, scope)
    for (const [op, rightNode] of node.rest) {
      const right = yield* this.#value(rightNode, scope)
      this.line = node.line
      if (!compare(op, left, right)) return false
      left = right
    }
    return true
  }

  /** @param block  the text of a block, for the filter that has nothing before it */
  *#filtered(node: Expression, scope: Scope, block?: Text): Steps<Value> {
    if (node.type !== 'filter') return yield* this.#value(node, scope)
    const of = node.of ? yield* this.#filtered(node.of, scope, block) : block!
    const args = yield* this.#arguments(node.args, scope)
    this.line = node.line
    return applyFilter(node.name, of, args)
  }

  *#arguments(args: CallArguments, scope: Scope): Steps<Arguments> {
    if (args.list.length + args.named.length === 0 && !args.rest && !args.restNamed) return NOTHING
    const list = yield* this.#all(args.list, scope)
    const named = new Map<string, Value>()
    for (const [name, value] of args.named) named.set(name, yield* this.#value(value, scope))
    if (args.rest) list.push(...toList(yield* this.#value(args.rest, scope)))
    if (args.restNamed) {
      const more = yield* this.#value(args.restNamed, scope)
      if (!(more instanceof Dict)) throw raise('TypeError', 'argument after ** must be a mapping')
      for (const [key, value] of more.entries.values()) {
        if (!(key instanceof Text)) throw raise('TypeError', 'keywords must be strings')
        if (named.has(key.s)) {
          throw raise('TypeError', `got multiple values for keyword argument '${key.s}'`)
        }
        named.set(key.s, value)
      }
    }
    return { list, named }
  }

  *#call(node: Expression & { readonly type: 'call' }, scope: Scope, caller?: Macro): Steps<Value> {
    const callee = yield* this.#value(node.of, scope)
    let args = yield* this.#arguments(node.args, scope)
    if (caller) {
      if (args.named.has('caller')) throw raise('TypeError', 'two values for the argument caller')
      args = { list: args.list, named: new Map([...args.named, ['caller', caller]]) }
    }
    this.line = node.line
    checkDefined(callee)
    if (callee instanceof Builtin) return callee.call(args)
    if (callee instanceof Macro) return yield* this.#deeper(this.#macro(callee, args))
    if (callee instanceof Loop && callee.recursive) {
      const { node: loop, scope: outer } = this.#recursions.get(callee)!
      if (args.list.length !== 1 || args.named.size > 0) {
        throw raise('TypeError', 'loop() takes one argument')
      }
      return yield* this.#deeper(this.#recursive(loop, args.list[0], outer, callee.depth0 + 1))
    }
    if (callee instanceof Opaque && callee.call) return callee.call(args)
    throw raise('TypeError', `'${typeName(callee)}' object is not callable`)
  }

  *#deeper<T>(steps: Steps<T>): Steps<T> {
    if (++this.#calls > MAX_CALLS) {
      throw refuse(`more than ${MAX_CALLS} calls of macros within each other`)
    }
    const result = yield* steps
    this.#calls--
    return result
  }

  *#macro(macro: Macro, args: Arguments): Steps<Text> {
    const { scope, missing } = macro.open(args)
    for (const [parameter, value] of missing) {
      const nothing = new Undefined(`parameter '${parameter}' was not provided`)
      scope.set(parameter, value ? yield* this.#value(value, scope) : nothing)
    }
    const output = new Output()
    yield* this.#run(macro.parts.body.statements, scope, output)
    return output.text
  }
}

const NOTHING: Arguments = { list: [], named: new Map() }

// The tests behind `is`.
import { bind } from './arguments.ts'
import { raise, refuse } from './faults.ts'
import { isOf } from './letters.ts'
import { isIterable } from './members.ts'
import { FILTER_NAMES, TEST_NAMES } from './names.ts'
import { binary } from './operators.ts'
import { str } from './print.ts'
import { contains, equal, keyOf, lengthOf, type Order, ordered } from './protocols.ts'
import { Text } from './text.ts'
import {
  type Arguments,
  Callable,
  Dict,
  DictView,
  isNumber,
  Opaque,
  Undefined,
  type Value,
} from './values.ts'

type Test = (value: Value, args: Arguments) => boolean

const alone =
  (test: (value: Value) => boolean): Test =>
  (value, args) => {
    bind('test', '', args)
    return test(value)
  }

const withOther =
  (test: (value: Value, other: Value) => boolean): Test =>
  (value, args) =>
    test(value, bind('test', 'other', args)[0]!)

const order = (op: Order): Test => withOther((value, other) => ordered(op, value, other))
const same = withOther((value, other) => equal(value, other))
const differs = withOther((value, other) => !equal(value, other))

/** value % by == rest */
function leaves(value: Value, by: Value, rest: bigint): boolean {
  return equal(binary('%', value, by), rest)
}

/** Whether both are one object. Python shares some strings and numbers, which ones is its own affair. */
function identical(value: Value, other: Value): boolean {
  if (value === other) return true
  const vague = (one: Value) => one instanceof Text || (isNumber(one) && typeof one !== 'boolean')
  if (vague(value) && vague(other) && equal(value, other)) {
    throw refuse('sameas on strings and numbers')
  }
  return false
}

function isSequence(value: Value): boolean {
  if (value instanceof DictView || value instanceof Opaque) return false
  return lengthOf(value) !== undefined
}

function isCallable(value: Value): boolean {
  if (value instanceof Opaque) return value.call !== undefined
  return value instanceof Callable || value instanceof Undefined
}

function named(names: ReadonlySet<string>): Test {
  return alone(value => {
    keyOf(value) // lists and dicts cannot be looked up
    return value instanceof Text && names.has(value.s)
  })
}

const TESTS: Readonly<Record<string, Test>> = {
  odd: alone(value => leaves(value, 2n, 1n)),
  even: alone(value => leaves(value, 2n, 0n)),
  divisibleby: (value, args) => leaves(value, bind('divisibleby', 'num', args)[0]!, 0n),
  defined: alone(value => !(value instanceof Undefined)),
  undefined: alone(value => value instanceof Undefined),
  filter: named(FILTER_NAMES),
  test: named(TEST_NAMES),
  none: alone(value => value === null),
  boolean: alone(value => typeof value === 'boolean'),
  true: alone(value => value === true),
  false: alone(value => value === false),
  integer: alone(value => typeof value === 'bigint'),
  float: alone(value => typeof value === 'number'),
  lower: alone(value => isOf(str(value), 'islower')),
  upper: alone(value => isOf(str(value), 'isupper')),
  string: alone(value => value instanceof Text),
  mapping: alone(value => value instanceof Dict),
  number: alone(isNumber),
  sequence: alone(isSequence),
  iterable: alone(isIterable),
  callable: alone(isCallable),
  sameas: withOther(identical),
  escaped: alone(value => value instanceof Text && value.safe),
  in: (value, args) => contains(bind('in', 'seq', args)[0]!, value),
  eq: same,
  equalto: same,
  '==': same,
  ne: differs,
  '!=': differs,
  gt: order('>'),
  greaterthan: order('>'),
  '>': order('>'),
  ge: order('>='),
  '>=': order('>='),
  lt: order('<'),
  lessthan: order('<'),
  '<': order('<'),
  le: order('<='),
  '<=': order('<='),
}

/** value is name(args). @throws TemplateFault */
export function applyTest(name: string, value: Value, args: Arguments): boolean {
  const test = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined
  if (!test) throw raise('TemplateRuntimeError', `No test named '${name}'`)
  return test(value, args)
}

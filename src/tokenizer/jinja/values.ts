// The values a template works on, with Python's meaning. None is null, int is bigint, float is number, so
// that 1 and 1.0 stay apart; list is an array; str is a Text. What all of them share (truth, length,
// iteration, equality, order, keys) is in protocols.ts.
import type { Text } from './text.ts'

export type Value =
  | null
  | boolean
  | bigint
  | number
  | Text
  | readonly Value[]
  | Tuple
  | Dict
  | DictView
  | Range
  | Lazy
  | Undefined
  | Namespace
  | Callable
  | Opaque

/** A name or member that is not there: prints nothing, has no entries, and fails when it is used. */
export class Undefined {
  /** What an error says. */
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

export class Tuple {
  readonly items: readonly Value[]
  /** Names of the entries, for those of groupby. */
  readonly fields: readonly string[]

  constructor(items: readonly Value[], fields: readonly string[] = []) {
    this.items = items
    this.fields = fields
  }
}

/** Keys by what Python's hash and == tell apart: protocols.ts makes the strings. Keeps insertion order. */
export class Dict {
  readonly entries = new Map<string, readonly [key: Value, value: Value]>()
}

export class DictView {
  readonly dict: Dict
  readonly kind: 'keys' | 'values' | 'items'

  constructor(dict: Dict, kind: DictView['kind']) {
    this.dict = dict
    this.kind = kind
  }
}

export class Range {
  readonly start: bigint
  readonly stop: bigint
  readonly step: bigint
  readonly length: number

  constructor(start: bigint, stop: bigint, step: bigint) {
    this.start = start
    this.stop = stop
    this.step = step
    const ahead = step > 0n ? stop - start : start - stop
    const size = step > 0n ? step : -step
    this.length = ahead > 0n ? Number((ahead + size - 1n) / size) : 0
  }

  at(index: number): bigint {
    return this.start + BigInt(index) * this.step
  }
}

/** What a filter such as map gives: its entries can be taken once, and are made when they are taken. */
export class Lazy {
  readonly iterator: Iterator<Value>
  readonly typeName: string

  constructor(iterator: Iterator<Value>, typeName = 'generator') {
    this.iterator = iterator
    this.typeName = typeName
  }
}

export class Namespace {
  readonly dict: Dict

  constructor(dict: Dict) {
    this.dict = dict
  }
}

/** What a call passes. */
export interface Arguments {
  readonly list: readonly Value[]
  readonly named: ReadonlyMap<string, Value>
}

/** Macros are called by the interpreter, which makes a subclass; the rest are functions. */
export abstract class Callable {
  abstract readonly name: string
}

export class Builtin extends Callable {
  readonly name: string
  readonly call: (args: Arguments) => Value

  constructor(name: string, call: (args: Arguments) => Value) {
    super()
    this.name = name
    this.call = call
  }
}

/** Objects of Jinja itself: loop, cycler, joiner. */
export abstract class Opaque {
  abstract readonly typeName: string
  /** undefined where there is no such member. */
  abstract member(name: string): Value | undefined
  /** undefined when it cannot be called. */
  readonly call?: (args: Arguments) => Value
  abstract print(): string
}

/** Python's name of its type. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return 'float'
  if (value instanceof Tuple) return 'tuple'
  if (value instanceof Dict) return 'dict'
  if (value instanceof DictView) return `dict_${value.kind}`
  if (value instanceof Range) return 'range'
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Namespace) return 'Namespace'
  if (value instanceof Callable)
    return value instanceof Builtin ? 'builtin_function_or_method' : 'Macro'
  if (value instanceof Lazy || value instanceof Opaque) return value.typeName
  return isList(value) ? 'list' : 'str'
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** int or bool, as Python's isinstance(value, int). */
export function isInt(value: Value): value is bigint | boolean {
  return typeof value === 'bigint' || typeof value === 'boolean'
}

/** int, bool or float. */
export function isNumber(value: Value): value is bigint | boolean | number {
  return isInt(value) || typeof value === 'number'
}

/** The int that a bool is. */
export function toInt(value: bigint | boolean): bigint {
  return typeof value === 'bigint' ? value : value ? 1n : 0n
}

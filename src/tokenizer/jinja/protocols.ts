// What Python asks of any value: is it true, how long, what does it hold, is it equal, does it come first,
// which key is it. Called by operators, filters and the interpreter.
import { checkEntries, MAX_ENTRIES, raise, refuse, spend, TemplateFault } from './faults.ts'
import { Text } from './text.ts'
import {
  Callable,
  Dict,
  DictView,
  isInt,
  isList,
  isNumber,
  Lazy,
  Namespace,
  Opaque,
  Range,
  Tuple,
  toInt,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

/** Depth of lists in lists; Python gives up near 1000. */
const MAX_DEPTH = 200

export function truth(value: Value): boolean {
  if (value === null) return false
  if (typeof value === 'boolean') return value
  if (typeof value === 'bigint') return value !== 0n
  if (typeof value === 'number') return value !== 0
  return (lengthOf(value) ?? 1) > 0
}

/** Python's len(); undefined where there is none. */
export function lengthOf(value: Value): number | undefined {
  if (value instanceof Text) return value.points
  if (isList(value)) return value.length
  if (value instanceof Tuple) return value.items.length
  if (value instanceof Dict) return value.entries.size
  if (value instanceof DictView) return value.dict.entries.size
  if (value instanceof Range) return value.length
  if (value instanceof Undefined) return 0
  if (value instanceof Opaque) {
    const length = value.typeName === 'LoopContext' ? value.member('length') : undefined
    return typeof length === 'bigint' ? Number(length) : undefined
  }
  return undefined
}

/** @throws TemplateFault where there is none */
export function checkedLength(value: Value): number {
  const length = lengthOf(value)
  if (length !== undefined) return length
  throw raise('TypeError', `object of type '${typeName(value)}' has no len()`)
}

/** The entries of a value; undefined when it has none. A Lazy is used up by it. */
export function entriesOf(value: Value): Iterator<Value> | undefined {
  if (value instanceof Text) return value.asSafe(false).characters().values()
  if (isList(value)) return value.values()
  if (value instanceof Tuple) return value.items.values()
  if (value instanceof Lazy) return value.iterator
  if (value instanceof Dict) return keysOf(value)
  if (value instanceof DictView) return viewEntries(value)
  if (value instanceof Range) return rangeEntries(value)
  if (value instanceof Undefined) return [].values()
  if (value instanceof Opaque && value.typeName === 'LoopContext') {
    throw refuse('iterating over loop')
  }
  return undefined
}

/** @throws TemplateFault when it cannot be iterated over */
export function iterate(value: Value): Iterator<Value> {
  const entries = entriesOf(value)
  if (entries) return entries
  throw raise('TypeError', `'${typeName(value)}' object is not iterable`)
}

/** Python's list(). */
export function toList(value: Value): Value[] {
  if (isList(value)) {
    checkEntries(value.length)
    return [...value]
  }
  const list: Value[] = []
  const entries = iterate(value)
  for (let next = entries.next(); !next.done; next = entries.next()) {
    list.push(next.value)
    if (list.length > MAX_ENTRIES) checkEntries(list.length)
  }
  checkEntries(list.length)
  return list
}

function* keysOf(dict: Dict): Generator<Value, undefined> {
  for (const [key] of dict.entries.values()) yield key
}

function* viewEntries({ dict, kind }: DictView): Generator<Value, undefined> {
  for (const [key, value] of dict.entries.values()) {
    yield kind === 'keys' ? key : kind === 'values' ? value : new Tuple([key, value])
  }
}

function* rangeEntries(range: Range): Generator<Value, undefined> {
  for (let i = 0; i < range.length; i++) yield range.at(i)
}

/** Python's ==, which never fails. */
export function equal(a: Value, b: Value, depth = 0): boolean {
  if (depth > MAX_DEPTH) throw raise('RecursionError', 'values are nested too deeply')
  spend(0.25)
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [numeric(a), numeric(b)]
    return x <= y && x >= y // exact for an int and a float, false for nan
  }
  if (a instanceof Text && b instanceof Text) {
    spend(Math.min(a.length, b.length) / 256)
    return a.s === b.s
  }
  if (a === b) return true
  if (a === null || b === null || isNumber(a) || isNumber(b)) return false
  if (isList(a) && isList(b)) return equalLists(a, b, depth)
  if (a instanceof Tuple && b instanceof Tuple) return equalLists(a.items, b.items, depth)
  if (a instanceof Undefined && b instanceof Undefined) return true
  if (a instanceof Dict && b instanceof Dict) {
    if (a.entries.size !== b.entries.size) return false
    for (const [key, [, value]] of a.entries) {
      const other = b.entries.get(key)
      if (!other || !equal(value, other[1], depth + 1)) return false
    }
    return true
  }
  if (a instanceof Range && b instanceof Range) {
    const lists = [a, b].map(range => toList(range))
    return equalLists(lists[0], lists[1], depth)
  }
  if (a instanceof DictView && b instanceof DictView) throw refuse('comparing views of dicts')
  return false
}

function equalLists(a: readonly Value[], b: readonly Value[], depth: number): boolean {
  return a.length === b.length && a.every((item, i) => same(item, b[i], depth + 1))
}

/** As entries are looked for: identical or equal. */
function same(a: Value, b: Value, depth: number): boolean {
  return a === b || equal(a, b, depth)
}

export type Order = '<' | '<=' | '>' | '>='

/** @throws TemplateFault for values that have no order */
export function ordered(op: Order, a: Value, b: Value, depth = 0): boolean {
  if (depth > MAX_DEPTH) throw raise('RecursionError', 'values are nested too deeply')
  spend(0.25)
  checkDefined(a)
  checkDefined(b)
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [numeric(a), numeric(b)]
    return op === '<' ? x < y : op === '<=' ? x <= y : op === '>' ? x > y : x >= y
  }
  if (a instanceof Text && b instanceof Text) return holds(op, comparePoints(a, b))
  const lists = isList(a) && isList(b) ? [a, b] : undefined
  const tuples = a instanceof Tuple && b instanceof Tuple ? [a.items, b.items] : undefined
  const pair = lists ?? tuples
  if (!pair) {
    const [x, y] = [typeName(a), typeName(b)]
    throw raise('TypeError', `'${op}' not supported between instances of '${x}' and '${y}'`)
  }
  const [x, y] = pair
  for (let i = 0; i < x.length && i < y.length; i++) {
    if (!same(x[i], y[i], depth + 1)) return ordered(op, x[i], y[i], depth + 1)
  }
  return holds(op, x.length - y.length)
}

function holds(op: Order, difference: number): boolean {
  if (op === '<') return difference < 0
  if (op === '<=') return difference <= 0
  return op === '>' ? difference > 0 : difference >= 0
}

/** By code points, which for characters of two units is not the order of units. */
function comparePoints(a: Text, b: Text): number {
  spend(Math.min(a.length, b.length) / 64)
  if (!a.wide && !b.wide) return a.s < b.s ? -1 : a.s > b.s ? 1 : 0
  const [x, y] = [Array.from(a.s), Array.from(b.s)]
  for (let i = 0; i < x.length && i < y.length; i++) {
    if (x[i] !== y[i]) return x[i].codePointAt(0)! - y[i].codePointAt(0)!
  }
  return x.length - y.length
}

function numeric(value: bigint | boolean | number): bigint | number {
  return typeof value === 'boolean' ? toInt(value) : value
}

/** @throws TemplateFault with Jinja's words when it is undefined */
export function checkDefined(value: Value): void {
  if (value instanceof Undefined) throw new TemplateFault(value.message)
}

/** Python's `in`. */
export function contains(container: Value, item: Value): boolean {
  if (container instanceof Text) {
    if (!(item instanceof Text)) {
      throw raise(
        'TypeError',
        `'in <string>' requires string as left operand, not ${typeName(item)}`,
      )
    }
    spend(container.length / 64)
    return container.s.includes(item.s)
  }
  if (container instanceof Dict) return container.entries.has(keyOf(item))
  if (container instanceof DictView && container.kind === 'keys') {
    return container.dict.entries.has(keyOf(item))
  }
  if (container instanceof Range && isInt(item)) {
    const offset = toInt(item) - container.start
    const index = offset / container.step
    return offset % container.step === 0n && index >= 0n && index < BigInt(container.length)
  }
  const entries = entriesOf(container)
  if (!entries)
    throw raise('TypeError', `argument of type '${typeName(container)}' is not iterable`)
  for (let next = entries.next(); !next.done; next = entries.next()) {
    spend(0.25)
    if (same(next.value, item, 0)) return true
  }
  return false
}

const identities = new WeakMap<object, string>()
let identityCount = 0

/**
 * What Python's hash and == make of a key.
 * @throws TemplateFault for lists and dicts
 */
export function keyOf(value: Value, depth = 0): string {
  if (depth > MAX_DEPTH) throw raise('RecursionError', 'values are nested too deeply')
  if (value instanceof Text) return `s${value.s}`
  if (value === null) return 'n'
  if (isInt(value)) return `i${toInt(value)}`
  if (typeof value === 'number') return Number.isInteger(value) ? `i${BigInt(value)}` : `f${value}`
  if (value instanceof Undefined) return 'u'
  if (value instanceof Tuple) {
    const keys = value.items.map(item => keyOf(item, depth + 1))
    return `t${keys.map(key => `${key.length}:${key}`).join('')}`
  }
  if (isList(value) || value instanceof Dict || value instanceof Namespace) {
    if (!(value instanceof Namespace)) {
      throw raise('TypeError', `unhashable type: '${typeName(value)}'`)
    }
  }
  if (value instanceof Callable || value instanceof Opaque || value instanceof Namespace) {
    let identity = identities.get(value)
    if (identity === undefined) {
      identity = `o${identityCount++}`
      identities.set(value, identity)
    }
    return identity
  }
  throw refuse(`a ${typeName(value)} as a key`)
}

export function getKey(dict: Dict, key: Value): Value | undefined {
  return dict.entries.get(keyOf(key))?.[1]
}

/** Sets an entry; a key that is there already stays as it is, as in Python. */
export function setKey(dict: Dict, key: Value, value: Value): void {
  const name = keyOf(key)
  dict.entries.set(name, [dict.entries.get(name)?.[0] ?? key, value])
}

export function dictOf(entries: Iterable<readonly [Value, Value]>): Dict {
  const dict = new Dict()
  for (const [key, value] of entries) setKey(dict, key, value)
  checkEntries(dict.entries.size)
  return dict
}

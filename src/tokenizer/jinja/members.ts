// x.name, x[key] and x[a:b:c]: Jinja looks a name up as an attribute first and then as a key, a key the other
// way round, and gives undefined where neither is there. Attributes are those Python's types have; what its
// sandbox keeps away is undefined, too, and fails when it is used.
import { bind, indexOf } from './arguments.ts'
import { checkEntries, raise, refuse, TemplateFault } from './faults.ts'
import { repr } from './print.ts'
import { checkDefined, entriesOf, equal, getKey, keyOf } from './protocols.ts'
import { stringMethod } from './string-methods.ts'
import { join, Text } from './text.ts'
import {
  type Arguments,
  Builtin,
  Callable,
  Dict,
  DictView,
  isInt,
  isList,
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

/** x.name */
export function memberOf(value: Value, name: string): Value {
  const member = attributeOf(value, name)
  if (member !== undefined) return member
  const item = keyed(value, new Text(name))
  return item === undefined ? missing(value, new Text(name)) : item
}

/** x[key] */
export function itemOf(value: Value, key: Value): Value {
  const item = keyed(value, key)
  if (item !== undefined) return item
  const member = key instanceof Text ? attributeOf(value, key.s) : undefined
  return member === undefined ? missing(value, key) : member
}

/** Whether there is an attribute of that name, for the filter attr. */
export function attributeOf(value: Value, name: string): Value | undefined {
  if (value instanceof Undefined) checkDefined(value)
  if (value instanceof Namespace) {
    const member = getKey(value.dict, new Text(name))
    return member !== undefined && name.startsWith('_') ? unsafe('Namespace', name) : member
  }
  if (name.startsWith('__') && name.endsWith('__')) {
    // Keys may look like that, too, and Python's own names come before them.
    if (value instanceof Dict && !OWN_NAMES.has(name.slice(2, -2))) return undefined
    throw refuse(`the attribute ${name}`)
  }
  if (value instanceof Opaque) return value.member(name)
  if (value instanceof Text) return method(name, stringMethod(value, name, LOOK_UP))
  if (value instanceof Dict) return dictMember(value, name)
  if (isList(value)) return listMember(value, name)
  if (value instanceof Tuple) {
    const field = value.fields.indexOf(name)
    if (field >= 0) return value.items[field]
    return sequenceMethod(value.items, name)
  }
  const others = ATTRIBUTES[typeName(value)]
  if (others?.includes(name)) throw refuse(`the attribute ${name} of a ${typeName(value)}`)
  return undefined
}

/** What stands between the underscores of a dict's own attributes. */
const OWN_NAMES = new Set(
  (
    'class class_getitem contains delattr delitem dir doc eq format ge getattribute getitem ' +
    'getstate gt hash init init_subclass ior iter le len lt ne new or reduce reduce_ex repr ' +
    'reversed ror setattr setitem sizeof str subclasshook'
  ).split(' '),
)

const LOOK_UP = { member: memberOf, item: itemOf }

/** Attributes of types that templates leave alone; other names are undefined in Python, too. */
const INT = ['bit_count', 'bit_length', 'conjugate', 'from_bytes', 'to_bytes', 'is_integer']
const NUMBER = ['as_integer_ratio', 'denominator', 'imag', 'numerator', 'real']
const ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  int: [...INT, ...NUMBER],
  bool: [...INT, ...NUMBER],
  float: [...NUMBER, 'conjugate', 'fromhex', 'hex', 'is_integer'],
  range: ['count', 'index', 'start', 'stop', 'step'],
  dict_keys: ['isdisjoint', 'mapping'],
  dict_values: ['mapping'],
  dict_items: ['isdisjoint', 'mapping'],
  generator: [
    'close',
    'gi_code',
    'gi_frame',
    'gi_running',
    'gi_suspended',
    'gi_yieldfrom',
    'send',
    'throw',
  ],
  Macro: ['arguments', 'caller', 'catch_kwargs', 'catch_varargs', 'explicit_caller', 'name'],
}

const CHANGING: Readonly<Record<string, readonly string[]>> = {
  dict: ['clear', 'pop', 'popitem', 'setdefault', 'update'],
  list: ['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove'],
}

function method(name: string, call: ((args: Arguments) => Value) | undefined): Builtin | undefined {
  return call && new Builtin(name, call)
}

/** Python's sandbox gives an undefined value that says why when it is used. */
function unsafe(type: string, name: string): Undefined {
  return new Undefined(
    `SecurityError: access to attribute '${name}' of '${type}' object is unsafe.`,
  )
}

function dictMember(dict: Dict, name: string): Value | undefined {
  switch (name) {
    case 'items':
    case 'keys':
    case 'values':
      return method(name, args => {
        bind(name, '', args)
        return new DictView(dict, name)
      })
    case 'get':
      return method(name, args => {
        const [key, otherwise] = bind(name, 'key default? /', args)
        const value = getKey(dict, key!)
        return value !== undefined ? value : (otherwise ?? null)
      })
    case 'copy':
      return method(name, args => {
        bind(name, '', args)
        return dict // nothing can change either
      })
    case 'fromkeys':
      throw refuse('dict.fromkeys()')
    default:
      return CHANGING.dict.includes(name) ? unsafe('dict', name) : undefined
  }
}

function listMember(list: readonly Value[], name: string): Value | undefined {
  if (name === 'copy') {
    return method(name, args => {
      bind(name, '', args)
      return list
    })
  }
  if (CHANGING.list.includes(name)) return unsafe('list', name)
  return sequenceMethod(list, name)
}

function sequenceMethod(items: readonly Value[], name: string): Value | undefined {
  if (name === 'count') {
    return method(name, args => {
      const [wanted] = bind(name, 'value /', args)
      checkEntries(items.length)
      return BigInt(items.filter(item => equal(item, wanted!)).length)
    })
  }
  if (name !== 'index') return undefined
  return method(name, args => {
    const [wanted, start, stop] = bind(name, 'value start? stop? /', args)
    checkEntries(items.length)
    const at = (point: Value | undefined, absent: number) => {
      if (point === undefined) return absent
      const index = indexOf(point, 'slice indices')
      return index < 0 ? Math.max(index + items.length, 0) : index
    }
    const end = Math.min(at(stop, items.length), items.length)
    for (let i = at(start, 0); i < end; i++) if (equal(items[i], wanted!)) return BigInt(i)
    throw raise('ValueError', 'the value is not in the list')
  })
}

/** value[key] as Python does it alone; undefined where it raises TypeError or LookupError. */
function keyed(value: Value, key: Value): Value | undefined {
  if (value instanceof Undefined) checkDefined(value)
  if (value instanceof Dict) {
    try {
      return value.entries.get(keyOf(key))?.[1]
    } catch (error) {
      if (error instanceof TemplateFault && error.message.startsWith('TypeError')) return undefined
      throw error
    }
  }
  if (!isInt(key)) return undefined
  const index = toInt(key)
  const pick = <T>(length: number, at: (i: number) => T): T | undefined => {
    const i = index < 0n ? index + BigInt(length) : index
    return i >= 0n && i < BigInt(length) ? at(Number(i)) : undefined
  }
  if (value instanceof Text) {
    return pick(value.points, i => value.slice(value.unitOf(i), value.unitOf(i + 1)))
  }
  if (isList(value)) return pick(value.length, i => value[i])
  if (value instanceof Tuple) return pick(value.items.length, i => value.items[i])
  if (value instanceof Range) return pick(value.length, i => value.at(i))
  return undefined
}

function missing(value: Value, key: Value): Undefined {
  const owner = value === null ? 'None' : `'${typeName(value)} object'`
  if (key instanceof Text)
    return new Undefined(`${owner} has no attribute '${key.s.slice(0, 200)}'`)
  if (value instanceof Callable || value instanceof Lazy)
    return new Undefined(`${owner} has no such element`)
  return new Undefined(
    `${owner} has no element ${isInt(key) ? repr(key).s : `of a ${typeName(key)}`}`,
  )
}

type Bound = Value | undefined

/** value[start:stop:step]. @throws TemplateFault where Python raises */
export function sliceOf(value: Value, start: Bound, stop: Bound, step: Bound): Value {
  checkDefined(value)
  const by = bound(step) ?? 1
  if (by === 0) throw raise('ValueError', 'slice step cannot be zero')
  const from = bound(start)
  const to = bound(stop)
  if (value instanceof Text) {
    const indices = sliceIndices(value.points, from, to, by)
    if (by === 1) {
      const [first, count] = [indices.first, indices.count]
      if (count === 0) return value.slice(0, 0)
      return value.slice(value.unitOf(first), value.unitOf(first + count))
    }
    const characters = value.characters()
    return join(listOf(indices, by, i => characters[i])).asSafe(value.safe)
  }
  if (isList(value)) return listOf(sliceIndices(value.length, from, to, by), by, i => value[i])
  if (value instanceof Tuple) {
    const indices = sliceIndices(value.items.length, from, to, by)
    return new Tuple(listOf(indices, by, i => value.items[i]))
  }
  if (value instanceof Range) {
    const { first, last } = sliceIndices(value.length, from, to, by)
    return new Range(value.at(first), value.at(last), value.step * BigInt(by))
  }
  if (value instanceof Dict) throw raise('TypeError', "unhashable type: 'slice'")
  throw raise('TypeError', `'${typeName(value)}' object is not subscriptable`)
}

function bound(value: Bound): number | undefined {
  if (value === undefined || value === null) return undefined
  return indexOf(value, 'slice indices must be integers or None')
}

function sliceIndices(
  length: number,
  start: number | undefined,
  stop: number | undefined,
  step: number,
): { first: number; last: number; count: number } {
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1]
  const place = (value: number | undefined, absent: number) => {
    if (value === undefined) return absent
    return Math.min(Math.max(value < 0 ? value + length : value, low), high)
  }
  const first = place(start, step > 0 ? low : high)
  const last = place(stop, step > 0 ? high : low)
  return { first, last, count: Math.max(0, Math.ceil((last - first) / step)) }
}

function listOf<T>(
  { first, count }: { first: number; count: number },
  step: number,
  at: (index: number) => T,
): T[] {
  checkEntries(count)
  return Array.from({ length: count }, (_, i) => at(first + i * step))
}

/** Whether a value has entries at all, for the test iterable. */
export function isIterable(value: Value): boolean {
  if (value instanceof Opaque) return value.typeName === 'LoopContext'
  return value instanceof Lazy || entriesOf(value) !== undefined
}

// Filters that go over entries. Those that Python makes generators are lazy here, too: their entries can be
// taken once, and what fails in them fails when they are taken.
import { bind, intOf, textOf } from './arguments.ts'
import { checkEntries, raise, refuse, spend } from './faults.ts'
import { type Filter, TEXT_FILTERS } from './filters-text.ts'
import { lower } from './letters.ts'
import { attributeOf, itemOf } from './members.ts'
import { FILTER_NAMES } from './names.ts'
import { binary } from './operators.ts'
import { str } from './print.ts'
import { checkedLength, equal, iterate, keyOf, ordered, toList, truth } from './protocols.ts'
import { joinWith } from './strings.ts'
import { applyTest } from './tests.ts'
import { join, Text } from './text.ts'
import {
  type Arguments,
  Dict,
  DictView,
  isList,
  Lazy,
  Opaque,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

type Getter = (item: Value) => Value

/** What "a.b.0" reaches; None is the item itself. */
function getter(attribute: Value | undefined, fold = false, otherwise?: Value): Getter {
  const parts = pathOf(attribute)
  return item => {
    let value = item
    for (const part of parts) {
      value = itemOf(value, part)
      if (otherwise !== undefined && otherwise !== null && value instanceof Undefined)
        value = otherwise
    }
    return fold ? folded(value) : value
  }
}

function pathOf(attribute: Value | undefined): Value[] {
  if (attribute === undefined || attribute === null) return []
  if (!(attribute instanceof Text)) return [attribute]
  return attribute.s.split('.').map(part => (/^\d+$/.test(part) ? BigInt(part) : new Text(part)))
}

/** Sorting and comparing leave case aside unless asked. */
function folded(value: Value): Value {
  return value instanceof Text ? lower(value) : value
}

function sorted<T>(items: T[], keyOfItem: (item: T) => Value, reverse: boolean): T[] {
  const keyed = items.map(item => [keyOfItem(item), item] as const)
  const sign = reverse ? -1 : 1
  keyed.sort(([a], [b]) => {
    spend(1)
    return ordered('<', a, b) ? -sign : ordered('<', b, a) ? sign : 0
  })
  return keyed.map(([, item]) => item)
}

function isTrue(value: Value | undefined): boolean {
  return value !== undefined && truth(value)
}

const extreme =
  (name: 'min' | 'max'): Filter =>
  (value, args) => {
    const [caseSensitive, attribute] = bind(name, 'case_sensitive? attribute?', args)
    const key = getter(attribute, !isTrue(caseSensitive))
    let best: readonly [Value, Value] | undefined
    const entries = iterate(value)
    for (let next = entries.next(); !next.done; next = entries.next()) {
      const own = key(next.value)
      if (!best || ordered(name === 'min' ? '<' : '>', own, best[0])) best = [own, next.value]
    }
    return best ? best[1] : new Undefined('No aggregated item, sequence was empty.')
  }

/** select, reject and their twins for attributes. */
const choosing =
  (keep: boolean, byAttribute: boolean): Filter =>
  (value, args) =>
    new Lazy(chosen(value, args, keep, byAttribute))

function* chosen(
  value: Value,
  { list, named }: Arguments,
  keep: boolean,
  byAttribute: boolean,
): Generator<Value, undefined> {
  if (!truth(value)) return
  if (byAttribute && list.length === 0) {
    throw raise('FilterArgumentError', 'Missing parameter for attribute name')
  }
  const of = byAttribute ? getter(list[0]) : (item: Value) => item
  const [test, ...rest] = byAttribute ? list.slice(1) : list
  const passes = (item: Value) =>
    test === undefined ? truth(item) : applyTest(nameOf(test), item, { list: rest, named })
  const entries = iterate(value)
  for (let next = entries.next(); !next.done; next = entries.next()) {
    spend(1)
    if (passes(of(next.value)) === keep) yield next.value
  }
}

function nameOf(name: Value): string {
  return textOf(name, 'the name of a test or filter').s
}

function* mapped(value: Value, { list, named }: Arguments): Generator<Value, undefined> {
  if (!truth(value)) return
  let of: Getter
  if (list.length === 0 && named.has('attribute')) {
    const [attribute, otherwise] = bind('map', 'attribute default?', { list, named })
    of = getter(attribute, false, otherwise)
  } else {
    const [name, ...rest] = list
    if (name === undefined) throw raise('FilterArgumentError', 'map requires a filter argument')
    of = item => applyFilter(nameOf(name), item, { list: rest, named })
  }
  const entries = iterate(value)
  for (let next = entries.next(); !next.done; next = entries.next()) {
    spend(1)
    yield of(next.value)
  }
}

function* uniqueOf(value: Value, key: Getter): Generator<Value, undefined> {
  const seen = new Set<string>()
  const entries = iterate(value)
  for (let next = entries.next(); !next.done; next = entries.next()) {
    spend(1)
    const name = keyOf(key(next.value))
    if (seen.has(name)) continue
    seen.add(name)
    yield next.value
  }
}

function* batches(
  value: Value,
  size: number,
  fill: Value | undefined,
): Generator<Value, undefined> {
  let batch: Value[] = []
  const entries = iterate(value)
  for (let next = entries.next(); !next.done; next = entries.next()) {
    if (batch.length === size) {
      yield batch
      batch = []
    }
    batch.push(next.value)
    spend(0.25)
  }
  if (batch.length === 0) return
  if (fill !== undefined && fill !== null) {
    checkEntries(size)
    while (batch.length < size) batch.push(fill)
  }
  yield batch
}

function* slices(value: Value, count: Value, fill: Value | undefined): Generator<Value, undefined> {
  const items = toList(value)
  const parts = intOf(count, 'slices')
  if (parts === 0) throw raise('ZeroDivisionError', 'integer division or modulo by zero')
  const size = Math.floor(items.length / parts)
  const extra = items.length - size * parts
  let start = 0
  for (let i = 0; i < parts; i++) {
    spend(1)
    const end = start + size + (i < extra ? 1 : 0)
    const slice = items.slice(start, end)
    if (fill !== undefined && fill !== null && i >= extra) slice.push(fill)
    yield slice
    start = end
  }
}

function groupBy(value: Value, args: Arguments): Value {
  const [attribute, otherwise, caseSensitive] = bind(
    'groupby',
    'attribute default? case_sensitive?',
    args,
  )
  const fold = !isTrue(caseSensitive)
  const key = getter(attribute, fold, otherwise)
  const plain = getter(attribute, false, otherwise)
  const groups: [Value, Value[]][] = []
  for (const item of sorted(toList(value), key, false)) {
    const own = key(item)
    const last = groups.at(-1)
    if (last && equal(last[0], own)) last[1].push(item)
    else groups.push([own, [item]])
  }
  return groups.map(
    ([own, items]) => new Tuple([fold ? plain(items[0]) : own, items], ['grouper', 'list']),
  )
}

function dictSort(value: Value, args: Arguments): Value {
  const [caseSensitive, by, reverse] = bind('dictsort', 'case_sensitive? by? reverse?', args)
  const place = by === undefined ? 'key' : textOf(by, 'by').s
  if (place !== 'key' && place !== 'value') {
    throw raise('FilterArgumentError', 'You can only sort by either "key" or "value"')
  }
  if (!(value instanceof Dict)) {
    throw raise('AttributeError', `'${typeName(value)}' object has no attribute 'items'`)
  }
  const fold = isTrue(caseSensitive) ? (item: Value) => item : folded
  const at = place === 'key' ? 0 : 1
  const pairs = sorted([...value.entries.values()], pair => fold(pair[at]), isTrue(reverse))
  return pairs.map(([key, item]) => new Tuple([key, item]))
}

/** reversed(); undefined where Python cannot. */
function reversed(value: Value): Iterator<Value> | undefined {
  const order =
    value instanceof Text ||
    isList(value) ||
    value instanceof Tuple ||
    value instanceof Dict ||
    value instanceof DictView ||
    value instanceof Range ||
    value instanceof Undefined
  return order ? toList(value).reverse().values() : undefined
}

const LIST_FILTERS: Readonly<Record<string, Filter>> = {
  attr(value, args) {
    const name = textOf(bind('attr', 'name', args)[0]!, 'attribute name').s
    const member = attributeOf(value, name)
    if (member !== undefined) return member
    return new Undefined(`'${typeName(value)} object' has no attribute '${name}'`)
  },
  batch(value, args) {
    const [size, fill] = bind('batch', 'linecount fill_with?', args)
    return new Lazy(batches(value, intOf(size!, 'linecount'), fill))
  },
  count: lengthFilter,
  d: defaultFilter,
  default: defaultFilter,
  dictsort: dictSort,
  first(value, args) {
    bind('first', '', args)
    const first = iterate(value).next()
    return first.done ? new Undefined('No first item, sequence was empty.') : first.value
  },
  groupby: groupBy,
  items(value, args) {
    bind('items', '', args)
    if (value instanceof Undefined) return new Lazy([].values())
    return new Lazy(itemsOf(value))
  },
  join(value, args) {
    const [separator, attribute] = bind('join', 'd? attribute?', args)
    if (attribute === undefined || attribute === null) return TEXT_FILTERS.join(value, args)
    const of = getter(attribute)
    const pieces = toList(value).map(item => str(of(item)))
    return joinWith(separator === undefined ? new Text('') : str(separator), pieces)
  },
  last(value, args) {
    bind('last', '', args)
    const entries = reversed(value)
    if (!entries) throw raise('TypeError', `'${typeName(value)}' object is not reversible`)
    const last = entries.next()
    return last.done ? new Undefined('No last item, sequence was empty.') : last.value
  },
  length: lengthFilter,
  list(value, args) {
    bind('list', '', args)
    return toList(value)
  },
  map: (value, args) => new Lazy(mapped(value, args)),
  max: extreme('max'),
  min: extreme('min'),
  reject: choosing(false, false),
  rejectattr: choosing(false, true),
  reverse(value, args) {
    bind('reverse', '', args)
    if (value instanceof Text) return join(value.characters().reverse()).asSafe(value.safe)
    const entries = reversed(value)
    if (entries) return new Lazy(entries, 'list_reverseiterator')
    if (!(value instanceof Lazy) && !(value instanceof Opaque)) {
      throw raise('FilterArgumentError', 'argument must be iterable')
    }
    return toList(value).reverse()
  },
  select: choosing(true, false),
  selectattr: choosing(true, true),
  slice(value, args) {
    const [count, fill] = bind('slice', 'slices fill_with?', args)
    return new Lazy(slices(value, count!, fill))
  },
  sort(value, args) {
    const [reverse, caseSensitive, attribute] = bind(
      'sort',
      'reverse? case_sensitive? attribute?',
      args,
    )
    const paths =
      attribute instanceof Text ? attribute.s.split(',').map(path => new Text(path)) : [attribute]
    const getters = paths.map(path => getter(path, !isTrue(caseSensitive)))
    return sorted(toList(value), item => getters.map(of => of(item)), isTrue(reverse))
  },
  sum(value, args) {
    const [attribute, start = 0n] = bind('sum', 'attribute? start?', args)
    if (start instanceof Text) throw raise('TypeError', "sum() can't sum strings")
    const of = getter(attribute)
    let total: Value = start
    const entries = iterate(value)
    for (let next = entries.next(); !next.done; next = entries.next()) {
      total = binary('+', total, of(next.value))
    }
    return total
  },
  unique(value, args) {
    const [caseSensitive, attribute] = bind('unique', 'case_sensitive? attribute?', args)
    return new Lazy(uniqueOf(value, getter(attribute, !isTrue(caseSensitive))))
  },
}

function* itemsOf(value: Value): Generator<Value, undefined> {
  if (!(value instanceof Dict)) {
    throw raise('TypeError', 'Can only get item pairs from a mapping.')
  }
  for (const [key, item] of value.entries.values()) yield new Tuple([key, item])
}

function lengthFilter(value: Value, args: Arguments): Value {
  bind('length', '', args)
  return BigInt(checkedLength(value))
}

function defaultFilter(value: Value, args: Arguments): Value {
  const [otherwise = new Text(''), boolean] = bind('default', 'default_value? boolean?', args)
  return value instanceof Undefined || (isTrue(boolean) && !truth(value)) ? otherwise : value
}

const FILTERS = { ...TEXT_FILTERS, ...LIST_FILTERS }

/** value | name(args). @throws TemplateFault */
export function applyFilter(name: string, value: Value, args: Arguments): Value {
  if (Object.hasOwn(FILTERS, name)) return FILTERS[name](value, args)
  if (FILTER_NAMES.has(name)) throw refuse(`the filter ${name}`)
  throw raise('TemplateRuntimeError', `No filter named '${name}'`)
}

// The names every template has: range, dict, namespace, cycler, joiner of Jinja, raise_exception and
// strftime_now of Hugging Face's transformers.
import { bind, textOf } from './arguments.ts'
import { MAX_ENTRIES, raise, refuse, TemplateFault } from './faults.ts'
import { str } from './print.ts'
import { setKey, toList } from './protocols.ts'
import { strftime } from './strftime.ts'
import { Text } from './text.ts'
import {
  type Arguments,
  Builtin,
  Dict,
  isInt,
  Namespace,
  Opaque,
  Range,
  toInt,
  typeName,
  type Value,
} from './values.ts'

/** @param now  what strftime_now() tells */
export function globalsAt(now: () => Date): ReadonlyMap<string, Value> {
  const functions: Readonly<Record<string, (args: Arguments) => Value>> = {
    range,
    dict: args => dictFrom('dict', args),
    namespace: args => new Namespace(dictFrom('namespace', args)),
    cycler: args => new Cycler(args),
    joiner: args => new Joiner(args),
    lipsum() {
      throw refuse('lipsum()')
    },
    raise_exception(args) {
      const [message] = bind('raise_exception', 'message', args)
      throw new TemplateFault(str(message!).s.slice(0, 2000))
    },
    strftime_now(args) {
      const format = textOf(bind('strftime_now', 'format', args)[0]!, 'the format')
      return format.derived(strftime(format.s, now()))
    },
  }
  return new Map(Object.entries(functions).map(([name, call]) => [name, new Builtin(name, call)]))
}

function range(args: Arguments): Value {
  const [first, second, third] = bind('range', 'start stop? step? /', args)
  const int = (value: Value): bigint => {
    if (isInt(value)) return toInt(value)
    throw raise('TypeError', `'${typeName(value)}' object cannot be interpreted as an integer`)
  }
  const step = third === undefined ? 1n : int(third)
  if (step === 0n) throw raise('ValueError', 'range() arg 3 must not be zero')
  const made =
    second === undefined
      ? new Range(0n, int(first!), 1n)
      : new Range(int(first!), int(second), step)
  if (made.length > MAX_ENTRIES) {
    throw raise('OverflowError', `Range too big. At most ${MAX_ENTRIES} entries are allowed.`)
  }
  return made
}

function dictFrom(name: string, { list, named }: Arguments): Dict {
  if (list.length > 1) throw raise('TypeError', `${name} expected at most 1 argument`)
  const dict = new Dict()
  const [from] = list
  if (from instanceof Dict) {
    for (const [key, value] of from.entries.values()) setKey(dict, key, value)
  } else if (from !== undefined) {
    for (const item of toList(from)) {
      const pair = toList(item)
      if (pair.length !== 2)
        throw raise('ValueError', 'dictionary update sequence element has no length 2')
      setKey(dict, pair[0], pair[1])
    }
  }
  for (const [key, value] of named) setKey(dict, new Text(key), value)
  return dict
}

/** Gives its items in turn. */
class Cycler extends Opaque {
  readonly typeName = 'Cycler'
  readonly #items: readonly Value[]
  #at = 0

  constructor({ list, named }: Arguments) {
    super()
    if (named.size > 0) throw raise('TypeError', 'cycler takes no keyword arguments')
    if (list.length === 0) throw raise('RuntimeError', 'at least one item has to be provided')
    this.#items = list
  }

  member(name: string): Value | undefined {
    switch (name) {
      case 'current':
        return this.#items[this.#at]
      case 'next':
        return new Builtin(name, args => {
          bind(name, '', args)
          const item = this.#items[this.#at]
          this.#at = (this.#at + 1) % this.#items.length
          return item
        })
      case 'reset':
        return new Builtin(name, args => {
          bind(name, '', args)
          this.#at = 0
          return null
        })
      case 'items':
      case 'pos':
        throw refuse(`cycler.${name}`)
      default:
        return undefined
    }
  }

  print(): string {
    throw refuse('printing a cycler')
  }
}

/** Nothing the first time, its separator from then on. */
class Joiner extends Opaque {
  readonly typeName = 'Joiner'
  readonly #separator: Value
  #used = false

  constructor(args: Arguments) {
    super()
    const [separator = new Text(', ')] = bind('joiner', 'sep?', args)
    this.#separator = separator
  }

  override readonly call = (args: Arguments): Value => {
    bind('joiner', '', args)
    if (this.#used) return this.#separator
    this.#used = true
    return new Text('')
  }

  member(name: string): Value | undefined {
    if (name === 'sep' || name === 'used') throw refuse(`joiner.${name}`)
    return undefined
  }

  print(): string {
    throw refuse('printing a joiner')
  }
}

// From what a call passes to the parameters of a function written here, with Python's complaints.
import { raise, refuse } from './faults.ts'
import { Text } from './text.ts'
import { type Arguments, isInt, toInt, typeName, type Value } from './values.ts'

/** Largest count or width that anything here can need. */
const MAX_INDEX = 2 ** 31

/**
 * The values of the parameters, in order; undefined where one is left out.
 * @param parameters  "a b? c?": those with ? may be left out; after "/" no name may be given, after "*" one must
 * @throws TemplateFault for too many, too few, and names that are not there
 */
export function bind(name: string, parameters: string, args: Arguments): (Value | undefined)[] {
  const values: (Value | undefined)[] = []
  const names = parameters.split(' ').filter(part => part !== '')
  const slash = names.indexOf('/')
  const star = names.indexOf('*')
  const all = names.filter(part => part !== '/' && part !== '*')
  const byPlace = star < 0 ? all.length : names.slice(0, star).filter(part => part !== '/').length
  if (args.list.length > byPlace) {
    throw raise(
      'TypeError',
      `${name}() takes at most ${byPlace} arguments (${args.list.length} given)`,
    )
  }
  const used = new Set<string>()
  all.forEach((parameter, i) => {
    const bare = parameter.replace('?', '')
    const named = i < slash ? undefined : args.named.get(bare)
    if (named !== undefined) {
      if (i < args.list.length) {
        throw raise('TypeError', `${name}() got multiple values for argument '${bare}'`)
      }
      used.add(bare)
    }
    const value = i < args.list.length ? args.list[i] : named
    if (value === undefined && bare === parameter) {
      throw raise('TypeError', `${name}() missing argument '${bare}'`)
    }
    values.push(value)
  })
  for (const given of args.named.keys()) {
    if (!used.has(given)) {
      throw raise('TypeError', `${name}() got an unexpected keyword argument '${given}'`)
    }
  }
  return values
}

/** A whole number, for a count or a width. @throws TemplateFault */
export function intOf(value: Value, what: string): number {
  const index = indexOf(value, what)
  if (isInt(value) && (toInt(value) >= 1n << 63n || toInt(value) < -(1n << 63n))) {
    throw raise('OverflowError', `${what}: an int too large to convert`)
  }
  return index
}

/** A whole number for a place in a list, where large ones mean its end. @throws TemplateFault */
export function indexOf(value: Value, what: string): number {
  if (!isInt(value)) {
    throw raise(
      'TypeError',
      `${what}: '${typeName(value)}' object cannot be interpreted as an integer`,
    )
  }
  const int = toInt(value)
  if (int > MAX_INDEX) return MAX_INDEX
  return int < -MAX_INDEX ? -MAX_INDEX : Number(int)
}

/** @throws TemplateFault when it is no string */
export function textOf(value: Value, what: string): Text {
  if (!(value instanceof Text))
    throw raise('TypeError', `${what} must be str, not ${typeName(value)}`)
  return unmarked(value, what)
}

/** Python's Markup escapes what it is joined with; only what needs no such care is done with it here. */
export function unmarked(text: Text, what: string): Text {
  if (text.safe) throw refuse(`${what} of a string marked safe`)
  return text
}

// How options and arguments are checked: a rule says what a value must be, a table has a rule for every option
// of a call. The page checks before it sends, the engine again where it is entered, by the same tables.
// Depends on nothing but errors.ts.
import { asRyzError, RyzError } from '../errors.ts'

/** What a value must be, when it is not; undefined when it may pass. */
export type Rule = (value: unknown) => string | undefined

/** A rule for every option of a call. */
export type Rules<T> = { readonly [Name in keyof T]-?: Rule }

/** What a call gives when it does not know one of its options by name. */
const NEAR = 3

/** A number within [low, high]; NaN never is. */
export const number =
  (low: number, high: number): Rule =>
  value =>
    typeof value === 'number' && value >= low && value <= high
      ? undefined
      : `a number from ${low} to ${high}`

/** A number that is not negative and not Infinity, but for `zero` false also not 0. */
export const finite =
  (zero = true): Rule =>
  value =>
    typeof value === 'number' && value < Number.POSITIVE_INFINITY && (zero ? value >= 0 : value > 0)
      ? undefined
      : `a finite number, ${zero ? '0 or more' : 'more than 0'}`

/** A whole number within [low, high]. */
export const whole =
  (low: number, high: number): Rule =>
  value =>
    Number.isInteger(value) && (value as number) >= low && (value as number) <= high
      ? undefined
      : `a whole number from ${low} to ${high}`

export const flag: Rule = value => (typeof value === 'boolean' ? undefined : 'true or false')

export const text: Rule = value => (typeof value === 'string' ? undefined : 'a string')

export const callback: Rule = value => (typeof value === 'function' ? undefined : 'a function')

export const oneOf =
  (...allowed: readonly unknown[]): Rule =>
  value =>
    allowed.includes(value) ? undefined : `one of ${allowed.join(', ')}`

/** A list of at most `most` values of one kind; holes count as undefined. */
export const listOf =
  (entry: Rule, wanted: string, most: number): Rule =>
  value => {
    const all = `a list of at most ${most} ${wanted}`
    if (!Array.isArray(value) || value.length > most) return all
    return Array.from(value, entry).every(wrong => wrong === undefined) ? undefined : all
  }

/** An object of one of these kinds, of whatever realm (an iframe's Blob is a Blob). */
export const kind =
  (...kinds: readonly string[]): Rule =>
  value =>
    typeof value === 'object' && kinds.includes(kindOf(value)) ? undefined : `a ${kinds[0]}`

/** A Blob or File. */
export const blob: Rule = value =>
  kind('Blob', 'File')(value) ?? (Number.isInteger((value as Blob).size) ? undefined : 'a Blob')

/** An AbortSignal, of whatever realm or make. */
export const signal: Rule = value => {
  const { aborted, addEventListener, removeEventListener } = Object(value)
  return typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function'
    ? undefined
    : 'an AbortSignal'
}

/** 'Blob', 'Array', 'Object': what Object.prototype.toString calls it. */
export function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1)
}

/** A list, or a typed array. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && kindOf(value) !== 'DataView')
}

/** A value in an error message: never long. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40))
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null)
    return Object.is(value, -0) ? '-0' : String(value)
  try {
    return Array.isArray(value) ? 'a list' : 'an object'
  } catch {
    return 'an object' // a proxy that was revoked
  }
}

/** @returns BAD_OPTION naming the option, what it is and what it must be */
export function badOption(name: string, value: unknown, wanted: string): RyzError {
  const is = shown(value)
  return new RyzError('BAD_OPTION', `${name} is ${is}; it must be ${wanted}`, {
    option: name,
    value: is,
  })
}

/** @throws RyzError BAD_OPTION when the value is not what the rule says */
export function check(name: string, value: unknown, rule: Rule): void {
  const wanted = reading(name, () => rule(value))
  if (wanted !== undefined) throw badOption(name, value, wanted)
}

/**
 * The options of a call, each read once and checked; those that are undefined are left out.
 * @param call  what they are options of, for the message
 * @throws RyzError BAD_OPTION naming the option; one that is not known, with the nearest that is
 */
export function checkOptions<T extends object>(rules: Rules<T>, options: T, call: string): T {
  const kept: Record<string, unknown> = {}
  return reading('the options', () => {
    if (options === undefined) return kept as T
    if (typeof options !== 'object' || options === null || isList(options)) {
      throw badOption('options', options, `an object with options of ${call}`)
    }
    const given: Record<string, unknown> = options as Record<string, unknown>
    for (const name in given) {
      if (!Object.hasOwn(rules, name) && given[name] !== undefined) throw unknown(rules, name, call)
    }
    for (const name in rules) {
      const value = given[name]
      if (value === undefined) continue
      check(name, value, rules[name])
      kept[name] = value
    }
    return kept as T
  })
}

/** Runs what reads a caller's objects; a getter or proxy that throws is BAD_OPTION. */
export function reading<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (caught) {
    throw asRyzError(caught, 'BAD_OPTION', `${what} cannot be read or sent`)
  }
}

function unknown(rules: object, name: string, call: string): RyzError {
  const plain = (text: string): string => text.toLowerCase().replaceAll('_', '')
  let nearest: string | undefined
  let distance = Math.max(NEAR, Math.ceil(name.length / 3)) + 1
  for (const known of Object.keys(rules)) {
    const d = edits(plain(name), plain(known))
    if (d < distance && d < known.length) {
      nearest = known
      distance = d
    }
  }
  const hint = nearest === undefined ? 'leave it out' : `did you mean ${nearest}?`
  const detail = { option: name.slice(0, 40), ...(nearest !== undefined && { nearest }) }
  return new RyzError('BAD_OPTION', `${shown(name)} is no option of ${call}; ${hint}`, detail)
}

/** Letters to insert, delete or change between two names (Levenshtein); of long ones, the beginning. */
function edits(a: string, b: string): number {
  const to = b.slice(0, 40)
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (const letter of a.slice(0, 40)) {
    const next = [row[0]! + 1]
    for (let i = 0; i < to.length; i++) {
      const same = row[i]! + (letter === to[i] ? 0 : 1)
      next.push(Math.min(same, row[i + 1]! + 1, next[i]! + 1))
    }
    row = next
  }
  return row.at(-1)!
}

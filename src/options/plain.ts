// Copies of plain data (what JSON can hold), so that nothing of the caller's own objects travels: no getters,
// no classes, no circles. Used by input.ts.
import { badOption, kindOf } from './rules.ts'

/** Nesting beyond this is damage or malice: schemas of tools need about ten levels. */
const MAX_DEPTH = 100
/** Entries of all lists and objects of one call. */
const MAX_ENTRIES = 200_000

/** Counts across one call. */
export interface Entries {
  count: number
}

/**
 * A copy of plain data; members that are undefined are left out.
 * @throws RyzError BAD_OPTION naming the place
 */
export function plainCopy(
  name: string,
  value: unknown,
  entries: Entries = { count: 0 },
  depth = 0,
): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value)))
    return value
  const isList = Array.isArray(value)
  const wanted = 'plain data: text, finite numbers, true, false, null, lists and objects of them'
  if (!isList && kindOf(value) !== 'Object') throw badOption(name, value, wanted)
  if (depth > MAX_DEPTH) throw badOption(name, value, `nested at most ${MAX_DEPTH} deep`)
  const count = (more: number) => {
    entries.count += more
    if (entries.count > MAX_ENTRIES) throw badOption(name, value, `at most ${MAX_ENTRIES} entries`)
  }
  if (isList) {
    count(value.length)
    return Array.from(value, (item, i) =>
      plainCopy(`${name}[${i}]`, item === undefined ? null : item, entries, depth + 1),
    )
  }
  const all = Object.entries(value as object)
  count(all.length)
  const copy: Record<string, unknown> = {}
  for (const [key, item] of all) {
    if (item === undefined) continue
    const path = /^\w{1,60}$/.test(key)
      ? `${name}.${key}`
      : `${name}[${JSON.stringify(key.slice(0, 60))}]`
    const member = plainCopy(path, item, entries, depth + 1)
    // Not by assignment: `__proto__` is a name like any other.
    Object.defineProperty(copy, key, {
      value: member,
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return copy
}

// The option responseFormat: its shape, and a schema as the plain JSON that crosses to the worker. What a
// schema or grammar says is checked by the engine, which compiles it. Used by src/api and src/engine.
import type { ResponseFormat } from '../types/index.ts'
import { badOption, isList, kindOf, type Rule } from './rules.ts'

const FIELDS: Readonly<Record<ResponseFormat['type'], readonly string[]>> = {
  text: ['type'],
  json_object: ['type'],
  json_schema: ['type', 'schema', 'strict'],
  grammar: ['type', 'ebnf', 'root'],
  regex: ['type', 'pattern'],
}
const TYPES = Object.keys(FIELDS).join(', ')
/** Deeper values are no schemas; what refers to itself has no end. */
const MAX_DEPTH = 1000
/** Characters: beyond it nothing is compiled anyway. */
const MAX_TEXT = 4e6

/** @returns what it must be, when it is not */
export const responseFormat: Rule = value => {
  if (kindOf(value) !== 'Object') return `an object with a type of ${TYPES}`
  const format = value as Record<string, unknown>
  const { type } = format
  if (typeof type !== 'string' || !Object.hasOwn(FIELDS, type)) {
    return `an object whose type is one of ${TYPES}`
  }
  const fields = FIELDS[type as ResponseFormat['type']]
  for (const name in format) {
    if (!fields.includes(name) && format[name] !== undefined) {
      return `an object with ${fields.join(', ')} for the type ${type}; ${JSON.stringify(name.slice(0, 40))} is none`
    }
  }
  const needsText = (name: string): string | undefined => {
    const text = format[name]
    if (typeof text !== 'string') return `an object whose ${name} is a string`
    return text.length > MAX_TEXT ? `of at most ${MAX_TEXT} characters` : undefined
  }
  switch (type as ResponseFormat['type']) {
    case 'json_schema': {
      if (format.strict !== undefined && typeof format.strict !== 'boolean') {
        return 'an object whose strict is true or false'
      }
      if (typeof format.schema !== 'boolean' && kindOf(format.schema) !== 'Object') {
        return 'an object whose schema is a JSON Schema: an object, or true or false'
      }
      return undefined
    }
    case 'grammar':
      if (format.root !== undefined && typeof format.root !== 'string') {
        return 'an object whose root is the name of a rule'
      }
      return needsText('ebnf')
    case 'regex':
      return needsText('pattern')
    default:
      return undefined
  }
}

/**
 * The format with its schema as plain JSON, ready to be sent.
 * @throws RyzError BAD_OPTION naming the place that is no JSON: a function, a class, a circle
 */
export function plainFormat(format: ResponseFormat): ResponseFormat {
  if (format.type !== 'json_schema') return { ...format }
  return {
    ...format,
    schema: plain(format.schema, 'responseFormat.schema', 0) as typeof format.schema,
  }
}

function plain(value: unknown, path: string, depth: number): unknown {
  const no = (wanted: string) => badOption(path, value, wanted)
  if (depth > MAX_DEPTH) {
    throw no(`JSON that nests at most ${MAX_DEPTH} deep; does it hold itself?`)
  }
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value
    throw no('a finite number')
  }
  if (Array.isArray(value)) return value.map((item, i) => plain(item, `${path}[${i}]`, depth + 1))
  const proto = typeof value === 'object' ? Object.getPrototypeOf(value as object) : undefined
  const isPlain = proto === null || (proto !== undefined && Object.getPrototypeOf(proto) === null)
  if (!isPlain || isList(value) || kindOf(value) !== 'Object') {
    throw no('plain JSON; a schema of a library is to be turned into JSON Schema first')
  }
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value as object)) {
    if (member === undefined) continue // as JSON.stringify leaves it out
    const made = plain(member, `${path}.${key}`, depth + 1)
    // A property called __proto__ is a property like any other.
    Object.defineProperty(copy, key, {
      value: made,
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return copy
}

// One tool call out of its text: what is a call, and its arguments as the text that was written. What is not a
// well-formed call of a function that was offered is no call. Used by call-reader.ts.
import type { ChatTool } from '../../types/index.ts'
import { JsonScan, members } from './json-scan.ts'

/** A call as it was read. */
export interface ReadCall {
  readonly name: string
  /** JSON text of an object, as it was written. */
  readonly arguments: string
  /** The id that the model wrote, if it did. */
  readonly id?: string
}

/** The functions that may be called, by name. */
export type Offered = ReadonlyMap<string, ChatTool['function']>

export function offeredOf(tools: readonly ChatTool[]): Offered {
  return new Map(tools.map(tool => [tool.function.name, tool.function]))
}

/**
 * A call written as `{"name": ..., "arguments": {...}}`, or with `parameters`.
 * @param text  an object that JsonScan took
 * @param mustHave  a call has arguments or parameters, even if none are needed
 */
export function jsonCall(text: string, offered: Offered, mustHave: boolean): ReadCall | undefined {
  const fields = members(text)
  const name = stringOf(fields.get('name'))
  if (name === undefined || !offered.has(name)) return undefined
  const given = fields.get('arguments') ?? fields.get('parameters')
  if (given === undefined && mustHave) return undefined
  const args = argumentsOf(given)
  if (args === undefined) return undefined
  const id = stringOf(fields.get('id'))
  return { name, arguments: args, ...(id && { id }) }
}

/** Arguments as the text of an object; a text that holds one is unwrapped once. */
export function argumentsOf(given: string | undefined): string | undefined {
  if (given === undefined || given === 'null') return '{}'
  if (given.startsWith('{')) return given
  const inside = stringOf(given)?.trim()
  if (inside === undefined) return undefined
  if (inside === '') return '{}'
  const scan = new JsonScan(0)
  scan.scan(inside)
  return inside.startsWith('{') && scan.end === inside.length ? inside : undefined
}

function stringOf(text: string | undefined): string | undefined {
  return text?.startsWith('"') ? (JSON.parse(text) as string) : undefined
}

const FUNCTION = /^<function=([^>\s]+)>\s*/
const PARAMETER = /^<parameter=([^>\n]+)>/
const CLOSE = '</parameter>'

/**
 * A call written as `<function=name>` with a `<parameter=key>` for each argument, which its schema types.
 * @param text  up to `</function>`, which it ends with
 */
export function xmlCall(text: string, offered: Offered): ReadCall | undefined {
  const head = FUNCTION.exec(text)
  const declared = head && offered.get(head[1]!)
  if (!declared) return undefined
  const properties = Object(Object(declared.parameters).properties) as Record<string, unknown>
  const written: string[] = []
  let rest = text.slice(head[0].length, -'</function>'.length)
  while (rest.trim() !== '') {
    const key = PARAMETER.exec(rest)
    if (key === null) return undefined
    const from = key[0].length
    const to = closeOf(rest, from)
    if (to === undefined) return undefined
    const value = frameless(rest.slice(from, to))
    const name = key[1]!
    const schema = Object.hasOwn(properties, name) ? properties[name] : undefined
    written.push(`${JSON.stringify(name)}: ${typed(value, typesOf(schema))}`)
    rest = rest.slice(to + CLOSE.length).trimStart()
  }
  return { name: head[1]!, arguments: `{${written.join(', ')}}` }
}

/** The closing tag that is followed by another parameter or the end: others are part of the value. */
function closeOf(text: string, from: number): number | undefined {
  for (let at = text.indexOf(CLOSE, from); at >= 0; at = text.indexOf(CLOSE, at + 1)) {
    const next = text.slice(at + CLOSE.length).trimStart()
    if (next === '' || next.startsWith('<parameter=')) return at
  }
  return undefined
}

/** Without the one line break after the opening tag and the one before the closing tag. */
function frameless(value: string): string {
  return value.replace(/^\r?\n/, '').replace(/\r?\n$/, '')
}

/** Types a schema allows; empty where it says nothing of types. */
function typesOf(schema: unknown, depth = 0): string[] {
  const { type, anyOf, oneOf, allOf, enum: values, const: one } = Object(schema)
  if (typeof type === 'string') return [type]
  if (Array.isArray(type)) return type.filter(name => typeof name === 'string')
  const options = [anyOf, oneOf, allOf].find(Array.isArray) as unknown[] | undefined
  if (options && depth < 5) return options.flatMap(option => typesOf(option, depth + 1))
  const all = Array.isArray(values) ? values : one === undefined ? [] : [one]
  return all.map(value => (typeof value === 'object' ? 'object' : typeof value))
}

/** A value as JSON text: a text, unless the schema wants something else and this is it. */
function typed(value: string, types: readonly string[]): string {
  const text = value.trim()
  const kind = kindOfJson(text)
  const integer = kind === 'number' && types.includes('integer')
  const wanted = kind !== undefined && (integer || types.includes(kind))
  return wanted ? text : JSON.stringify(value)
}

/** What a text is as JSON; texts in quotes are not looked for: they are texts with quotes. */
function kindOfJson(text: string): string | undefined {
  if (text === '' || text.startsWith('"')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (value === null) return 'null'
    return Array.isArray(value) ? 'array' : typeof value
  } catch {
    return undefined
  }
}
